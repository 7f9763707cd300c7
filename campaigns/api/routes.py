"""POST and GET /v1/campaigns, their assets, reports and actions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse

from campaigns.api.bodies import AssetPage, CampaignBody, CampaignInfo, CampaignList, SubmittedInfo, describe
from campaigns.api.checking import check_request, require_speakable
from campaigns.delivery.results import csv_lines
from campaigns.execution import control
from campaigns.execution.plan import Campaign, RowState
from campaigns.execution.service import CampaignService
from campaigns.records import RenderedRow
from campaigns.report.assets import all_assets, read_assets
from campaigns.report.page import render_page
from campaigns.report.summary import summarize
from registry.storage.store import Store
from serving.api.callers import Caller
from serving.api.service import current_caller
from serving.database import Database
from serving.errors import ServingError
from serving.jobs.routes import ERRORS
from serving.storage.objects import ObjectStore

Asking = Annotated[Caller, Depends(current_caller)]
CampaignId = Annotated[str, Field(max_length=40, pattern=r"^campaign_[0-9a-f]{24}$")]
ROW_PAGE = 1000
MAX_PLACE = 2**31 - 1  # of a row: what its column holds
MAX_LISTED = 100
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; media-src data:; frame-ancestors 'none'; base-uri 'none'"
YIELD_ROWS = 100
CHECKS_AT_ONCE = 2


def campaign_router(service: CampaignService, database: Database, store: Store) -> APIRouter:
    """Return the routes of campaigns.

    Args:
        service: Does the work.
        database: Of serving, with the tables of campaigns.
        store: Where releases are.
    """
    router = APIRouter(prefix="/v1/campaigns")
    routes = _Routes(service, database, store)
    also = {202: {"model": SubmittedInfo}, 200: {"description": "The report of the check, where dry_run is true."}}
    router.post("", status_code=202, response_model=None, responses=ERRORS | also)(routes.submit)
    router.get("", response_model=CampaignList, responses=ERRORS)(routes.list_all)
    router.get("/{campaign_id}", response_model=CampaignInfo, responses=ERRORS)(routes.find)
    router.get("/{campaign_id}/assets", response_model=AssetPage, responses=ERRORS)(routes.assets)
    router.get("/{campaign_id}/report.{kind}", response_class=Response, responses=ERRORS)(routes.report)
    for action in ("pause", "resume", "retry", "cancel"):
        call = getattr(routes, action)
        router.post(f"/{{campaign_id}}:{action}", response_model=CampaignInfo, responses=ERRORS)(call)
    return router


class _Routes:
    """The handlers. FastAPI reads their signatures, so each parameter is one of the request."""

    def __init__(self, service: CampaignService, database: Database, store: Store) -> None:
        self._service, self._database, self._store = service, database, store
        # A check can take a minute, in which tables and keys must be answered
        self._checks = ThreadPoolExecutor(CHECKS_AT_ONCE, thread_name_prefix="checks of campaigns")

    async def submit(self, body: CampaignBody, response: Response, caller: Asking) -> Any:
        """Submit a campaign, or go on with the one of this name. Rows that are done and did not change stay."""
        settings = body.campaign
        caller.require(voice=settings.voice, lane="batch", purpose=settings.purpose)
        known = await asyncio.to_thread(control.find_started, self._database, settings, caller.name)
        asked = settings if known is None else settings.model_copy(update={"version": known.version})
        check = asyncio.get_running_loop().run_in_executor
        checked = await check(self._checks, check_request, self._store, asked, body.recipients)
        if body.dry_run:
            return JSONResponse(checked.report.to_json(), status_code=200)
        require_speakable(checked, accept_rejects=body.accept_rejects)
        settings = settings.model_copy(update={"version": checked.report.version})  # also after another promotion
        version, candidate_id = await self._service.freeze(settings, owner=caller.name)
        submitted = await self._service.submit(
            settings,
            _stream(checked.rows),
            owner=caller.name,
            version=version,
            candidate_id=candidate_id,
            rejects=lambda: checked.rejects,
        )
        info = await self._describe(submitted.campaign)
        response.headers["Location"] = f"/v1/campaigns/{submitted.campaign.id}"
        counts = {"n_new": submitted.n_new, "n_changed": submitted.n_changed, "n_same": submitted.n_same}
        return SubmittedInfo(**info.model_dump(), **counts)

    async def list_all(self, caller: Asking) -> CampaignList:
        """Return the newest 100 campaigns of the key, the newest first."""
        found = await asyncio.to_thread(control.find_all, self._database, owner=caller.name, limit=MAX_LISTED)
        return CampaignList(data=[await self._describe(campaign) for campaign in found])

    async def find(self, campaign_id: CampaignId, caller: Asking) -> CampaignInfo:
        """Return a campaign and how far it is."""
        return await self._describe(await self._service.find(campaign_id, caller.name))

    async def assets(
        self,
        campaign_id: CampaignId,
        caller: Asking,
        status: RowState | None = None,
        cursor: Annotated[int, Query(ge=-1, le=MAX_PLACE)] = -1,
        limit: Annotated[int, Query(ge=1, le=ROW_PAGE)] = 100,
    ) -> AssetPage:
        """Return rows of a campaign in the order of the recipients, with the addresses of their files."""
        campaign = await self._service.find(campaign_id, caller.name)
        await self._service.require_deliverable(campaign)
        rows, after = await asyncio.to_thread(
            read_assets, self._database, campaign, self._signer(campaign), status=status, after=cursor, limit=limit
        )
        return AssetPage(data=rows, next_cursor=after)

    async def report(self, campaign_id: CampaignId, kind: Literal["json", "csv", "html"], caller: Asking) -> Response:
        """Return the report of a campaign as it is now: figures, the table of its rows, or one page."""
        campaign = await self._service.find(campaign_id, caller.name)
        if kind == "csv":
            await self._service.require_deliverable(campaign)
            rows = all_assets(self._database, campaign, self._signer(campaign))
            name = {"Content-Disposition": f'attachment; filename="{campaign.name}.csv"'}
            return StreamingResponse(csv_lines(rows), media_type="text/csv; charset=utf-8", headers=name)
        summary = await asyncio.to_thread(summarize, self._database, campaign)
        if kind == "json":
            return JSONResponse(summary.to_json())
        page = await asyncio.to_thread(render_page, summary, await self._playable(campaign))
        return HTMLResponse(page, headers={"Content-Security-Policy": PAGE_POLICY})

    async def pause(self, campaign_id: CampaignId, caller: Asking) -> CampaignInfo:
        """Stop claiming rows. Those that are being spoken come to their end."""
        await self._service.find(campaign_id, caller.name)
        return await self._describe(await self._service.pause(campaign_id))

    async def resume(self, campaign_id: CampaignId, caller: Asking) -> CampaignInfo:
        """Go on after a pause."""
        await self._require(campaign_id, caller)
        return await self._describe(await self._service.resume(campaign_id))

    async def retry(self, campaign_id: CampaignId, caller: Asking) -> CampaignInfo:
        """Speak the rows again that failed, were cancelled or need a review."""
        await self._require(campaign_id, caller)
        campaign, _ = await self._service.retry(campaign_id)
        return await self._describe(campaign)

    async def cancel(self, campaign_id: CampaignId, caller: Asking, delete: bool = False) -> CampaignInfo:
        """End a campaign. What was delivered stays, unless `delete` is true."""
        await self._service.find(campaign_id, caller.name)
        return await self._describe(await self._service.cancel(campaign_id, delete=delete))

    async def _require(self, campaign_id: str, caller: Caller) -> None:
        campaign = await self._service.find(campaign_id, caller.name)
        caller.require(voice=campaign.plan.voice, lane="batch", purpose=campaign.plan.purpose)

    async def _describe(self, campaign: Campaign) -> CampaignInfo:
        return CampaignInfo(**describe(await asyncio.to_thread(summarize, self._database, campaign)))

    async def _playable(self, campaign: Campaign) -> ObjectStore | None:
        """Return where the files of a campaign are, None where they may not be delivered any more."""
        try:
            await self._service.require_deliverable(campaign)
        except ServingError:
            return None
        return self._service.objects

    def _signer(self, campaign: Campaign) -> Any:
        seconds = campaign.plan.delivery.url_seconds
        return lambda key: self._service.objects.signed_url(key, seconds=seconds)


async def _stream(rows: Sequence[RenderedRow]) -> AsyncIterator[RenderedRow]:
    for number, row in enumerate(rows):
        if number % YIELD_ROWS == 0:
            await asyncio.sleep(0)
        yield row
