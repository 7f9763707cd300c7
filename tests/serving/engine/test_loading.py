"""The task that loads releases goes on after what can happen to a registry, and is seen to have ended after a fault."""

from __future__ import annotations

import asyncio

import pytest

from registry.errors import RegistryError
from serving.engine.loading import Loader
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
