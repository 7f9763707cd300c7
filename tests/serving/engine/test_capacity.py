"""What is admitted, and when a client that was refused should come back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_helpers import serve_settings

from serving.engine import running as runnings
from serving.engine.capacity import Waiting, choose_worker, least_seconds, max_streams
from serving.engine.pricing import Price
from serving.engine.process import WorkerOptions, WorkerProcess
from serving.engine.running import Running
from serving.errors import NotReadyError, OverCapacityError, VoiceDamagedError

LIMITS = serve_settings(max_realtime_streams=3, max_backlog_seconds=60.0, stream_share=0.5).engine


class Spoken:
    """A request with some seconds of speech left, whose listener runs dry at a moment."""

    def __init__(self, seconds: float, *, is_stream: bool, dry_at: float = 0.0) -> None:
        self.seconds_left, self.is_stream, self.dry_at = seconds, is_stream, dry_at


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


def test_a_full_real_time_lane_says_when_its_first_stream_is_made():
    with pytest.raises(OverCapacityError) as refusal:
        choose(worker(10.0, 20.0, 30.0), worker(20.0, 20.0, 20.0))
    assert refusal.value.retry_after == 5  # 10 s of each stream of the first worker at 10 s per second, and some more


def test_a_stream_that_is_far_ahead_ends_after_others_have_come_as_far():
    one = worker(5.0, 20.0, 20.0)
    for stream, dry_at in zip(one._running.values(), (13.0, 1.0, 0.0), strict=True):
        stream.dry_at = dry_at
    assert one.stream_ends() == pytest.approx([4.0, 4.4, 4.5])  # 18 s of one, 17 s of another, and its own 5 s
    assert worker().stream_ends() == []


def test_a_listener_runs_dry_when_all_is_played_that_was_made(monkeypatch):
    moments = iter((100.0, 101.0))
    monkeypatch.setattr(runnings.time, "monotonic", lambda: next(moments))
    request, live = SimpleNamespace(lane="realtime"), SimpleNamespace(sample_rate=32_000)
    stream = Running(SimpleNamespace(request=request, live=live), Price(10.0, 1))
    assert (stream.dry_at, stream.seconds_left) == (100.0, 10.0)
    for _ in range(2):
        stream.take({"kind": "piece", "sentence": 0}, bytes(2 * 32_000))
    assert (stream.dry_at, stream.seconds_left) == (103.0, 8.0)


def test_an_idle_worker_takes_a_stream_although_another_has_become_slow():
    slow, idle = worker(1.0, 1.0, 1.0, rate=1.0), worker()
    assert choose(slow, idle) is idle
    with pytest.raises(OverCapacityError) as refusal:
        choose(slow)
    assert refusal.value.retry_after == 5  # when the last of its three streams is made, in 3 s, and some more


def test_requests_that_are_being_priced_take_their_room():
    workers = worker(1.0, 1.0), worker(1.0, 1.0)
    waiting = Waiting()
    waiting.begin("x" * 100)
    assert choose(*workers, waiting=waiting) in workers
    waiting.begin("y" * 500)
    with pytest.raises(OverCapacityError) as refusal:
        choose(*workers, waiting=waiting)
    assert refusal.value.retry_after == 4  # 2 s at 10 s per second, 42 s that are being priced at 20, and some more


def test_what_waits_for_its_price_is_taken_for_as_slow_as_texts_before_it():
    waiting = Waiting()
    for _ in range(50):
        waiting.begin("x" * 100)
        waiting.end("x" * 100, 20.0)
    waiting.begin("y" * 10)
    assert waiting.n == 1 and waiting.seconds == pytest.approx(2.0, rel=0.01)
    waiting.end("y" * 10, None)
    assert (waiting.n, waiting.seconds) == (0, 0.0)


FULL = (15.0, 15.0, 15.0, 13.0)  # seconds of speech that run in the batch lane of a worker


def test_a_full_batch_lane_says_when_the_text_fits():
    with pytest.raises(OverCapacityError) as refusal:
        choose(worker(batch=FULL), lane="batch", seconds=22.0)
    assert refusal.value.retry_after == 3  # 20 s too much at 10 s per second, and some more


def test_each_worker_must_have_room_for_the_whole_text():
    for backlogs, seconds, expected in (
        ((FULL, FULL), 22.0, 3),  # 20 s too much at 10 s per second, on each
        ((FULL, (24.0, 24.0)), 22.0, 2),  # the second one has room once both have 19 s left, in 1 s
        (((50.0,), (50.0,)), 100.0, 7),  # a text longer than the bound waits for a worker without any
    ):
        with pytest.raises(OverCapacityError) as refusal:
            choose(*(worker(batch=backlog) for backlog in backlogs), lane="batch", seconds=seconds)
        assert refusal.value.retry_after == expected


def test_a_text_waits_for_a_longer_one_only_as_long_as_it_takes_itself():
    one = worker(batch=(1200.0, 1000.0))
    assert choose(one, lane="batch", seconds=20.0) is one
    with pytest.raises(OverCapacityError):
        choose(one, lane="batch", seconds=20.1)
    with pytest.raises(OverCapacityError):  # another chapter of a book waits for those before it
        choose(one, lane="batch", seconds=1000.0)
    assert choose(worker(batch=(1200.0, *[5.0] * 9)), one, lane="batch", seconds=5.0) is one


def test_what_a_client_waits_for_is_there_when_it_comes_back():
    for batch, seconds in (((1200.0, *[5.0] * 11), 5.0), ((30.0, 80.0, 4.0, 21.0), 20.0), ((100.0,) * 6, 10.0)):
        one = worker(batch=batch)
        with pytest.raises(OverCapacityError) as refusal:
            choose(one, lane="batch", seconds=seconds)
        wait = (refusal.value.retry_after - 0.5) / 1.25
        made = 0.0
        while made < wait * 10.0:  # all requests in turns
            running = [spoken for spoken in one._running.values() if spoken.seconds_left > 0]
            for spoken in running:
                spoken.seconds_left = max(0.0, spoken.seconds_left - 0.1 / len(running))
            made += 0.1
        assert choose(one, lane="batch", seconds=seconds) is one


def test_a_text_waits_for_the_streams_too_which_go_first():
    with pytest.raises(OverCapacityError) as refusal:
        choose(worker(20.0, 10.0, batch=FULL), lane="batch", seconds=22.0)
    assert refusal.value.retry_after == 7  # 3 s for the streams, 2 s for what is too much, and some more


def test_a_text_whose_worker_died_goes_to_a_full_one():
    full, fuller = worker(batch=(60.0,)), worker(batch=(60.0, 20.0))
    assert choose(full, fuller, lane="batch", seconds=60.0, is_admitted=True) is full
    with pytest.raises(OverCapacityError):
        choose(full, fuller, lane="batch", seconds=60.0)


@pytest.mark.parametrize(
    ("text", "least"), [("The kettle is on.", 0.26), ("今天天气很好。", 0.36), ("-" * 4000 + "Hi", 0.04), ("", 0.0)]
)
def test_a_text_is_not_taken_for_longer_than_it_is_before_it_is_priced(text, least):
    assert least_seconds(text) == pytest.approx(least)


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
