"""Provenance over real sockets: whole answers hold their mark, streams have a sidecar, and files are verified."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import socket
import time

import httpx
import numpy as np
import pytest
import soundfile
from provenance_helpers import marked
from serving_helpers import one_key, running, speak

from serving.caches.entries import pack
from serving.caches.memory import MemoryCache
from serving.encoding import MEDIA_TYPES, encode
from serving.errors import NotFoundError
from serving.provenance import isolation
from serving.provenance.routes import provenance_router
from serving.provenance.service import Provenance
from serving.provenance.sidecars import read_sidecar

TEXT = "The kettle is on the stove. Who is there?"
MAX_BYTES = 1_000_000
HEADER_BYTES = 44  # of a WAV


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def service(root):
    provenance = Provenance(root, seconds=60)
    with running(provenance=provenance, routers=[provenance_router(provenance, max_bytes=MAX_BYTES)]) as one:
        yield one


def verify(service, content: bytes, sidecar: bytes | None = None, **headers) -> httpx.Response:
    if sidecar is not None:
        headers["X-Provenance-Sidecar"] = base64.b64encode(sidecar).decode()
    return httpx.post(f"{service.address}/v1/provenance/verify", content=content, headers=headers, timeout=30)


def test_prometheus_is_told_when_the_certificate_ends_and_that_none_does(service):
    def end(of: str) -> float:
        lines = httpx.get(f"{of}/metrics").text.splitlines()
        (line,) = [one for one in lines if one.startswith("voxfoundry_certificate_end_timestamp_seconds ")]
        return float(line.split()[1])

    assert 4 * 365 < (end(service.address) - time.time()) / 86_400 < 6 * 365
    with running() as unmarked:
        assert end(unmarked.address) == math.inf


@pytest.mark.parametrize("form", ["mp3", "wav", "flac"])
def test_a_whole_answer_holds_its_mark_and_the_sound_of_the_stream(service, form):
    answer = speak(service, input=TEXT, response_format=form, stream_format="file")
    assert answer.headers["content-type"] == MEDIA_TYPES[form]
    assert answer.headers["x-provenance"] == "c2pa" and "x-provenance-url" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)
    found = verify(service, answer.content).json()
    assert (found["status"], found["is_ai_generated"]) == ("valid", True)
    facts = found["facts"]
    assert (facts["voice"], facts["version"], facts["candidate_id"]) == ("anna", 2, "c2")
    assert facts["text_sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert facts["trace_id"] == answer.headers["traceparent"].split("-")[1]
    assert TEXT.encode() not in answer.content


def test_a_whole_answer_sounds_like_the_streamed_one(service, tmp_path):
    streamed, whole = (
        speak(service, input=TEXT, response_format="wav", stream_format=how).content for how in ("audio", "file")
    )
    (tmp_path / "a.wav").write_bytes(whole)
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    np.testing.assert_array_equal(samples, np.frombuffer(streamed[HEADER_BYTES:], "<i2"))


@pytest.mark.parametrize("how", [{"response_format": "mp3"}, {"response_format": "opus", "stream_format": "file"}])
def test_what_cannot_hold_a_mark_names_its_sidecar(service, how):
    answer = speak(service, input=TEXT, **how)
    assert answer.headers["x-provenance"] == "sidecar"
    sidecar = httpx.get(service.address + answer.headers["x-provenance-url"])
    assert sidecar.json()["statement"]["file"]["sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert verify(service, answer.content, sidecar.content).json()["status"] == "valid"
    assert verify(service, answer.content + b"\0", sidecar.content).json()["status"] == "invalid"
    assert verify(service, answer.content).json()["status"] == "none"


def test_the_sidecar_of_events_is_about_the_sounds_joined(service):
    answer = speak(service, input=TEXT, response_format="wav", stream_format="sse")
    all_events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n")[:-1]]
    joined = b"".join(base64.b64decode(one["audio"]) for one in all_events if one["type"] == "speech.audio.delta")
    sidecar = httpx.get(service.address + answer.headers["x-provenance-url"]).content
    assert verify(service, joined, sidecar).json()["status"] == "valid"


def test_an_answer_in_json_has_the_file_and_its_sidecar(service):
    answer = speak(service, input=TEXT, response_format="opus", stream_format="json").json()
    file = base64.b64decode(answer["audio"])
    assert verify(service, file, json.dumps(answer["provenance"]).encode()).json()["status"] == "valid"
    assert [sentence["outcome"] for sentence in answer["sentences"]] and answer["seconds_of_audio"] > 0


def test_a_whole_answer_that_fails_has_its_status(service):
    assert speak(service, voice="nobody", stream_format="file").status_code == 404


def test_every_layer_is_named(service, root):
    file, sidecar = marked(root, "flac")
    found = verify(service, file.read_bytes()).json()
    assert [(layer["layer"], layer["status"]) for layer in found["layers"]] == [("c2pa", "valid")]
    file, sidecar = marked(root, "pcm")
    found = verify(service, file.read_bytes(), sidecar).json()
    assert [(layer["layer"], layer["status"]) for layer in found["layers"]] == [("c2pa", "none"), ("sidecar", "valid")]


def test_a_broken_file_is_invalid_and_no_fault(service):
    answer = verify(service, b"RIFF\x0c\x10\0\0WAVEC2PA\0\x10\0\0" + b"\xff" * 4096)
    assert answer.status_code == 200 and answer.json()["status"] == "invalid"


def test_the_process_that_reads_files_of_strangers_has_no_password(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat > /dev/null\nenv > {tmp_path}/env\necho '{{}}'\n")
    program.chmod(0o700)
    monkeypatch.setattr(isolation.sys, "executable", str(program))
    for name in ("AWS_SECRET_ACCESS_KEY", "VOXFOUNDRY_REDIS_URI", "OTEL_EXPORTER_OTLP_HEADERS"):
        monkeypatch.setenv(name, "hunter2")
    assert asyncio.run(isolation.verify_isolated(tmp_path / "file", sha256="0", trust=(), sidecar=None)) == {}
    names = (tmp_path / "env").read_text()
    assert "PATH=" in names and "hunter2" not in names


def test_a_file_that_is_too_large_is_refused(service):
    answer = verify(service, bytes(MAX_BYTES + 1))
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "body_too_large")


def test_a_file_without_length_that_is_too_large_is_refused(service):
    answer = httpx.post(f"{service.address}/v1/provenance/verify", content=(bytes(1 << 16) for _ in range(32)))
    assert answer.status_code == 413


@pytest.mark.parametrize(("content", "sidecar"), [(b"", None), (b"x", "not base64!")])
def test_an_empty_body_and_a_broken_header_are_refused(service, content, sidecar):
    headers = {"X-Provenance-Sidecar": sidecar} if sidecar else {}
    answer = verify(service, content, **headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (422, "invalid_request")


def test_a_sidecar_is_only_for_whoever_asked(root):
    provenance = Provenance(root, seconds=60)
    with running(
        authenticate=one_key, provenance=provenance, routers=[provenance_router(provenance, max_bytes=1000)]
    ) as one:
        key = {"Authorization": "Bearer right"}
        body = {"model": "tts-1", "input": TEXT, "voice": "anna"}
        url = httpx.post(f"{one.address}/v1/audio/speech", json=body, headers=key).headers["x-provenance-url"]
        assert httpx.get(one.address + url).status_code == 401
        assert httpx.get(one.address + url, headers=key).status_code == 200
        provenance.remember("f" * 32, "another", provenance._streams[url[-32:]].facts, sha256="", n_bytes=0)
        assert httpx.get(f"{one.address}/v1/provenance/{'f' * 32}", headers=key).status_code == 404


def test_a_sidecar_is_forgotten_after_its_time(root):
    provenance = Provenance(root, seconds=0.01)
    with running(provenance=provenance, routers=[provenance_router(provenance, max_bytes=1000)]) as one:
        answer = speak(one, input=TEXT)
        missing = httpx.get(one.address + answer.headers["x-provenance-url"])
        assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found")


def test_a_node_has_the_sidecars_of_those_that_it_shares_a_cache_with(root):
    shared = MemoryCache(1_000_000)
    one, other = (Provenance(root, seconds=60, shared=shared) for _ in range(2))
    with running(provenance=one) as service:
        answer = speak(service, input=TEXT, response_format="opus")
    name = answer.headers["x-provenance-url"][-32:]
    (owner,) = {stream.owner for stream in one._streams.values()}
    file = read_sidecar(other.sidecar_of(name, owner))
    assert (file.sha256, file.is_signature_right) == (hashlib.sha256(answer.content).hexdigest(), True)
    with pytest.raises(NotFoundError):
        other.sidecar_of(name, "another")
    for damaged in (b"", pack({"owner": owner}, b""), pack({"owner": owner, "until": 0.0}, b"old")):
        shared.put(f"sidecar/{name}", damaged)
        with pytest.raises(NotFoundError):
            other.sidecar_of(name, owner)


def test_a_service_that_marks_nothing_says_so(root):
    provenance = Provenance(root, seconds=60, is_marking=False)
    with running(provenance=provenance) as one:
        answer = speak(one, input=TEXT, response_format="wav", stream_format="file")
        samples = speak(one, input=TEXT, response_format="wav").content[HEADER_BYTES:]
        assert answer.headers["x-provenance"] == "none"
        assert answer.content == encode("wav", samples, one.engine.synthesizer.sample_rate)


def test_slow_uploads_keep_no_other_file_from_being_verified(service):
    host, port = service.address.removeprefix("http://").split(":")
    head = f"POST /v1/provenance/verify HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nhalf"
    slow = [socket.create_connection((host, int(port))) for _ in range(8)]
    try:
        for one in slow:
            one.sendall(head.encode())
        time.sleep(0.3)
        begun = time.monotonic()
        assert verify(service, b"RIFF").status_code == 200
        assert time.monotonic() - begun < 10
    finally:
        for one in slow:
            one.close()
