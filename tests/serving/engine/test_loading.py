"""The task that loads releases goes on after what can happen to a registry, and is seen to have ended after a fault."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import ClassVar

import pytest

from registry.errors import RegistryError
from serving.engine.loading import Loader
from serving.errors import NotReadyError, RegistryUnreachableError, ServingError, VoiceDamagedError
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
