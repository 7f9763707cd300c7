"""What was spoken earlier is delivered as long as the consent and the journal allow it, loaded or not."""

from __future__ import annotations

import asyncio

import pytest
from engine_helpers import Project, speech_request

from serving.errors import ConsentError, RevokedError
from serving.releases.follower import Follower
from serving.releases.table import ReleaseTable


def test_speech_of_a_former_version_is_delivered_until_a_revocation(project: Project):
    async def run() -> None:
        table = ReleaseTable(allow_unjudged_lane=False)
        follower = Follower(project.store, table, seconds=0.05)
        await follower.look()
        former = table.snapshots["anna"].past[0].candidate_id
        table.check_spoken(speech_request(), former)
        assert not table.loaded
        with pytest.raises(RevokedError):
            table.check_spoken(speech_request(), "another candidate")
        with pytest.raises(ConsentError):
            table.check_spoken(speech_request(purpose="advertising"), former)
        project.revoke("anna")
        await follower.look()
        with pytest.raises(RevokedError):
            table.check_spoken(speech_request(), former)
        await follower.close()

    asyncio.run(run())
