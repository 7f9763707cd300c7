"""Real workers speak with real, tiny voices: the right voice, the right samples, whatever happens around them.

The tests of this file use one engine, in their order. The last ones release, damage and revoke.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing

import numpy as np
import psutil
import pytest
from engine_helpers import (
    LONG_TEXT,
    TEXT,
    Project,
    Served,
    pieces,
    said,
    serve_settings,
    sound,
    speak,
    speech_request,
    streamed,
    until,
    until_warm,
)

from serving.errors import (
    ConsentError,
    LanguageNotServedError,
    PresetNotServedError,
    RevokedError,
    ServingError,
    UnknownVersionError,
    UnknownVoiceError,
    UnspeakableTextError,
    VoiceDamagedError,
    WorkerLostError,
)
from serving.messages import Finished, SentenceDone, Started

CHAMPIONS = {"anna": 2, "bob": 1}
ROUNDING = 4  # of int16: batched sums may be rounded differently, by at most 1e-4 of full scale


@pytest.fixture(scope="module")
def served(project: Project) -> Iterator[Served]:
    with Served(project, serve_settings()) as one:
        yield one


def test_the_client_imports_no_torch():
    heavy = "{'torch', 'mlflow', 'transformers', 'numba'}"
    code = f"import serving.engine.client, sys; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_requests_in_turns_say_what_they_say_alone_and_voices_never_mix(served: Served):
    requests = [
        speech_request(voice=voice, version=version, seed=seed)
        for seed in range(2)
        for voice, version in (("anna", None), ("anna", 1), ("bob", None))
    ]
    batch = [speech_request(voice=voice, seed=7, lane="batch") for voice in ("anna", "bob", "anna")]

    async def all_at_once() -> list:
        return await asyncio.gather(*(speak(served.engine, request) for request in [*requests, *batch]))

    spoken = served.run(all_at_once())
    for request, events in zip(requests, spoken[: len(requests)], strict=True):
        voice = served.project.voice(request.voice, request.version or CHAMPIONS[request.voice])
        np.testing.assert_array_equal(sound(events), streamed(voice, TEXT, request.seed))
    for request, events in zip(batch, spoken[len(requests) :], strict=True):
        alone = said(served.project.voice(request.voice, CHAMPIONS[request.voice]), TEXT, 7)
        assert np.abs(sound(events).astype(int) - alone).max() <= ROUNDING


def test_words_of_a_request_change_how_it_sounds_and_nothing_of_the_next_one(served: Served):
    words = (("en", "kettle", "S AH0 P EH1 R L AO0 NG"),)
    plain, other, again = (
        sound(served.run(speak(served.engine, speech_request("The kettle.", lane="batch", words=words))))
        for words in ((), words, ())
    )
    assert np.array_equal(plain, again) and not np.array_equal(plain, other)
    with pytest.raises(UnspeakableTextError, match="unknown symbol"):
        served.run(speak(served.engine, speech_request("The kettle.", words=(("en", "kettle", "XYZ"),))))


@pytest.mark.parametrize("lane", ["realtime", "batch"])
def test_events_come_in_their_order(served: Served, lane: str):
    started, *middle, finished = events = served.run(speak(served.engine, speech_request(lane=lane)))
    assert isinstance(started, Started) and isinstance(finished, Finished)
    assert (started.version, started.n_sentences, started.preset) == (2, 5, "narration")
    assert [event.sentence for event in middle] == sorted(event.sentence for event in middle)
    assert [event.sentence for event in middle if isinstance(event, SentenceDone)] == [0, 1, 2, 3, 4]
    assert finished.seconds_of_audio == len(sound(events)) / started.sample_rate
    assert set(finished.seconds) == {"queue", "text", "gpt", "sovits"}
    assert served.run(served.engine.price(speech_request(lane=lane))) == started.expected_seconds


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"voice": "nobody"}, UnknownVoiceError),
        ({"version": 3}, UnknownVersionError),
        ({"preset": "dialogue"}, PresetNotServedError),
        ({"preset": "../../etc"}, PresetNotServedError),
        ({"language": "zh"}, LanguageNotServedError),
        ({"language": "klingon"}, LanguageNotServedError),
        ({"text": "..."}, UnspeakableTextError),
        ({"text": ""}, UnspeakableTextError),
    ],
)
def test_what_is_not_served_is_refused_before_a_worker_hears_of_it(served: Served, changes: dict, error: type):
    with pytest.raises(error):
        served.run(speak(served.engine, speech_request(**changes)))


def test_no_version_is_loaded_for_a_use_that_the_consent_does_not_cover(served: Served, monkeypatch):
    loaded = []
    monkeypatch.setattr(served.engine._loader, "ensure", lambda *pair: loaded.append(pair))
    with pytest.raises(ConsentError):
        served.run(speak(served.engine, speech_request(version=1, purpose="advertising")))
    assert not loaded


def test_a_client_that_leaves_frees_its_worker(served: Served):
    async def leave(lane: str) -> float:
        request = speech_request(LONG_TEXT, lane=lane)
        async with aclosing(served.engine.speak(request)) as events:
            await pieces(events, 1)
        begin = time.monotonic()
        await speak(served.engine, speech_request("Two.", lane=lane))
        return time.monotonic() - begin

    whole = served.run(speak(served.engine, speech_request(TEXT, lane="batch")))[-1]
    for lane in ("realtime", "batch"):
        assert served.run(leave(lane)) < 5 * sum(whole.seconds.values()) + 1.0  # and not that of 100 sentences
    assert served.engine.health().backlog_seconds == 0


def test_a_slow_reader_stops_nobody_else(served: Served):
    async def slow_and_quick() -> int:
        async with aclosing(served.engine.speak(speech_request(LONG_TEXT))) as slow:
            await pieces(slow, 1)
            for _ in range(3):
                await speak(served.engine, speech_request(TEXT))
            return max(running.received_bytes - running.taken_bytes for running in served.engine._running)

    n_bytes = served.run(slow_and_quick())
    assert n_bytes < 500_000  # of the 2 MB that the text has


def test_200_requests_leave_no_file_open(served: Served):
    async def many(n: int) -> None:
        for _ in range(n // 10):
            lanes = ["realtime", "batch"] * 5
            await asyncio.gather(*(speak(served.engine, speech_request("Two.", lane=lane)) for lane in lanes))

    served.run(many(20))
    processes = [psutil.Process(pid) for pid in (os.getpid(), *served.pids())]
    before = [process.num_fds() for process in processes]
    served.run(many(200))
    assert [process.num_fds() for process in processes] == before


def test_a_service_manager_that_signals_every_process_stops_no_worker(served: Served):
    pid = served.pids()[0]
    os.kill(pid, signal.SIGTERM)
    assert sound(served.run(speak(served.engine, speech_request("Two.")))).size
    assert served.pids()[0] == pid


def test_a_killed_worker_is_replaced_and_its_requests_are_spoken_again_or_fail_clearly(served: Served):
    async def kill() -> tuple:
        batch = served.engine.speak(speech_request(LONG_TEXT, seed=3, lane="batch"))
        stream = served.engine.speak(speech_request(LONG_TEXT, seed=3))
        begun = [await pieces(batch, 9), await pieces(stream, 1)]
        os.kill(served.pids()[0], signal.SIGKILL)
        rest = [event async for event in batch]
        try:
            async for _ in stream:
                pass
        except ServingError as error:
            return begun[0] + rest, error
        return begun[0] + rest, None

    pid = served.pids()[0]
    events, error = served.run(kill())
    alone = said(served.project.voice("anna", 2), LONG_TEXT, 3)
    assert np.abs(sound(events).astype(int) - alone).max() <= ROUNDING  # no sentence is missing or said twice
    assert isinstance(error, WorkerLostError)
    assert served.pids()[0] != pid
    assert served.engine.health().workers[0].n_restarts == 1
    served.run(until_warm(served.engine))


def test_a_rollback_and_a_promotion_under_streams_leave_each_stream_its_pair(served: Served):
    async def swap() -> list:
        streams = [served.engine.speak(speech_request(LONG_TEXT, seed=seed)) for seed in range(3)]
        begun = [await pieces(stream, 1) for stream in streams]
        await asyncio.to_thread(served.project.rollback, "anna")
        seconds = await until(lambda: served.engine.table.champions["anna"].pair.version == 1, 10)
        fresh = await speak(served.engine, speech_request(seed=9))
        rests = [[event async for event in stream] for stream in streams]
        return [seconds, fresh, [one + other for one, other in zip(begun, rests, strict=True)]]

    seconds, fresh, spoken = served.run(swap())
    assert seconds < 5  # a look every 0.2 s, and the version before is warm
    assert fresh[0].version == 1
    np.testing.assert_array_equal(sound(fresh), streamed(served.project.voice("anna", 1), TEXT, 9))
    for seed, events in enumerate(spoken):
        assert events[0].version == 2
        np.testing.assert_array_equal(sound(events), streamed(served.project.voice("anna", 2), LONG_TEXT, seed))


def test_a_registry_that_is_away_is_reported_and_what_is_loaded_speaks_on(served: Served):
    database = served.project.store.root / "mlflow.db"
    away = database.with_suffix(".away")
    database.rename(away)
    try:
        served.run(until(lambda: not served.engine.health().registry_reachable, 10))
        assert sound(served.run(speak(served.engine, speech_request(voice="bob")))).size
        assert served.engine.health().ready
    finally:
        away.rename(database)
    served.run(until(lambda: served.engine.health().registry_reachable, 10))


def test_a_worker_that_starts_while_the_registry_is_away_loads_what_is_here_and_the_rest_later(served: Served):
    database, pid = served.project.store.root / "mlflow.db", served.pids()[0]
    places = (database, served.project.folder("bob", 1))
    for place in places:
        place.rename(place.with_suffix(".away"))
    try:
        os.kill(pid, signal.SIGKILL)
        served.run(until(lambda: [worker.pid for worker in served.engine._pool.ready] not in ([], [pid]), 60))
        assert any("lacks a voice" in reason for reason in served.engine.health().reasons)
        assert sound(served.run(speak(served.engine, speech_request()))).size
    finally:
        for place in places:
            place.with_suffix(".away").rename(place)
    served.run(until(lambda: served.engine._pool.ready[0].loaded == served.engine.table.loaded.keys(), 30))
    assert not served.engine.health().reasons
    assert sound(served.run(speak(served.engine, speech_request(voice="bob")))).size


def test_a_version_whose_files_changed_is_not_loaded_and_the_champion_goes_on(served: Served):
    """After the rollback version 2 is a former version. It is loaded still, so a worker must start anew."""
    weights = served.project.folder("anna", 2) / "gpt/model.safetensors"
    kept = weights.read_bytes()
    weights.chmod(0o644)
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    os.kill(served.pids()[0], signal.SIGKILL)
    served.run(until(lambda: served.engine.health().n_failed_loads > 0, 60))
    served.run(until(lambda: served.engine.health().ready, 60))
    assert sound(served.run(speak(served.engine, speech_request()))).size
    with pytest.raises(VoiceDamagedError):
        served.run(speak(served.engine, speech_request(version=2)))
    assert any("anna" in reason for reason in served.engine.health().reasons)
    weights.write_bytes(kept)


def test_a_revocation_stops_the_voice_and_ends_its_streams(served: Served):
    async def revoke() -> tuple[float, type]:
        anna, bob = (served.engine.speak(speech_request(LONG_TEXT, voice=voice)) for voice in ("anna", "bob"))
        await pieces(anna, 1), await pieces(bob, 1)
        await asyncio.to_thread(served.project.revoke, "anna")
        begin = time.monotonic()
        try:
            async for _ in anna:
                await asyncio.sleep(0.01)
        except ServingError as error:
            seconds = time.monotonic() - begin
            async for event in bob:
                last = event
            assert isinstance(last, Finished)
            return seconds, type(error)
        raise AssertionError("the stream of a revoked voice was spoken to its end")

    seconds, error = served.run(revoke())
    assert error is RevokedError and seconds < 5
    with pytest.raises(RevokedError):
        served.run(speak(served.engine, speech_request()))
    assert [voice.voice for voice in served.engine.voices()] == ["bob"]
    served.run(until(lambda: all(live.pair.voice == "bob" for live in served.engine.table.loaded.values()), 10))
