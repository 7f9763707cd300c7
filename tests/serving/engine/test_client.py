"""Real workers speak with real, tiny voices: the right voice, the right samples, whatever happens around them."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
from engine_helpers import TEXT, Project, said, serve_settings, sound, speak, speech_request, streamed, until_warm

from serving.engine.client import EngineClient
from serving.messages import AudioPiece, Finished, SentenceDone, Started

ROUNDING = 2  # of int16: batched sums may be rounded differently, by at most 1e-4 of full scale


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test, 120))


def test_the_client_imports_no_torch():
    heavy = "{'torch', 'mlflow', 'transformers', 'numba'}"
    code = f"import serving.engine.client, sys; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_streams_in_turns_say_what_they_say_alone_and_voices_never_mix(project: Project):
    async def test() -> None:
        async with EngineClient(serve_settings(), project.store) as engine:
            await until_warm(engine)
            requests = [
                speech_request(voice=voice, version=version, seed=seed)
                for seed in range(2)
                for voice, version in (("anna", None), ("anna", 1), ("bob", None))
            ]
            batch = [speech_request(voice=voice, seed=7, lane="batch") for voice in ("anna", "bob", "anna")]
            spoken = await asyncio.gather(*(speak(engine, request) for request in [*requests, *batch]))
        for request, events in zip(requests, spoken, strict=False):
            version = request.version or {"anna": 2, "bob": 1}[request.voice]
            alone = streamed(project.voice(request.voice, version), TEXT, request.seed)
            np.testing.assert_array_equal(sound(events), alone)
        for request, events in zip(batch, spoken[len(requests) :], strict=True):
            alone = said(project.voice(request.voice, {"anna": 2, "bob": 1}[request.voice]), TEXT, 7)
            assert np.abs(sound(events).astype(int) - alone).max() <= ROUNDING

    run(test())


def test_events_come_in_their_order(project: Project):
    async def test() -> None:
        async with EngineClient(serve_settings(), project.store) as engine:
            await until_warm(engine)
            for lane in ("realtime", "batch"):
                events = await speak(engine, speech_request(lane=lane))
                started, *middle, finished = events
                assert isinstance(started, Started) and isinstance(finished, Finished)
                assert (started.version, started.n_sentences, started.preset) == (2, 5, "narration")
                assert [event.sentence for event in middle] == sorted(event.sentence for event in middle)
                done = [event for event in middle if isinstance(event, SentenceDone)]
                assert [event.sentence for event in done] == [0, 1, 2, 3, 4]
                assert finished.seconds_of_audio == len(sound(events)) / started.sample_rate
                assert set(finished.seconds) == {"queue", "text", "gpt", "sovits"}
                assert await engine.price(speech_request(lane=lane)) == started.expected_seconds
                assert any(isinstance(event, AudioPiece) for event in middle)

    run(test())
