"""The task that loads releases goes on after what can happen to a registry, and is seen to have ended after a fault."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from engine_helpers import serve_settings, until

from registry.errors import RegistryError
from registry.releases.state import Release
from serving.engine import loading
from serving.engine import pool as pools
from serving.engine.loading import Loader
from serving.engine.pool import WorkerPool
from serving.engine.running import WorkerLost
from serving.errors import NotReadyError, RegistryUnreachableError, ServingError, VoiceDamagedError
from serving.releases.snapshots import VoiceSnapshot
from serving.releases.table import ReleaseTable


@pytest.mark.parametrize(
    ("fault", "goes_on"), [(OSError("disk"), True), (RegistryError("row"), True), (KeyError("x"), False)]
)
def test_expected_faults_are_tried_again_and_others_are_seen(monkeypatch, fault, goes_on):
    async def load() -> bool:
        loader = Loader(None, ReleaseTable(allow_unjudged_lane=False), max_former=1)
        tries = []

        def fail() -> None:
            tries.append(1)
            raise fault

        monkeypatch.setattr(loader, "_drop_withdrawn", fail)
        loader.start(None)
        for _ in range(3):
            loader.wake()
            await asyncio.sleep(0.01)
        is_running = loader.is_running
        assert len(tries) == (3 if goes_on else 1)
        await loader.close()
        return is_running

    assert asyncio.run(load()) == goes_on


class Pool:
    ready: ClassVar[list[str]] = ["cpu-0"]


@pytest.mark.parametrize(
    ("faults", "pool", "error"),
    [
        ({}, Pool(), RegistryUnreachableError),
        ({"c1": "other bytes"}, Pool(), VoiceDamagedError),
        ({}, None, NotReadyError),
    ],
)
def test_a_former_version_that_cannot_be_loaded_now_says_why(monkeypatch, faults, pool, error):
    release = SimpleNamespace(candidate_id="c1")
    table = ReleaseTable(allow_unjudged_lane=False)
    table.snapshots = {"anna": SimpleNamespace(voice="anna", fault=None, past=(release,), champion=None, previous=None)}

    async def ask() -> None:
        loader = Loader(None, table, max_former=1)
        loader.pool = pool
        loader.faults.update(faults)

        async def load(*_: object) -> None:
            pass  # the registry does not answer

        monkeypatch.setattr(loader, "_load", load)
        await loader.ensure("anna", "c1")

    with pytest.raises(error) as caught:
        asyncio.run(ask())
    assert isinstance(caught.value, ServingError) and caught.value.status == 503
    assert "other bytes" not in str(caught.value)


def test_a_former_version_is_loaded_to_its_end_although_its_client_leaves(monkeypatch):
    """What a worker has loaded and the table does not know, nobody would ever unload."""
    release = SimpleNamespace(candidate_id="c1")
    table = ReleaseTable(allow_unjudged_lane=False)
    table.snapshots = {"anna": SimpleNamespace(voice="anna", fault=None, past=(release,), champion=None, previous=None)}

    async def leave() -> list[str]:
        loader, begun, goes_on, loaded = Loader(None, table, max_former=1), asyncio.Event(), asyncio.Event(), []

        async def load(_: str, version: SimpleNamespace) -> None:
            begun.set()
            await goes_on.wait()
            loaded.append(version.candidate_id)

        monkeypatch.setattr(loader, "_load", load)
        client = asyncio.create_task(loader.ensure("anna", "c1"))
        await begun.wait()
        client.cancel()
        await asyncio.wait([client])
        goes_on.set()
        await asyncio.sleep(0.01)
        return loaded

    assert asyncio.run(leave()) == ["c1"]


class Process:
    """Stands for a worker, without a process. Each load of the third one that is made hangs."""

    made: ClassVar[list[Process]] = []
    n_frames = resident_bytes = 0
    is_idle = True

    def __init__(self, name: str, options: object) -> None:
        self.name, self.state, self.loaded, self.ended = name, "starting", set(), asyncio.Event()
        self.is_loading, self.hangs = False, len(self.made) == 2
        self.made.append(self)

    async def start(self) -> None:
        pass

    async def load(self, candidate: str, *_: object) -> int:
        self.is_loading = True
        if self.hangs:
            await self.ended.wait()
            raise WorkerLost(self.name)
        self.loaded.add(candidate)
        return 32_000

    def unload(self, candidate: str) -> None:
        self.loaded.discard(candidate)

    async def stop(self) -> None:
        self.ended.set()


def test_a_worker_that_hangs_while_it_starts_holds_up_no_promotion(monkeypatch):
    async def promote() -> None:
        table = ReleaseTable(allow_unjudged_lane=False)
        loader = Loader(None, table, max_former=1)
        pool = WorkerPool(serve_settings(devices=["cpu", "cpu"], keep_spares=False), Path(), loader.prepare)

        def release(*candidates: str) -> None:
            past = tuple(Release(number, candidate, number) for number, candidate in enumerate(candidates, 1))
            table.set_snapshots({"anna": VoiceSnapshot(voice="anna", champion=past[-1], past=past)})
            loader.wake()

        def in_service(candidate: str) -> bool:
            return "anna" in table.champions and table.champions["anna"].pair.candidate_id == candidate

        release("c1")
        pool.start()
        loader.start(pool)
        await until(lambda: in_service("c1") and len(pool.ready) == 2)
        Process.made[1].ended.set()
        await until(lambda: len(Process.made) == 3 and Process.made[2].is_loading)
        release("c1", "c2")
        await until(lambda: in_service("c2"))
        assert not Process.made[2].ended.is_set()
        monkeypatch.setattr(pools, "SILENT_LOOKS_AT_START", 3)
        await until(lambda: len(pool.ready) == 2)
        assert Process.made[2].ended.is_set() and Process.made[3].loaded == {"c1", "c2"}
        await loader.close()
        await pool.close()

    def find(store: object, voice: str, version: Release, today: object) -> SimpleNamespace:
        return SimpleNamespace(
            voice=voice, version=version.version, candidate_id=version.candidate_id, folder=None, presets={}
        )

    monkeypatch.setattr(loading, "find_pair", find)
    monkeypatch.setattr(loading, "is_unchanged", lambda pair: True)
    monkeypatch.setattr(pools, "WorkerProcess", Process)
    monkeypatch.setattr(pools, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(pools, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(pools, "SILENT_LOOKS", 10**9)
    monkeypatch.setattr(Process, "made", [])
    asyncio.run(promote())


def test_a_worker_that_starts_gets_what_is_promoted_meanwhile_and_loses_what_is_withdrawn():
    async def start() -> set[str]:
        table = ReleaseTable(allow_unjudged_lane=False)
        loader = Loader(None, table, max_former=1)
        live = {name: SimpleNamespace(pair=SimpleNamespace(voice="anna", candidate_id=name)) for name in ("c1", "c2")}
        worker, asked = SimpleNamespace(loaded=set()), []

        async def complete(_: object, lives: list[SimpleNamespace]) -> None:
            asked.append([one.pair.candidate_id for one in lives])
            worker.loaded |= {*asked[-1]}
            if len(asked) == 1:
                table.drop_loaded("c1")
                table.add_loaded(live["c2"])

        loader._complete, worker.unload = complete, worker.loaded.discard
        table.add_loaded(live["c1"])
        await loader.prepare(worker)
        assert asked == [["c1"], ["c2"]]
        return worker.loaded

    assert asyncio.run(start()) == {"c2"}
