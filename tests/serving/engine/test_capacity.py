"""What is admitted, and when a client that was refused should come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_helpers import serve_settings

from serving.engine.capacity import Waiting, choose_worker, max_streams
from serving.engine.process import WorkerOptions, WorkerProcess
from serving.errors import NotReadyError, OverCapacityError, VoiceDamagedError

LIMITS = serve_settings(max_realtime_streams=3, max_backlog_seconds=60.0, stream_share=0.5).engine


class Spoken:
    """A request with some seconds of speech left."""

    def __init__(self, seconds: float, *, is_stream: bool) -> None:
        self.seconds_left, self.is_stream = seconds, is_stream


def worker(*streams: float, batch: tuple[float, ...] = (), rate: float = 10.0, loaded: bool = True) -> WorkerProcess:
    options = WorkerOptions(device="cpu", precision="float32", batch_size=8, n_threads=1, unread_bytes=1, folder=Path())
    one = WorkerProcess("cpu-0", options)
    one.loaded = {"c"} if loaded else set()
    one._rates = {"realtime": rate, "batch": rate}
    requests = [Spoken(s, is_stream=True) for s in streams] + [Spoken(s, is_stream=False) for s in batch]
    one._running = dict(enumerate(requests))
    return one


def choose(*workers: WorkerProcess, lane: str = "realtime", seconds: float = 5.0, **more: object):
    return choose_worker(workers, LIMITS, lane=lane, candidate="c", seconds=seconds, **more)


def test_the_worker_with_the_fewest_streams_is_chosen_whatever_its_batch():
    busy, free = worker(1.0, 1.0), worker(9.0, batch=(50.0,))
    assert choose(busy, free) is free


@pytest.mark.parametrize(("rate", "most"), [(100.0, 3), (4.0, 2), (0.5, 1)])
def test_streams_are_bounded_by_the_measured_speed(rate, most):
    assert max_streams(worker(rate=rate), LIMITS) == most


def test_a_full_real_time_lane_says_when_its_speech_is_made():
    with pytest.raises(OverCapacityError) as refusal:
        choose(worker(10.0, 20.0, 30.0), worker(20.0, 20.0, 20.0))
    assert refusal.value.retry_after == 6  # 120 s of speech at 20 s per second


def test_requests_that_are_being_priced_take_their_room():
    workers = worker(1.0, 1.0), worker(1.0, 1.0)
    waiting = Waiting()
    waiting.begin("x" * 100)
    assert choose(*workers, waiting=waiting) in workers
    waiting.begin("y" * 500)
    with pytest.raises(OverCapacityError) as refusal:
        choose(*workers, waiting=waiting)
    assert refusal.value.retry_after == 3  # 4 s of speech, and 42 s that are being priced, at 20 s per second


def test_what_waits_for_its_price_is_taken_for_as_slow_as_texts_before_it():
    waiting = Waiting()
    for _ in range(50):
        waiting.begin("x" * 100)
        waiting.end("x" * 100, 20.0)
    waiting.begin("y" * 10)
    assert waiting.n == 1 and waiting.seconds == pytest.approx(2.0, rel=0.01)
    waiting.end("y" * 10, None)
    assert (waiting.n, waiting.seconds) == (0, 0.0)


def test_a_full_batch_lane_says_when_the_text_fits():
    with pytest.raises(OverCapacityError) as refusal:
        choose(worker(batch=(58.0,)), lane="batch", seconds=22.0)
    assert refusal.value.retry_after == 2  # 20 s too much at 10 s per second


def test_a_text_whose_worker_died_goes_to_a_full_one():
    full, fuller = worker(batch=(60.0,)), worker(batch=(60.0, 20.0))
    assert choose(full, fuller, lane="batch", is_admitted=True) is full
    with pytest.raises(OverCapacityError):
        choose(full, fuller, lane="batch")


def test_a_text_longer_than_the_bound_is_spoken_when_nothing_waits():
    one = worker()
    assert choose(one, lane="batch", seconds=500.0) is one


def test_a_stream_is_admitted_whatever_waits_in_the_batch_lane():
    one = worker(batch=(60.0, 60.0))
    assert choose(one) is one


def test_a_version_that_no_worker_has_is_not_ready_or_damaged():
    with pytest.raises(NotReadyError):
        choose(worker(loaded=False))
    with pytest.raises(VoiceDamagedError):
        choose(worker(loaded=False), damaged=True)
