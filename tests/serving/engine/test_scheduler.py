"""Whose turn it is: by the listener who runs dry first, and the batch in the gaps."""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt_sovits.pausing import pause_point, set_pause
from serving.engine import worker as workers
from serving.engine.frames import LENGTHS, BrokenFrameError, pack, read_frame, receive_frame
from serving.engine.scheduler import LEAD_SECONDS, SLICE_SECONDS, Scheduler


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Work:
    """A task of steps that take longer than a turn each."""

    def __init__(
        self, name: str, log: list[str], clock: Clock, *, deadline: float | None = None, steps: int = 3
    ) -> None:
        self.name, self.log, self.clock = name, log, clock
        self.is_loading = name == "l"
        self.is_stream, self._deadline = deadline is not None, deadline or 0.0
        self.blocked, self.busy, self.error = False, 0.0, None

    def run(self) -> None:
        for _ in range(3):
            self.log.append(self.name)
            self.clock.now += 2 * SLICE_SECONDS
            pause_point()

    def is_blocked(self) -> bool:
        return self.blocked

    def deadline(self) -> float:
        return self._deadline

    def add_busy(self, seconds: float) -> None:
        self.busy += seconds

    def fail(self, error: Exception) -> None:
        self.error = error


@pytest.fixture(autouse=True)
def _no_pauses_afterwards() -> Iterator[None]:
    yield
    set_pause(None)


def run_all(*names_and_deadlines: tuple[str, float | None]) -> str:
    clock, log = Clock(), []
    scheduler = Scheduler(clock)
    for name, ahead in names_and_deadlines:
        deadline = None if ahead is None else clock.now + ahead
        scheduler.add(Work(name, log, clock, deadline=deadline))
    while scheduler.turn():
        pass
    return "".join(log)


def test_the_stream_whose_listener_runs_dry_first_goes_first_and_the_batch_last():
    assert run_all(("b", None), ("x", 0.5), ("y", 0.2)) == "yyyxxxbbb"


def test_a_batch_and_streams_that_are_far_ahead_take_turns():
    assert run_all(("b", None), ("x", 2 * LEAD_SECONDS)) == "bxbxbx"


def test_a_new_pair_gets_every_third_turn_of_listeners_who_wait_and_goes_before_the_batch():
    assert run_all(("x", 0.5), ("y", 0.2), ("l", None)) == "yylylxxlx"
    assert run_all(("b", None), ("l", None)) == "lllbbb"


def test_a_stream_that_waits_for_its_client_takes_no_turn():
    clock, log = Clock(), []
    scheduler = Scheduler(clock)
    work = Work("x", log, clock, deadline=clock.now)
    scheduler.add(work)
    work.blocked = True
    assert not scheduler.turn()
    work.blocked = False
    assert scheduler.turn() and log == ["x"]


def test_a_cancelled_task_computes_nothing_more():
    clock, log = Clock(), []
    scheduler = Scheduler(clock)
    work = Work("b", log, clock)
    scheduler.add(work)
    scheduler.turn()
    scheduler.cancel(work)
    assert not scheduler.turn()
    assert log == ["b"] and work.error is None


def test_a_task_that_fails_ends_alone_and_its_time_is_counted():
    clock, log = Clock(), []
    scheduler = Scheduler(clock)
    bad, good = Work("x", log, clock, deadline=0.0), Work("b", log, clock)
    bad.run = lambda: 1 / 0
    scheduler.add(bad)
    scheduler.add(good)
    while scheduler.turn():
        pass
    assert isinstance(bad.error, ZeroDivisionError)
    assert log == ["b"] * 3 and good.busy == pytest.approx(6 * SLICE_SECONDS)


def test_autocast_of_a_paused_task_does_not_reach_the_others():
    clock, log, seen = Clock(), [], []
    scheduler = Scheduler(clock)
    first, second = Work("x", log, clock, deadline=0.0), Work("y", log, clock, deadline=1.0)
    inner, other = first.run, second.run

    def with_autocast() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            inner()
            seen.append(torch.is_autocast_enabled("cpu"))

    def without() -> None:
        seen.append(torch.is_autocast_enabled("cpu"))
        first._deadline = 0.0
        other()

    first.run, second.run = with_autocast, without
    scheduler.add(first)
    scheduler.add(second)
    scheduler.turn()
    first._deadline = 2.0  # the other one goes first now
    while scheduler.turn():
        pass
    assert seen == [False, True]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text()), st.binary(max_size=300), st.integers(1, 50))
def test_frames_arrive_as_they_were_sent_whatever_the_pieces(header, body, size):
    header |= {"kind": "piece"}
    data = pack(header, body) * 2

    async def read() -> list:
        reader = asyncio.StreamReader()
        for start in range(0, len(data), size):
            reader.feed_data(data[start : start + size])
        reader.feed_eof()
        return [await read_frame(reader) for _ in range(3)]

    assert asyncio.run(read()) == [(header, body), (header, body), None]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.close()
        assert [receive_frame(ours) for _ in range(3)] == [(header, body), (header, body), None]


@pytest.mark.parametrize("data", [LENGTHS.pack(2**31, 0), LENGTHS.pack(2, 0) + b"[]", LENGTHS.pack(3, 0) + b"\x80ab"])
def test_what_is_not_a_frame_is_refused(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.close()
        with pytest.raises(BrokenFrameError):
            receive_frame(ours)


@pytest.mark.parametrize(("device", "is_lost"), [("cpu", True), ("cuda", False), ("cuda", True)])
def test_a_worker_ends_after_a_fault_that_has_cost_it_its_gpu(monkeypatch, device, is_lost):
    class Faulty(Work):
        def run(self) -> None:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def synchronize() -> None:
        if is_lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr(workers.os, "_exit", leave)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        scheduler = workers.Worker(theirs, argparse.Namespace(cache="", device=device))._scheduler
        scheduler.add(faulty := Faulty("f", [], Clock()))
        with pytest.raises(SystemExit) if device == "cuda" and is_lost else nullcontext():
            scheduler.turn()
        assert (faulty.error is None) == (device == "cuda" and is_lost)  # it is spoken again by another worker
