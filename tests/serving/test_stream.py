"""The web socket /v1/audio/speech/stream: text in word by word, sound out sentence by sentence."""

from __future__ import annotations

import io
import json
import time
from contextlib import suppress

import av
import numpy as np
import pytest
from serving_helpers import ANNA, ThreadEngine, make_settings, running
from synthesis_tiny import tiny_synthesizer
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from gpt_sovits.synthesis.pieces import split_text
from serving.api.callers import Anonymous
from serving.errors import UnauthenticatedError

CONFIG = {"type": "session.config", "voice": "anna"}


def talk(service, *messages, config=CONFIG) -> list[dict | bytes]:
    """Send messages, and return what comes until the socket is closed. JSON is parsed."""
    got = []
    with connect(service.web_socket) as socket:
        with suppress(ConnectionClosed):  # a wrong message ends the session before the next is sent
            for message in (config, *messages):
                socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
        try:
            while True:
                message = socket.recv(timeout=20)
                got.append(json.loads(message) if isinstance(message, str) else message)
        except ConnectionClosed as closed:
            got.append({"type": "closed", "code": closed.rcvd.code if closed.rcvd else 1006})
    return got


def say(*texts: str) -> list[dict]:
    return [*({"type": "input.text", "text": text} for text in texts), {"type": "input.done"}]


def kinds(messages) -> list[str]:
    found = []
    for message in messages:
        kind = "sound" if isinstance(message, bytes) else message["type"]
        if kind != "sound" or found[-1] != "sound":
            found.append(kind)
    return found


def test_each_sentence_has_a_start_its_sound_and_an_end(service):
    got = talk(service, *say("The ket", "tle is on the stove. Who is", " there? Nobody"))
    one = ["audio.start", "sound", "audio.done"]
    assert kinds(got) == [*one, *one, *one, "session.done", "closed"]
    starts = [m for m in got if not isinstance(m, bytes) and m["type"] == "audio.start"]
    assert [m["sentence_text"] for m in starts] == ["The kettle is on the stove.", "Who is there?", "Nobody"]
    assert [m["sentence_index"] for m in starts] == [0, 1, 2]
    assert all(m["format"] == "pcm" and m["sample_rate"] == 24_000 and m["version"] == 2 for m in starts)
    assert all(m["lane"] == "realtime" and m["is_lane_judged"] for m in starts)
    done = got[-2]
    assert done["total_sentences"] == 3
    n_bytes = sum(len(m) for m in got if isinstance(m, bytes))
    assert n_bytes / 2 / 24_000 == pytest.approx(done["seconds_of_audio"], abs=0.05)
    assert got[-1]["code"] == 1000


def test_an_unjudged_lane_is_named_before_each_sentence():
    with running(ThreadEngine(served=(ANNA.but(has_judged_lane=False),))) as service:
        got = talk(service, *say("The kettle is on. Who is there?"))
    starts = [m for m in got if not isinstance(m, bytes) and m["type"] == "audio.start"]
    assert [m["is_lane_judged"] for m in starts] == [False, False]


def test_a_session_goes_on_with_the_candidate_of_its_first_sentence():
    asked = []

    class Promoting(ThreadEngine):
        def speak(self, request):
            asked.append(request)
            return super().speak(request)

    with running(Promoting()) as service:
        talk(service, *say("The kettle is on. Who is there? Nobody."), config=CONFIG | {"version": 2})
    assert [(request.version, request.candidate_id) for request in asked] == [(2, None), (2, "c2"), (2, "c2")]


def test_a_fault_is_told_to_the_client_and_to_the_audit():
    with running(ThreadEngine(error=ZeroDivisionError("a text"), fail_after=3)) as service:
        got = talk(service, *say("The kettle is on. Who is there? Nobody."))
        assert got[-2]["type"] == "error" and got[-2]["error"]["type"] == "internal_error"
        assert "a text" not in got[-2]["error"]["message"] and got[-1]["code"] == 1011
        last = service.records[-1]
    assert (last.status, last.error_type, last.client_left) == (500, "internal_error", False)


def test_a_fault_before_a_sentence_is_told_too():
    class Faulty(ThreadEngine):
        def voices(self):
            raise ZeroDivisionError

    with running(Faulty()) as service:
        got = talk(service, *say("Yes."))
    assert kinds(got) == ["error", "closed"] and got[0]["error"]["type"] == "internal_error"


def test_only_the_first_sentence_is_spoken_without_the_silence_at_its_beginning():
    asked = []

    class Recording(ThreadEngine):
        def speak(self, request):
            asked.append(request)
            return super().speak(request)

    with running(Recording()) as service:
        talk(service, *say("The kettle is on. Who is there? Nobody."))
    assert [request.continues for request in asked] == [False, True, True]


def test_a_key_that_is_revoked_ends_the_session_before_its_next_sentence():
    class Revoked(Anonymous):
        n_left = 1

        def require_valid(self):
            self.n_left -= 1
            if self.n_left < 0:
                raise UnauthenticatedError("the key was revoked")

    caller = Revoked()

    async def authenticate(authorization):
        return caller

    with running(authenticate=authenticate) as service:
        got = talk(service, *say("The kettle is on. Who is there? Nobody."))
    assert kinds(got) == ["audio.start", "sound", "audio.done", "error", "closed"]
    assert got[-2]["error"]["type"] == "unauthenticated" and got[-1]["code"] == 1008


def test_a_key_that_is_revoked_ends_a_session_that_waits_for_text():
    class Revocable(Anonymous):
        is_revoked = False

        def require_valid(self):
            if self.is_revoked:
                raise UnauthenticatedError("the key was revoked")

    caller = Revocable()

    async def authenticate(authorization):
        return caller

    with running(authenticate=authenticate) as service, connect(service.web_socket) as socket:
        socket.send(json.dumps(CONFIG))
        with pytest.raises(TimeoutError):
            socket.recv(timeout=1.5)
        caller.is_revoked = True
        assert json.loads(socket.recv(timeout=5))["error"]["type"] == "unauthenticated"


def test_the_first_sentence_sounds_before_the_second_was_sent(service):
    with connect(service.web_socket) as socket:
        socket.send(json.dumps(CONFIG))
        socket.send(json.dumps({"type": "input.text", "text": "The kettle is on. And "}))
        kind = None
        while kind != "audio.done":
            message = socket.recv(timeout=20)
            kind = json.loads(message)["type"] if isinstance(message, str) else "sound"
        socket.send(json.dumps({"type": "input.text", "text": "now?"}))
        socket.send(json.dumps({"type": "input.done"}))
        while kind != "session.done":
            message = socket.recv(timeout=20)
            kind = json.loads(message)["type"] if isinstance(message, str) else "sound"


def test_each_sentence_is_a_whole_file_of_the_format(service):
    got = talk(service, *say("The kettle is on. Who is there?"), config=CONFIG | {"response_format": "flac"})
    files, parts = [], []
    for message in got:
        if isinstance(message, bytes):
            parts.append(message)
        elif message["type"] == "audio.done":
            files.append(b"".join(parts))
            parts = []
    assert len(files) == 2
    for file in files:
        with av.open(io.BytesIO(file)) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) > 100


def test_the_same_sentence_twice_has_two_readings(service):
    got = talk(service, *say("Yes. Yes."), config=CONFIG | {"sample_rate": 8000})
    sounds = []
    for message in got:
        if isinstance(message, bytes):
            sounds[-1] += message
        elif message["type"] == "audio.start":
            sounds.append(b"")
    assert sounds[0] != sounds[1].lstrip(b"\0")


@pytest.mark.parametrize(
    ("messages", "config", "kind", "code"),
    [
        (say("Yes."), "{", "invalid_json", 1007),
        (say("Yes."), b"\0\1", "invalid_json", 1007),
        (say("Yes."), {"type": "input.text", "text": "Yes."}, "invalid_request", 1007),
        (say("Yes."), CONFIG | {"voice": "nobody"}, "unknown_voice", 1008),
        (say("Yes."), CONFIG | {"speed": 2}, "speed_not_served", 1008),
        (say("Yes."), CONFIG | {"model": "gpt-9"}, "invalid_request", 1007),
        (say("Yes."), CONFIG | {"response_format": "opus", "sample_rate": 32_000}, "invalid_request", 1007),
        (say("a" * 5000), CONFIG, "text_too_long", 1009),
        (say("to\x00day."), CONFIG, "unspeakable_text", 1008),
        (say("😀"), CONFIG, "unspeakable_text", 1008),
        ([{"type": "input.nonsense"}], CONFIG, "invalid_request", 1007),
        (["null"], CONFIG, "invalid_request", 1007),
        (["[" * 100_000], CONFIG, "invalid_json", 1007),
        ([{"type": "input.text"}], CONFIG, "invalid_request", 1007),
    ],
)
def test_a_wrong_message_ends_the_session_with_a_documented_error(service, messages, config, kind, code):
    *_, error, closed = talk(service, *messages, config=config)
    assert error["type"] == "error" and error["error"]["type"] == kind
    assert set(error["error"]) == {"type", "message", "param", "request_id"}
    assert closed["code"] == code


@pytest.mark.parametrize(
    "text",
    [
        "🎉 That is great! 🎉\n\n---\n```\nNext one is here. 👍",
        "That is great! . ! ?\n***\nNext one is here.",
        "…\n\n\n🎉🎉\n\nThat is great!\n\n🎉\n\nNext one is here.\n\n🎉",
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_has_no_words_is_left_out_as_of_a_text_that_comes_as_a_whole(service, text, size):
    got = talk(service, *say(*(text[start : start + size] for start in range(0, len(text), size))))
    starts = [m for m in got if not isinstance(m, bytes) and m["type"] == "audio.start"]
    pieces = split_text(text, service.engine.synthesizer.preset)
    assert [m["sentence_text"] for m in starts] == pieces
    assert [m["sentence_index"] for m in starts] == [0, 1]
    assert got[-2]["type"] == "session.done" and got[-2]["total_sentences"] == 2


def test_signs_alone_are_read_by_their_names_as_of_a_text_that_comes_as_a_whole(service):
    got = talk(service, *say("%\n\n&"))
    assert [m["sentence_text"] for m in got if not isinstance(m, bytes) and m["type"] == "audio.start"] == ["%", "&"]


def test_a_control_character_beside_words_ends_the_session(service):
    *_, error, _ = talk(service, *say("That is great!\n\n\x00\n\nNext."))
    assert error["error"]["type"] == "unspeakable_text"


def test_an_empty_session_ends_at_once(service):
    assert kinds(talk(service, {"type": "input.done"})) == ["session.done", "closed"]


def test_a_session_that_takes_too_long_is_recorded_as_late_and_not_as_left():
    engine = ThreadEngine(repeat=100, delay=0.05)
    with running(engine, make_settings(max_request_seconds=0.6)) as service:
        got = talk(service, *say("The kettle is on the stove."))
        assert got[-2]["error"]["type"] == "deadline"
        request_id = got[-2]["error"]["request_id"]
        record = service.record_of(f"{request_id}-0")
    assert (record.error_type, record.client_left) == ("deadline", False)


def test_a_session_that_a_wrong_message_ends_is_recorded_as_such_and_not_as_left():
    with running(ThreadEngine(repeat=100, delay=0.05)) as service, connect(service.web_socket) as socket:
        for message in (CONFIG, *say("The kettle is on the stove.")):
            socket.send(json.dumps(message))
        while not isinstance(socket.recv(timeout=10), bytes):
            pass
        socket.send("{")
        while isinstance(answer := socket.recv(timeout=10), bytes):
            pass
        record = service.record_of(f"{json.loads(answer)['error']['request_id']}-0")
    assert (record.error_type, record.client_left) == ("invalid_request", False)


def test_a_session_without_its_first_message_is_ended():
    with running(settings=make_settings(body_seconds=0.2)) as service, connect(service.web_socket) as socket:
        error = json.loads(socket.recv(timeout=10))
        assert error["error"]["type"] == "request_timeout"


def test_a_client_that_leaves_frees_its_worker_within_a_chunk():
    engine = ThreadEngine(repeat=1000, delay=0.01)
    with running(engine) as service:
        with connect(service.web_socket) as socket:
            socket.send(json.dumps(CONFIG))
            socket.send(json.dumps({"type": "input.text", "text": "The kettle is on. And "}))
            while not isinstance(socket.recv(timeout=20), bytes):
                pass
        deadline = time.monotonic() + 5
        while not engine.n_cancelled and time.monotonic() < deadline:
            time.sleep(0.01)
        assert engine.n_cancelled == 1
        n_pieces = engine.n_pieces
        time.sleep(0.1)
        assert engine.n_pieces == n_pieces
        assert service.records[-1].client_left


def test_a_foreign_page_is_refused_before_the_socket_opens(service):
    with pytest.raises(InvalidStatus) as refused:
        connect(service.web_socket, origin="http://evil.example")
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["error"]["type"] == "not_found"


def test_sound_of_the_stream_is_that_of_the_lane(service):
    got = talk(service, *say("The kettle is on."), config=CONFIG | {"response_format": "wav"})
    sound = b"".join(m for m in got if isinstance(m, bytes))
    from gpt_sovits.synthesis.streaming import stream

    chunks = [chunk.waveform for chunk in stream(service.engine.synthesizer, "The kettle is on.", 0)]
    assert sound[44:] == (np.clip(np.concatenate(chunks), -1, 1) * 32767).astype("<i2").tobytes()


def test_a_client_that_does_not_read_is_disconnected():
    engine = ThreadEngine(repeat=200_000)
    with running(engine, make_settings(max_unread_bytes=100_000, slow_reader_seconds=0.5)) as service:
        socket = connect(service.web_socket)
        socket.send(json.dumps(CONFIG | {"response_format": "wav"}))
        socket.send(json.dumps({"type": "input.text", "text": "The kettle is on. And "}))
        deadline = time.monotonic() + 20
        while not engine.n_cancelled and time.monotonic() < deadline:
            time.sleep(0.01)
        assert engine.n_cancelled == 1
        socket.socket.close()


def test_the_words_of_a_sentence_lie_inside_its_file():
    with running(ThreadEngine(tiny_synthesizer(alignment_head=(1, 0)))) as service:
        config = CONFIG | {"response_format": "pcm", "timestamps": True}
        got = talk(service, *say("The kettle is on the stove. Who is there?"), config=config)
    done = [m for m in got if not isinstance(m, bytes) and m["type"] == "audio.done"]
    starts = [m for m in got if not isinstance(m, bytes) and m["type"] == "audio.start"]
    for start, end in zip(starts, done, strict=True):
        assert [word["word"] for word in end["words"]] == start["sentence_text"].split()
    first = got[got.index(starts[0]) : got.index(done[0])]
    seconds = sum(len(m) for m in first if isinstance(m, bytes)) / 2 / starts[0]["sample_rate"]
    assert 0 <= done[0]["words"][0]["start"] <= done[0]["words"][-1]["end"] <= seconds + 0.05
    # the second file begins with the pause
    assert done[1]["words"][0]["start"] >= service.engine.synthesizer.preset.pause_seconds - 0.001
