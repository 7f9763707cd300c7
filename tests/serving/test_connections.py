"""Connections: many at once, slow ones, silent ones, ones that go away, and a stop that lets the running ones end."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import httpx
import pytest
from engine_helpers import speech_request
from serving_helpers import ThreadEngine, make_settings, running, speak

from serving.api import streams
from serving.api.app import make_service
from serving.api.callers import Anonymous
from serving.api.streams import Utterance, read_ahead
from serving.errors import NotReadyError, RevokedError, UnauthenticatedError, VoiceDamagedError
from serving.messages import AudioPiece

BODY = {"model": "tts-1", "input": "The kettle is on the stove.", "voice": "anna", "response_format": "wav"}


def raw_request(service, body: dict = BODY) -> socket.socket:
    """Send a request by hand, and return the socket with the answer unread."""
    host, port = service.address.removeprefix("http://").split(":")
    content = json.dumps(body).encode()
    head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    one = socket.create_connection((host, int(port)))
    one.sendall(head.encode() + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
    return one


def wait_until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/openapi.json"])
def test_an_open_path_waits_for_no_body(service, path):
    host, port = service.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as one:
        one.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 999999\r\n\r\nbegin".encode())
        assert one.recv(1000).startswith(b"HTTP/1.1 405")


def test_a_client_that_leaves_frees_its_worker_within_a_chunk():
    engine = ThreadEngine(repeat=10_000, delay=0.01)
    with running(engine) as service:
        one = raw_request(service)
        one.recv(1000)
        one.close()
        wait_until(lambda: engine.n_cancelled == 1)
        n_pieces = engine.n_pieces
        time.sleep(0.1)
        assert engine.n_pieces == n_pieces
        wait_until(lambda: service.records)
        assert service.records[0].client_left and service.records[0].error_type is None


def test_a_client_that_leaves_before_the_first_sound_is_noticed_too():
    engine = ThreadEngine(delay=60)
    with running(engine) as service:
        one = raw_request(service)
        wait_until(lambda: service.service.n_open == 1)
        one.close()
        wait_until(lambda: engine.n_cancelled == 1)


def test_a_slow_reader_holds_little_memory_and_is_disconnected():
    engine = ThreadEngine(repeat=200_000)
    settings = make_settings(max_unread_bytes=100_000, slow_reader_seconds=0.5)
    with running(engine, settings) as service:
        one = raw_request(service)
        wait_until(lambda: engine.n_pieces > 100)
        time.sleep(0.3)
        n_pieces = engine.n_pieces
        assert n_pieces < 100_000  # the worker was not asked for more
        others = [speak(service, voice="nobody").status_code for _ in range(3)]
        assert others == [404, 404, 404]
        wait_until(lambda: engine.n_cancelled == 1)
        wait_until(lambda: any(record.client_left for record in service.records))
        one.close()


def test_a_connection_that_says_nothing_is_closed():
    with running(settings=make_settings(body_seconds=0.3)) as service:
        host, port = service.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as one:
            one.sendall(b"POST /v1/audio/speech HTTP/1.1\r\nHos")
            one.settimeout(5)
            with suppress(ConnectionResetError):
                assert one.recv(100) == b""


def test_a_body_that_does_not_arrive_is_a_timeout():
    with running(settings=make_settings(body_seconds=0.3)) as service:
        host, port = service.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as one:
            one.sendall(
                f"POST /v1/audio/speech HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
                "Content-Length: 100\r\n\r\n{".encode()
            )
            one.settimeout(5)
            assert b"408" in one.recv(1000).split(b"\r\n")[0]


def test_a_request_that_takes_too_long_is_ended():
    engine = ThreadEngine(delay=60)
    with running(engine, make_settings(max_request_seconds=0.3)) as service:
        answer = speak(service)
        assert answer.status_code == 503 and answer.json()["error"]["type"] == "deadline"
        wait_until(lambda: engine.n_cancelled == 1)


def test_too_many_connections_are_refused_with_429():
    engine = ThreadEngine(delay=60)
    with running(engine, make_settings(max_connections=3)) as service:
        held = [raw_request(service) for _ in range(3)]
        wait_until(lambda: service.service.n_open == 3)
        answer = speak(service)
        assert answer.status_code == 429 and answer.json()["error"]["type"] == "too_many_connections"
        assert int(answer.headers["retry-after"]) >= 1
        assert httpx.get(f"{service.address}/healthz").status_code == 200
        for one in held:
            one.close()
        wait_until(lambda: service.service.n_open == 0)


def test_a_thousand_connections_are_answered():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4000:
        pytest.skip(f"the system allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4000), hard))

    async def main(host: str, port: str) -> list[bytes]:
        held = [await asyncio.open_connection(host, int(port)) for _ in range(1000)]  # all open at once
        for _, writer in held:
            writer.write(f"GET /v1/voices HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        lines = [await asyncio.wait_for(reader.readline(), 30) for reader, _ in held]
        for _, writer in held:
            writer.close()
        return lines

    with running(settings=make_settings(max_connections=2000)) as service:
        lines = asyncio.run(main(*service.address.removeprefix("http://").split(":")))
        assert lines == [b"HTTP/1.1 200 OK\r\n"] * 1000
        wait_until(lambda: service.service.n_open == 0)


def test_a_stop_lets_running_requests_end_and_refuses_new_ones():
    engine = ThreadEngine(repeat=30, delay=0.01)
    with running(engine) as service:
        answers = []
        client = threading.Thread(target=lambda: answers.append(speak(service)))
        client.start()
        wait_until(lambda: engine.n_pieces > 3)
        service.server._loop.call_soon_threadsafe(service.server.drain)
        wait_until(lambda: service.service.draining)
        refused = speak(service)
        assert refused.status_code == 503 and refused.json()["error"]["type"] == "draining"
        ready = httpx.get(f"{service.address}/readyz")
        assert ready.status_code == 503 and ready.json()["reasons"] == ["the service is being stopped"]
        client.join(20)
        assert answers[0].status_code == 200
        service.thread.join(20)
        assert not service.thread.is_alive()


def test_a_stop_does_not_wait_longer_than_it_may():
    engine = ThreadEngine(delay=60)
    with running(engine, make_settings(drain_seconds=0.2)) as service:
        one = raw_request(service)
        wait_until(lambda: service.service.n_open == 1)
        begin = time.monotonic()
        service.stop()
        assert time.monotonic() - begin < 5
        assert engine.n_cancelled == 1
        one.close()


def test_a_port_in_use_is_named():
    with running() as service, pytest.raises(OSError, match=r"cannot be used .*--port"):
        settings = service.service.settings.model_copy(update={"port": int(service.address.rsplit(":", 1)[1])})
        type(service.server)(service.server.config.app, service.service, settings=settings).bind()


def test_parts_of_an_answer_do_not_wait_for_an_acknowledgement():
    """With Nagle's algorithm on, the second part of an answer is held back, up to 40 ms with Linux's clients."""

    async def accepted_option(listening: socket.socket) -> int:
        found = asyncio.get_running_loop().create_future()

        async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(accept, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname()[:2])
            option = await asyncio.wait_for(found, 10)
            writer.close()
            return option

    with running() as service:
        settings = service.service.settings.model_copy(update={"port": 0})
        listening, _ = type(service.server)(service.server.config.app, service.service, settings=settings).bind()
        assert asyncio.run(accepted_option(listening))


def test_what_waits_for_a_client_is_dropped_when_the_engine_stops_the_request():
    async def speaks():
        for number in range(3):
            yield AudioPiece(bytes(10), number)
        await asyncio.sleep(0)
        raise RevokedError("the consent was revoked")

    async def main() -> list[int]:
        got = []
        with pytest.raises(RevokedError):
            async for event in read_ahead(speaks(), 10_000):
                got.append(event.sentence)
                await asyncio.sleep(0.05)  # a slow client
        return got

    assert asyncio.run(main()) == [0]


@pytest.mark.parametrize(("refusal", "ends"), [(RevokedError("revoked"), True), (NotReadyError("loading"), False)])
def test_a_revocation_ends_the_delivery_of_what_was_spoken_already(refusal, ends):
    engine = ThreadEngine(repeat=5000)  # spoken at once, and far more than the kernel holds for a client
    with running(engine) as service:
        one = raw_request(service, BODY | {"input": "Yes."})
        wait_until(lambda: engine.n_pieces > 300)
        engine.refusal = refusal
        time.sleep(1.1)
        n_bytes = 0
        while piece := one.recv(1 << 20):
            n_bytes += len(piece)
            if piece.endswith(b"0\r\n\r\n"):
                break
        one.close()
        wait_until(lambda: service.records)
        assert (service.records[0].error_type == "revoked") == ends
        assert (service.records[0].finished is None) == ends


@pytest.mark.parametrize(
    ("faults", "ends"),
    [
        ([True, True, False, True, True, False, True], False),  # three promotions, each seen while it was written
        ([True, True, True], True),
    ],
)
def test_a_journal_that_is_being_written_ends_no_stream_and_a_broken_one_does(monkeypatch, faults, ends):
    engine, times = ThreadEngine(synthesizer=None), iter(range(100))
    service = make_service(engine, make_settings())
    monkeypatch.setattr(streams, "time", SimpleNamespace(perf_counter=lambda: float(next(times))))
    utterance = Utterance(
        service=service,
        request=speech_request(lane="batch"),
        route="speech",
        caller=Anonymous(),
        form="wav",
        started=SimpleNamespace(candidate_id="c2"),
    )

    async def look() -> None:
        for is_damaged in faults:
            engine.refusal = VoiceDamagedError("the journal is broken") if is_damaged else None
            await utterance.check_delivery()

    if ends:
        with pytest.raises(VoiceDamagedError):
            asyncio.run(look())
    else:
        asyncio.run(look())


class Revocable(Anonymous):
    """A caller whose key can be revoked while it is served."""

    is_revoked = False

    def require_valid(self):
        if self.is_revoked:
            raise UnauthenticatedError("the key was revoked")


def test_a_key_that_is_revoked_ends_the_stream_that_it_opened():
    engine, caller = ThreadEngine(repeat=5000), Revocable()

    async def authenticate(authorization):
        return caller

    with running(engine, authenticate=authenticate) as service:
        one = raw_request(service, BODY | {"input": "Yes."})
        wait_until(lambda: engine.n_pieces > 300)
        caller.is_revoked = True
        time.sleep(1.1)
        while one.recv(1 << 20):
            pass
        one.close()
        wait_until(lambda: service.records)
        assert service.records[0].error_type == "unauthenticated"
        assert service.records[0].finished is None
