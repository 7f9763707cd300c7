"""A slot is filled again whatever ended its worker, and no process is left behind."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import ClassVar

import pytest
from engine_helpers import serve_settings

from serving.engine import pool as pools
from serving.engine.pool import WorkerPool
from serving.engine.process import WorkerOptions, WorkerProcess
from serving.engine.running import WorkerLost


class Process:
    """Stands for a worker, without a process."""

    made: ClassVar[list[Process]] = []

    def __init__(self, name: str, options: object) -> None:
        self.name, self.state, self.resident_bytes, self.is_idle = name, "starting", 0, True
        self.loaded, self.ended, self.hangs = set(), asyncio.Event(), False
        self.made.append(self)

    @property
    def n_frames(self) -> int:
        return 1 if self.hangs else time.monotonic_ns()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        self.ended.set()


@pytest.mark.parametrize("fault", [OSError("disk"), KeyError("x")])
def test_a_worker_that_cannot_be_prepared_is_ended_and_the_next_one_is_tried(monkeypatch, fault):
    async def fill() -> None:
        n_tries = 0

        async def prepare(worker: Process) -> None:
            nonlocal n_tries
            n_tries += 1
            if n_tries == 1:
                raise fault

        pool = WorkerPool(serve_settings(devices=["cpu"]), Path(), prepare)
        pool.start()
        async with asyncio.timeout(10):
            while not pool.ready:
                await asyncio.sleep(0.01)
        first, second = Process.made
        assert first.ended.is_set()
        assert pool.ready == [second]
        await pool.close()

    monkeypatch.setattr(pools, "WorkerProcess", Process)
    monkeypatch.setattr(pools, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(Process, "made", [])
    asyncio.run(fill())


def test_a_worker_that_has_grown_goes_on_until_another_one_has_its_voices(monkeypatch):
    async def grow() -> None:
        is_away = False

        async def prepare(worker: Process) -> None:
            worker.loaded |= set() if is_away else {"c1"}

        pool = WorkerPool(serve_settings(devices=["cpu"]), Path(), prepare)
        pool.start()

        async def until(holds) -> None:
            async with asyncio.timeout(10):
                while not holds():
                    await asyncio.sleep(0.01)

        await until(lambda: pool.ready)
        first, is_away = pool.ready[0], True
        first.resident_bytes = 5 * 10**9  # of 4
        await until(lambda: len(Process.made) > 2)
        assert pool.ready == [first]
        is_away = False
        await until(lambda: pool.ready != [first])
        assert pool.ready[0].loaded == {"c1"}
        await until(lambda: sum(not process.ended.is_set() for process in Process.made) == 1)
        await pool.close()

    monkeypatch.setattr(pools, "WorkerProcess", Process)
    monkeypatch.setattr(pools, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(pools, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(Process, "made", [])
    asyncio.run(grow())


def test_a_worker_that_hangs_is_ended_and_another_one_takes_its_place(monkeypatch):
    async def hang() -> None:
        async def prepare(worker: Process) -> None:
            pass

        pool = WorkerPool(serve_settings(devices=["cpu"]), Path(), prepare)
        pool.start()
        async with asyncio.timeout(10):
            while not pool.ready:
                await asyncio.sleep(0.01)
            (first,) = pool.ready
            await asyncio.sleep(0.2)
            assert pool.ready == [first]
            first.hangs = True
            while not first.ended.is_set() or pool.ready in ([], [first]):
                await asyncio.sleep(0.01)
        await pool.close()

    monkeypatch.setattr(pools, "WorkerProcess", Process)
    monkeypatch.setattr(pools, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(pools, "SILENT_LOOKS", 5)
    monkeypatch.setattr(pools, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(Process, "made", [])
    asyncio.run(hang())


@pytest.mark.parametrize("where", ["start", "load"])
def test_a_worker_that_hangs_while_it_starts_is_ended_later_and_another_one_takes_its_place(monkeypatch, where):
    async def hang() -> None:
        async def wait(worker: Process) -> None:
            worker.hangs = len(Process.made) == 1
            if worker.hangs:
                await worker.ended.wait()
                raise WorkerLost(worker.name)

        async def pass_on(worker: Process) -> None:
            pass

        monkeypatch.setattr(Process, "start", wait if where == "start" else pass_on)
        pool = WorkerPool(serve_settings(devices=["cpu"]), Path(), wait if where == "load" else pass_on)
        pool.start()
        async with asyncio.timeout(10):
            while not Process.made:
                await asyncio.sleep(0.01)
            (first,) = Process.made
            await asyncio.sleep(0.2)
            assert not first.ended.is_set()  # one that is slow has more time than one that is ready
            monkeypatch.setattr(pools, "SILENT_LOOKS_AT_START", 5)
            while not pool.ready:
                await asyncio.sleep(0.01)
            assert first.ended.is_set() and pool.ready == [Process.made[1]]
        await pool.close()
        assert not pool._watches

    monkeypatch.setattr(pools, "WorkerProcess", Process)
    monkeypatch.setattr(pools, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(pools, "SILENT_LOOKS", 3)
    monkeypatch.setattr(pools, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(Process, "made", [])
    asyncio.run(hang())


def test_each_cpu_worker_gets_cores_of_its_own_where_there_are_enough(monkeypatch):
    monkeypatch.setattr(pools.os, "sched_getaffinity", lambda _: {2, 3, 5, 7})

    def cores(**changes: object) -> list[tuple[int, ...]]:
        pool = WorkerPool(serve_settings(**changes), Path(), None)
        return [slot.options.cores for slot in pool.slots]

    assert cores(devices=["cpu", "cpu"], n_threads=2, pin_cores=True) == [(2, 3), (5, 7)]
    assert cores(devices=["cuda:0", "cpu"], n_threads=1, pin_cores=True) == [(), (2,)]
    assert cores(devices=["cpu"] * 5, n_threads=1, pin_cores=True) == [()] * 5
    assert cores(devices=["cpu", "cpu"], n_threads=2, pin_cores=False) == [(), ()]


def test_a_worker_stays_on_its_cores_with_its_number_of_threads():
    core = min(os.sched_getaffinity(0))

    async def start() -> tuple[set[int], str]:
        options = WorkerOptions(
            device="cpu", precision="float32", batch_size=1, n_threads=1, unread_bytes=1, folder=Path(), cores=(core,)
        )
        worker = WorkerProcess("cpu-0", options)
        await worker.start()
        cores = os.sched_getaffinity(worker.pid)
        threads = Path(f"/proc/{worker.pid}/environ").read_bytes()
        await worker.stop()
        return cores, threads.decode()

    cores, environment = asyncio.run(start())
    assert cores == {core}
    assert "OMP_NUM_THREADS=1" in environment.split("\0")
