"""Campaigns as a part of `vox serve`: their routes, and their rows among the work of the node."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from campaigns.api.routes import campaign_router
from campaigns.database import migrate_campaigns
from campaigns.delivery.marking import AssetMarker
from campaigns.execution.service import CampaignService
from campaigns.quality.judging import JudgeOptions, JudgeProcess
from serving.extensions import Extend, Parts
from serving.jobs.durable import DurableQueue, Work


class CampaignExtension:
    """Makes a service a node of campaigns."""

    def __init__(self, parts: Parts, judges: JudgeOptions | None) -> None:
        """Make the tables, and prepare. It blocks for a moment.

        Args:
            parts: Of the service.
            judges: Hear assets. None where no campaign may want that.
        """
        migrate_campaigns(parts.database)
        self._judge = JudgeProcess(judges) if judges is not None else None
        self._service = CampaignService(
            parts.database,
            parts.engine,
            parts.objects,
            parts.settings,
            parts.store.root,
            judge=self._judge,
            mark=AssetMarker(parts.marker) if parts.marker is not None else None,
        )
        self._routers = (campaign_router(self._service, parts.database, parts.store),)

    @property
    def works(self) -> Sequence[Work]:
        """Return the slices of campaigns."""
        return (self._service.work,)

    @property
    def routers(self) -> Sequence[APIRouter]:
        """Return /v1/campaigns."""
        return self._routers

    def start(self, queue: DurableQueue) -> None:
        """Begin to watch campaigns."""
        self._service.start(queue)

    async def close(self) -> None:
        """Stop watching, and end the process of the judges."""
        await self._service.close()
        if self._judge is not None:
            await self._judge.close()


def with_campaigns(judges: JudgeOptions | None) -> Extend:
    """Return what adds campaigns to a service.

    Args:
        judges: Hear assets. None where no campaign may want that.
    """
    return lambda parts: CampaignExtension(parts, judges)
