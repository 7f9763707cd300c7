"""What was said before comes from memory: the same bytes, much sooner, and under the same checks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from engine_helpers import speech_request
from serving_helpers import ANNA, ThreadEngine, running, speak

from serving.cache import MAX_SHARE, CachingEngine
from serving.errors import RevokedError
from serving.messages import AudioPiece

PIECE_BYTES = 2_000_000


def cached(engine: ThreadEngine, max_bytes: int = PIECE_BYTES) -> CachingEngine:
    return CachingEngine(engine, precision="float32", max_bytes=max_bytes)


def test_the_same_request_is_spoken_once_and_comes_back_twenty_times_faster():
    engine = ThreadEngine(delay=0.2)
    with running(cached(engine)) as service:
        first, second = speak(service, response_format="wav"), speak(service, response_format="wav")
        assert (first.headers["x-cache"], second.headers["x-cache"]) == ("miss", "hit")
        assert first.content == second.content
        assert speak(service, response_format="flac").headers["x-cache"] == "hit"  # sound is kept before it is encoded
        assert speak(service, response_format="wav", seed=1).headers["x-cache"] == "miss"
        one, two = (service.record_of(answer.headers["x-request-id"]) for answer in (first, second))
        assert one.total_seconds > 20 * two.total_seconds or two.total_seconds < 0.02
        assert [s.outcome for s in one.sentences] == [s.outcome for s in two.sentences]


def test_another_version_speaks_for_itself_and_a_refusal_counts_for_what_is_kept():
    engine = ThreadEngine()
    with running(cached(engine)) as service:
        speak(service)
        engine.served = (ANNA.but(version=3, candidate_id="c3"),)
        answer = speak(service)
        assert (answer.headers["x-cache"], answer.headers["x-voice-version"]) == ("miss", "3")
        engine.refusal = RevokedError("the consent was revoked")
        assert speak(service).status_code == 410


def run(engine: CachingEngine, **changes) -> bool:
    """Speak to the end, and return whether it came from memory."""

    async def main() -> bool:
        async with aclosing(engine.speak(speech_request(**changes))) as events:
            started, *_ = [event async for event in events]
            return started.is_cached

    return asyncio.run(main())


def test_memory_is_bounded_and_the_least_recently_used_is_forgotten():
    engine = ThreadEngine()
    sizes = cached(engine)
    run(sizes, text="Yes.", seed=0)
    memory = cached(engine, max_bytes=round(sizes.n_bytes / MAX_SHARE * 1.2))
    for seed in range(12):
        run(memory, text="Yes.", seed=seed)
        assert memory.n_bytes <= memory._max_bytes
    assert run(memory, text="Yes.", seed=11)
    assert not run(memory, text="Yes.", seed=0)


def test_what_is_too_long_for_the_memory_or_was_left_is_not_kept():
    engine = ThreadEngine()
    memory = cached(engine, max_bytes=1000)
    run(memory, text="The kettle is on the stove.")
    assert memory.n_bytes == 0
    memory = cached(engine)

    async def leave() -> None:
        async with aclosing(memory.speak(speech_request(text="The kettle is on. Who is there?"))) as events:
            async for event in events:
                if isinstance(event, AudioPiece):
                    return

    asyncio.run(leave())
    assert memory.n_bytes == 0
    none = cached(engine, max_bytes=0)
    assert [run(none, text="Yes."), run(none, text="Yes.")] == [False, False]


@pytest.mark.parametrize(
    "change", [{"language": "en"}, {"lane": "batch"}, {"text": "Yes!"}, {"seed": 5}, {"continues": True}]
)
def test_everything_that_decides_the_sound_is_in_the_key(change):
    memory = cached(ThreadEngine())
    run(memory, text="Yes.")
    assert run(memory, text="Yes.") and not run(memory, **({"text": "Yes."} | change))
