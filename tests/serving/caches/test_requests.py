"""A request that was spoken before comes from the cache: the same bytes, much sooner, and under the same checks."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest
from engine_helpers import speech_request
from serving_helpers import ANNA, ThreadEngine, running, speak

from serving.caches.disk import DiskCache
from serving.caches.entries import pack
from serving.caches.layers import LayeredCache
from serving.caches.memory import MemoryCache
from serving.caches.requests import CachingEngine
from serving.errors import LaneNotServedError, RevokedError, WorkerLostError
from serving.messages import AudioPiece, Started

MAX_BYTES = 8_000_000


def cached(engine: ThreadEngine, below: DiskCache | None = None) -> CachingEngine:
    return CachingEngine(engine, precision="float32", cache=LayeredCache(MemoryCache(MAX_BYTES), below))


def n_kept(engine: CachingEngine) -> int:
    return len(engine._cache.memory._kept)


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


def test_what_was_kept_has_the_number_that_its_candidate_has_now_and_a_new_verdict_is_asked():
    engine = ThreadEngine()
    with running(cached(engine)) as service:
        speak(service)
        engine.served = (ANNA.but(version=3),)
        answer = speak(service, version=3)
        assert (answer.headers["x-cache"], answer.headers["x-voice-version"]) == ("hit", "3")
        engine.served = (ANNA.but(verdict_sha256="cd" * 32, has_judged_lane=False),)
        answer = speak(service)
        assert (answer.headers["x-cache"], answer.headers["x-lane-judged"]) == ("miss", "false")


def test_a_request_that_was_kept_is_refused_in_a_lane_that_is_no_longer_served():
    engine = ThreadEngine()

    async def check(request, *, candidate_id=None) -> None:
        if candidate_id is None:
            raise LaneNotServedError("not judged", param="lane")

    memory = cached(engine)
    assert not run(memory, lane="batch")
    engine.check = check
    with pytest.raises(LaneNotServedError):
        run(memory, lane="batch")


def test_threads_that_wait_for_a_bucket_hold_up_no_request(tmp_path):
    free = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        waiting = loop.run_in_executor(None, free.wait, 20)  # such as for a file of a job
        async with asyncio.timeout(10):
            memory = cached(ThreadEngine(), DiskCache(tmp_path, max_bytes=10**8, keep_seconds=1e6))
            async with aclosing(memory.speak(speech_request(lane="batch"))) as events:
                assert isinstance(await anext(events), Started)
        free.set()
        await waiting

    asyncio.run(main())


def run(engine: CachingEngine, **changes) -> bool:
    """Speak to the end, and return whether it came from memory."""

    async def main() -> bool:
        async with aclosing(engine.speak(speech_request(**changes))) as events:
            started, *_ = [event async for event in events]
            return started.is_cached

    return asyncio.run(main())


def test_a_request_that_was_left_or_failed_is_not_kept():
    memory = cached(ThreadEngine())

    async def leave() -> None:
        async with aclosing(memory.speak(speech_request(text="The kettle is on. Who is there?"))) as events:
            async for event in events:
                if isinstance(event, AudioPiece):
                    return

    asyncio.run(leave())
    broken = cached(ThreadEngine(error=WorkerLostError("it died"), fail_after=1))
    with pytest.raises(WorkerLostError):
        run(broken, text="Yes.")
    assert n_kept(memory) == n_kept(broken) == 0


def test_without_a_cache_everything_is_spoken():
    none = CachingEngine(ThreadEngine(), precision="float32", cache=None)
    assert [run(none, text="Yes."), run(none, text="Yes.")] == [False, False]


def test_a_restart_finds_requests_on_the_disk_and_speaks_again_what_it_cannot_read(tmp_path):
    def below() -> DiskCache:
        return DiskCache(tmp_path, max_bytes=100_000_000, keep_seconds=1e6)

    first = cached(ThreadEngine(), below())
    assert not run(first, text="Yes.")
    first._cache.wait()
    again = cached(ThreadEngine(), below())
    assert run(again, text="Yes.")
    (key,) = again._cache.memory._kept
    again._cache.delete(key)
    for content in (
        b"",
        b"\0",
        pack({"started": {}}, b""),
        pack({"started": {"version": 1}, "events": [["x", {}]]}, b""),
    ):
        below().put(key, content)
        again = cached(ThreadEngine(), below())
        assert not run(again, text="Yes.")
        again._cache.wait()  # or what it keeps would replace the next damaged entry


@pytest.mark.parametrize(
    "change",
    [
        {"language": "en"},
        {"lane": "batch"},
        {"text": "Yes!"},
        {"seed": 5},
        {"preset": "other"},
        {"continues": True},
    ],
)
def test_everything_that_decides_the_sound_is_in_the_key(change):
    memory = cached(ThreadEngine())
    run(memory, text="Yes.")
    assert run(memory, text="Yes.", traceparent="00-1", purpose="narration", version=2)
    named = {
        name: memory._key(speech_request(**({"text": "Yes."} | fields)), ANNA)
        for name, fields in (("a", {}), ("b", change))
    }
    assert named["a"] != named["b"]
