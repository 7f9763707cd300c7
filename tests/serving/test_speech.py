"""POST /v1/audio/speech over real sockets, as clients of OpenAI use it."""

from __future__ import annotations

import base64
import json
import re
from contextlib import aclosing
from dataclasses import replace

import httpx
import numpy as np
import pytest
from serving_helpers import ANNA, ThreadEngine, running, speak
from synthesis_tiny import tiny_synthesizer

from gpt_sovits.synthesis.streaming import stream
from serving.audit.rows import make_row
from serving.encoding import FORMATS, MEDIA_TYPES, open_encoder
from serving.errors import OverCapacityError, WorkerLostError
from serving.messages import SentenceDone, Started

TEXT = "The kettle is on the stove. Who is there?"


def events(answer: httpx.Response) -> list[dict]:
    lines = answer.text.split("\n\n")
    assert lines.pop() == "" and all(line.startswith("data: ") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def pcm_of(service, text=TEXT, seed=0) -> bytes:
    """What the real-time lane speaks, without the service."""
    chunks = [chunk.waveform for chunk in stream(service.engine.synthesizer, text, seed)]
    return (np.clip(np.concatenate(chunks), -1, 1) * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("form", FORMATS)
def test_a_text_is_spoken_in_each_format(service, form):
    answer = speak(service, input=TEXT, response_format=form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPES[form]
    encoder = open_encoder(form, service.engine.synthesizer.sample_rate)
    assert answer.content == encoder.push(pcm_of(service)) + encoder.finish()
    assert answer.headers["x-voice-version"] == "2" and answer.headers["x-candidate-id"] == "c2"
    assert answer.headers["x-lane"] == "realtime" and "x-lane-judged" not in answer.headers
    assert "content-length" not in answer.headers


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_reading(service):
    first, second, other = (speak(service, input=TEXT, response_format="wav", seed=seed) for seed in (7, 7, 8))
    assert first.content == second.content != other.content


def test_pcm_has_the_rate_that_openai_promises_unless_another_is_asked_for(service):
    default, own = speak(service, response_format="pcm"), speak(service, response_format="pcm", sample_rate=8000)
    assert (default.headers["x-sample-rate"], own.headers["x-sample-rate"]) == ("24000", "8000")
    assert len(default.content) == pytest.approx(3 * len(own.content), abs=20)


def test_events_hold_the_sound_the_sentences_and_the_end(service):
    answer = speak(service, input=TEXT, response_format="wav", stream_format="sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    all_events = events(answer)
    deltas = [event["audio"] for event in all_events if event["type"] == "speech.audio.delta"]
    plain = speak(service, input=TEXT, response_format="wav").content
    assert b"".join(map(base64.b64decode, deltas)) == plain
    sentences = [event for event in all_events if event["type"] == "speech.sentence.done"]
    assert [one["sentence"] for one in sentences] == [0, 1]
    assert all(re.fullmatch("[0-9a-f]{64}", one["text_sha256"]) and one["outcome"] for one in sentences)
    done = all_events[-1]
    assert done["type"] == "speech.audio.done" and done["version"] == 2
    assert done["usage"]["input_tokens"] == len(TEXT)
    assert [one["outcome"] for one in done["sentences"]] == [one["outcome"] for one in sentences]


def test_a_voice_that_was_not_judged_in_real_time_is_spoken_in_batch():
    engine = ThreadEngine(served=(ANNA.but(lanes=("batch",)),))
    with running(engine) as service:
        assert speak(service).headers["x-lane"] == "batch"
        refused = speak(service, lane="realtime")
        assert refused.status_code == 422 and refused.json()["error"]["type"] == "lane_not_served"


def test_a_preset_that_was_not_judged_in_real_time_is_spoken_in_batch_unless_the_client_insists(service):
    assert speak(service, preset="dialogue").headers["x-lane"] == "batch"
    assert speak(service, preset="dialogue", lane="realtime").json()["error"]["type"] == "lane_not_served"


def test_an_unjudged_lane_is_named_in_the_answer():
    with running(ThreadEngine(served=(ANNA.but(has_judged_lane=False),))) as service:
        assert speak(service).headers["x-lane-judged"] == "false"
        assert "x-lane-judged" not in speak(service, lane="batch").headers


def test_the_engine_says_whether_the_lane_was_judged_for_what_it_speaks():
    class Unjudged(ThreadEngine):
        async def check(self, request, *, candidate_id=None):  # the dialogue was not judged, and is allowed
            pass

        async def speak(self, request):
            async with aclosing(super().speak(request)) as events:
                async for event in events:
                    is_started = isinstance(event, Started)
                    yield replace(event, is_lane_judged=request.preset == "narration") if is_started else event

    served = (ANNA.but(presets=("narration", "dialogue")),)
    with running(Unjudged(served=served)) as service:
        assert "x-lane-judged" not in speak(service).headers
        unjudged = speak(service, preset="dialogue")
        assert (unjudged.headers["x-lane"], unjudged.headers["x-lane-judged"]) == ("realtime", "false")


def test_a_refusal_of_the_engine_has_its_status_and_when_to_come_back():
    engine = ThreadEngine(error=OverCapacityError("60 s of speech wait", retry_after=3.2))
    with running(engine) as service:
        answer = speak(service)
    assert answer.status_code == 429 and answer.headers["retry-after"] == "4"
    request_id = answer.headers["x-request-id"]
    assert answer.json() == {
        "error": {"type": "over_capacity", "message": "60 s of speech wait", "param": None, "request_id": request_id}
    }


def test_a_failure_after_the_first_sound_breaks_the_transfer():
    engine = ThreadEngine(error=WorkerLostError("the worker died twice"), fail_after=2)
    with running(engine) as service:
        with pytest.raises(httpx.RemoteProtocolError):
            speak(service, input=TEXT, response_format="wav")
        engine.n_pieces = 0
        last = events(speak(service, input=TEXT, response_format="wav", stream_format="sse"))[-1]
        assert last["type"] == "error" and last["error"]["type"] == "worker_lost"
        engine.n_pieces, engine.error = 0, None
        assert speak(service).status_code == 200  # the service goes on


def test_the_audit_gets_one_record_of_each_request(service):
    sent = speak(service, input=TEXT, response_format="flac", purpose="narration", seed=3)
    spoken = service.record_of(sent.headers["x-request-id"])
    refused = service.record_of(speak(service, voice="nobody").headers["x-request-id"])
    assert (spoken.request.text, spoken.request.seed, spoken.request.purpose) == (TEXT, 3, "narration")
    assert spoken.n_bytes == len(sent.content) and spoken.status == 200 and spoken.error_type is None
    assert 0 < spoken.first_audio_seconds <= spoken.total_seconds
    assert len(spoken.sentences) == 2 and all(isinstance(one, SentenceDone) for one in spoken.sentences)
    assert (refused.status, refused.error_type, refused.started) == (404, "unknown_voice", None)


def test_a_trace_goes_on_and_a_wrong_one_begins_anew(service):
    trace = "0af7651916cd43dd8448eb211c80319c"
    body = {"model": "tts-1", "input": "Yes.", "voice": "anna"}
    for given, continues in ((f"00-{trace}-b7ad6b7169203331-01", True), ("nonsense", False)):
        answer = httpx.post(f"{service.address}/v1/audio/speech", json=body, headers={"traceparent": given}, timeout=30)
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", answer.headers["traceparent"])
        assert (trace in answer.headers["traceparent"]) == continues
        record = service.record_of(answer.headers["x-request-id"])
        assert record.request.traceparent == answer.headers["traceparent"]


class TestWordTimes:
    """Times of words, in events and in JSON. They change no sample."""

    @pytest.fixture(scope="class")
    def timed(self):
        with running(ThreadEngine(tiny_synthesizer(alignment_head=(1, 0)))) as one:
            yield one

    def words(self, found, seconds):
        assert [word["word"] for word in found] == TEXT.split()
        times = [time for word in found for time in (word["start"], word["end"])]
        assert times == sorted(times) and times[-1] <= seconds + 0.001

    def test_events_have_the_words_of_each_sentence_with_times_in_the_whole_sound(self, timed):
        plain = events(speak(timed, input=TEXT, response_format="wav", stream_format="sse"))
        told = events(speak(timed, input=TEXT, response_format="wav", stream_format="sse", timestamps=True))
        done = [one for one in told if one["type"] == "speech.sentence.done"]
        self.words([word for one in done for word in one["words"]], told[-1]["seconds_of_audio"])
        assert [one["audio"] for one in plain if "audio" in one] == [one["audio"] for one in told if "audio" in one]
        assert not any("words" in one for one in plain)

    def test_json_has_all_words(self, timed):
        answer = speak(timed, input=TEXT, stream_format="json", timestamps=True).json()
        self.words(answer["words"], answer["seconds_of_audio"])
        assert speak(timed, input=TEXT, stream_format="json").json()["words"] is None

    @pytest.mark.parametrize("how", ["audio", "file"])
    def test_an_answer_of_sound_alone_has_no_place_for_them(self, timed, how):
        answer = speak(timed, stream_format=how, timestamps=True)
        assert (answer.status_code, answer.json()["error"]["type"]) == (422, "word_times_not_served")

    def test_the_audit_gets_no_words(self, timed):
        answer = speak(timed, input=TEXT, stream_format="sse", timestamps=True)
        record = timed.record_of(answer.headers["x-request-id"])
        assert record.sentences[0].words
        assert "kettle" not in json.dumps(make_row(record, keep_text=False))
