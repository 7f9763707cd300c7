"""A campaign that only a newer version of the service can read keeps nothing from the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from campaign_nodes import campaign_settings, rendered, rows_of, running_node, start_campaign, wait_for
from job_helpers import SmallEngine

from campaigns.execution import control
from campaigns.tables import CAMPAIGNS
from serving.errors import RevokedError


def start_two(folder, database) -> tuple[str, str]:
    """Start two campaigns, of which a newer version of the service has started the first. Return their ids."""
    for name in ("newer", "plain"):
        plan = campaign_settings(name=name)
        start_campaign(folder, database, plan, rendered(plan, 3))
    newer, plain = (control.find_all(database, name=name)[0] for name in ("newer", "plain"))
    with database.transaction() as connection:
        changed = newer.plan.model_dump(mode="json") | {"whisper": True}
        connection.execute(sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == newer.id).values(plan=changed))
    return newer.id, plain.id


def test_a_revocation_ends_the_campaigns_beside_one_that_cannot_be_read(tmp_path, database, caplog):
    newer, plain = start_two(tmp_path, database)
    engine = SmallEngine(refusal=RevokedError("the consent was revoked"))

    async def scenario() -> None:
        async with running_node(tmp_path, database, engine) as service:
            await wait_for(service, plain, "cancelled")

    asyncio.run(scenario())
    states = Counter((row["campaign_id"], row["state"]) for row in rows_of(database))
    assert states == {(plain, "cancelled"): 3, (newer, "queued"): 3}
    assert caplog.text.count(f"campaign {newer} is left to other nodes") == 1


def test_old_texts_are_deleted_beside_a_campaign_that_cannot_be_read(tmp_path, database):
    _, plain = start_two(tmp_path, database)
    later = datetime.now(UTC) + timedelta(days=1000)
    assert [campaign.id for campaign in control.delete_old_contents(database, later)] == [plain]
    assert [campaign.id for campaign in control.find_all(database)] == [plain]
