"""Campaigns as API and command line call them: submit, find, pause, resume, cancel, retry."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from campaigns.errors import CampaignError, ExpiredError
from campaigns.execution import control, submitting
from campaigns.execution.files import DELIVERED, STRAY, remove_files
from campaigns.execution.plan import (
    QUEUE,
    WORKFLOW,
    Campaign,
    RowState,
    require_unexpired,
)
from campaigns.execution.queueing import SliceQueue
from campaigns.execution.sealing import open_sealer
from campaigns.execution.slices import STOPPING, SliceRunner
from campaigns.execution.speaking import Mark, RowSpeaker
from campaigns.execution.submitting import Submitted
from campaigns.quality.judging import Judge
from campaigns.records import CampaignSettings, RenderedRow
from campaigns.webhooks.addresses import check_url
from campaigns.webhooks.sending import WebhookSender
from serving.database import Database
from serving.errors import (
    ConsentError,
    DatabaseUnreachableError,
    NotReadyError,
    RevokedError,
    ServingError,
    StorageUnreachableError,
    UnknownVoiceError,
)
from serving.jobs.durable import DurableQueue, StandstillDetector, Work
from serving.jobs.speaking import JobEngine
from serving.messages import SpeechRequest
from serving.releases.table import NotInServiceError
from serving.settings import ServeSettings
from serving.storage.objects import ObjectStore

T = TypeVar("T")
SLICES_AT_ONCE = 2  # so that a second campaign begins while the rows of a first are long
ROWS_PER_BATCH_PLACE = 2  # so that rows wait while others are encoded, and the engine's batches are full
ROWS_PER_CHUNK = 250
WEBHOOK_SECONDS = 2.0
WATCH_SECONDS = 1.0  # a revocation ends a campaign within this time after the engine knows of it
SWEEP_SECONDS = 600.0
CPU_SHARE = 0.1  # of the assets, where the judges would take as long as the speech itself
LOG = logging.getLogger(__name__)


class CampaignService:
    """Durable campaigns. Consent, purpose and release are checked at the submission, at each claim, and at delivery."""

    def __init__(
        self,
        database: Database,
        engine: JobEngine,
        objects: ObjectStore,
        settings: ServeSettings,
        root: Path,
        *,
        judge: Judge | None = None,
        mark: Mark | None = None,
    ) -> None:
        """Prepare.

        Args:
            database: Of serving, with the tables of campaigns.
            engine: Speaks.
            objects: Where files are put.
            settings: The section `serve`.
            root: The project's folder, with the key of what is encrypted.
            judge: Hears assets. None where no campaign may want that.
            mark: Marks files. None where nothing is marked.
        """
        self.settings, self.objects, self.root = settings, objects, root
        self._database, self._engine, self._judge = database, engine, judge
        self.sealer = open_sealer(root)
        self._webhooks = WebhookSender(database, root)
        self._rows = RowSpeaker(database, engine, objects, self.sealer, judge=judge, mark=mark)
        self._queue, self._standstills = SliceQueue(), StandstillDetector()
        self._slices = SliceRunner(
            self._rows,
            engine,
            n_at_once=ROWS_PER_BATCH_PLACE * settings.engine.batch_size,
            must_yield=lambda: self._queue.n_jobs() > 0,
            stop=self._end_stopped,
            serves=self._serves,
            hand_back=self._hand_back,
            node=self._queue.node,
        )
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def work(self) -> Work:
        """Return what the durable queue of this process is to do."""
        return Work(workflow=WORKFLOW, queue=QUEUE, run=self._slices.run, n_at_once=SLICES_AT_ONCE)

    def start(self, queue: DurableQueue) -> None:
        """Begin to watch campaigns.

        Args:
            queue: Of this process. It has `work`.
        """
        self._queue.use(queue)
        loops = (
            (self.watch, WATCH_SECONDS),
            (self.sweep, SWEEP_SECONDS),
            (self._webhooks.send_due, WEBHOOK_SECONDS),
        )
        self._tasks = [asyncio.create_task(_repeat(call, seconds), name=call.__name__) for call, seconds in loops]

    async def close(self) -> None:
        """Stop watching. What is being spoken ends with the queue."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def tell(self) -> None:
        """Send the messages that are due, once, for a process that ends with its campaign."""
        await self._webhooks.send_due()

    async def submit(
        self,
        settings: CampaignSettings,
        rows: AsyncIterable[RenderedRow],
        *,
        owner: str,
        version: int,
        candidate_id: str,
        rejects: Callable[[], Mapping[str, int]] = dict,
    ) -> Submitted:
        """Make a campaign, or go on with the one of this name. What was spoken and did not change stays.

        Args:
            settings: How it is spoken and delivered.
            rows: What is to be spoken, in order. They are read in chunks, so their number does not matter.
            owner: Name of the caller.
            version: That speaks it, of `freeze`.
            candidate_id: Of that version.
            rejects: Returns the number of rows that were refused by reason, once all were read.

        Raises:
            ServingError: It may not be spoken.
        """
        settings = self._with_share(settings)
        if settings.callback_url is not None:
            check_url(settings.callback_url)
        await self._require_judge(settings, settings.language)
        await self._engine.check(_example(settings, version))
        require_unexpired(settings)
        pair = {"version": version, "candidate_id": candidate_id}
        campaign = await self._call(submitting.begin, settings, owner=owner, **pair)
        counts, place, seconds = [0, 0, 0], 0, 0.0
        chunk: list[RenderedRow] = []
        languages = {settings.language}

        async def write() -> None:
            found = await self._call(submitting.add_rows, campaign, self.sealer, chunk, first_place=place)
            for index, number in enumerate(found):
                counts[index] += number

        async for row in rows:
            chunk.append(row)
            seconds += row.seconds
            if row.language not in languages:
                languages.add(row.language)
                await self._require_judge(settings, row.language)
            if len(chunk) == ROWS_PER_CHUNK:
                await write()
                place += len(chunk)
                chunk = []
        if chunk:
            await write()
        campaign = await self._call(
            submitting.start, campaign, self._queue.enqueue, rejects=rejects(), expected_seconds=seconds
        )
        return Submitted(campaign=campaign, n_new=counts[0], n_changed=counts[1], n_same=counts[2])

    async def freeze(self, settings: CampaignSettings, *, owner: str) -> tuple[int, str]:
        """Return the version that speaks a campaign and its candidate id.

        One that was started keeps its version. A new one gets what its settings name, or else the champion of now.

        Args:
            settings: Of the campaign.
            owner: Name of the caller.

        Raises:
            ServingError: It may not be spoken.
        """
        known = await self._call(control.find_started, settings, owner)
        if known is not None:
            return known.version, known.candidate_id
        request = _example(settings, settings.version)
        await self._engine.check(request)  # which loads the version
        for served in self._engine.voices():
            if served.is_asked_for(settings.voice, settings.version):
                return served.version, served.candidate_id
        raise NotReadyError(f"the voice {settings.voice} is being loaded", retry_after=2)

    async def require_deliverable(self, campaign: Campaign) -> None:
        """Refuse to give the addresses of files that may not be delivered any more.

        Raises:
            ServingError: The consent was revoked or has ended, or the version was taken out of service.
        """
        await self._check(campaign)

    async def find(self, campaign_id: str, owner: str | None) -> Campaign:
        """Return a campaign that a caller may see, whoever it is where `owner` is None."""
        return await self._call(control.find, campaign_id, owner)

    async def pause(self, campaign_id: str) -> Campaign:
        """Stop claiming rows. See control.pause."""
        return await self._call(control.pause, campaign_id)

    async def resume(self, campaign_id: str) -> Campaign:
        """Go on after a pause, if the campaign may still be spoken."""
        await self._check(await self.find(campaign_id, None))
        campaign = await self._call(control.resume, campaign_id, self._queue.enqueue)
        return await self._call(control.end_if_done, campaign_id) or campaign

    async def retry(self, campaign_id: str) -> tuple[Campaign, int]:
        """Speak the rows again that are not done, if the campaign may still be spoken. Return it and their number."""
        await self._check(await self.find(campaign_id, None))
        return await self._call(control.retry, campaign_id, self._queue.enqueue)

    async def cancel(self, campaign_id: str, *, delete: bool = False) -> Campaign:
        """End a campaign. What was delivered stays, unless it is to be deleted.

        Args:
            campaign_id: The campaign.
            delete: Whether what was delivered is deleted.
        """
        await self._call(control.stop, campaign_id, "cancelled", delete=delete)
        await self._remove_files(campaign_id, *STRAY, *(DELIVERED if delete else ()))
        return await self.find(campaign_id, None)

    async def watch(self) -> None:
        """End the campaigns that may not go on: revoked, or over their time. Queue rows that nobody comes for."""
        campaigns = await self._call(control.open_campaigns)
        for campaign in campaigns:
            try:
                await self._watch(campaign)
            except StorageUnreachableError:  # what it left is deleted by `sweep`, and the others are watched as before
                LOG.warning("the files of campaign %s could not be deleted now", campaign.name)
        await self._queue_lost_rows([campaign for campaign in campaigns if campaign.state == "running"])

    async def _watch(self, campaign: Campaign) -> None:
        try:
            require_unexpired(campaign.plan)
            await self._check(campaign)
        except STOPPING as error:
            await self._end_stopped(campaign, error)
        except ServingError:  # the voice is not loaded yet
            return
        if campaign.state == "running":  # its last row can end while another node submits it again
            await self._call(control.end_if_done, campaign.id)

    async def _queue_lost_rows(self, campaigns: Sequence[Campaign]) -> None:
        """Queue the rows of running campaigns that wait, and that nobody came for during some looks."""
        lacking = {one.id: one for one in campaigns if await self._call(self._queue.lacks_work, one.id)}
        for campaign_id in self._standstills.look({name: campaign.run for name, campaign in lacking.items()}):
            if await self._call(control.queue_again, lacking[campaign_id], self._queue.enqueue):
                LOG.warning("rows of campaign %s waited for nobody; they are queued again", lacking[campaign_id].name)

    async def sweep(self) -> None:
        """Delete texts after their time with the files that nobody reviewed, and what stopped campaigns left."""
        await self._call(control.delete_old_contents, datetime.now(UTC))
        for campaign in await self._call(control.find_all, limit=None):
            states = await self._kept_by_nobody(campaign) if campaign.has_ended else ()
            if campaign.content_deleted_at is not None:  # a row without its text cannot be reviewed
                states += ("needs_review",)
                if campaign.has_ended:  # the rows of another one fail by its work
                    await asyncio.to_thread(self._queue.forget, campaign.id)
            if states:
                await self._remove_files(campaign.id, *states)

    async def _kept_by_nobody(self, campaign: Campaign) -> tuple[RowState, ...]:
        """Return the states of the rows of an ended campaign whose files are deleted."""
        deletes = campaign.delete_delivered or (
            campaign.plan.delivery.delete_on_revocation and await self._is_revoked(campaign)
        )
        return (*STRAY, *(DELIVERED if deletes else ()))

    async def _is_revoked(self, campaign: Campaign) -> bool:
        """Return whether a revocation ended a campaign, or came after its end."""
        if campaign.error_type in (RevokedError.type, ConsentError.type):
            return True
        try:
            await self._check(campaign)
        except RevokedError:
            return True
        except ServingError:
            return False
        return False

    async def _end_stopped(self, campaign: Campaign, error: ServingError) -> None:
        state = "cancelled"
        if isinstance(error, ExpiredError):
            try:
                require_unexpired((await self.find(campaign.id, None)).plan)
            except ExpiredError:
                state = "expired"
            else:  # it was submitted again meanwhile
                return
        if await self._call(control.stop, campaign.id, state, error) is None:  # each of its rows has found out
            return
        LOG.warning("campaign %s has ended: %s", campaign.name, error.message)
        await self._remove_files(campaign.id, *await self._kept_by_nobody(await self.find(campaign.id, None)))

    async def _remove_files(self, campaign_id: str, *states: RowState) -> None:
        await self._rows.stored(remove_files, self._database, self.objects, campaign_id, *states)

    async def _check(self, campaign: Campaign) -> None:
        await self._engine.check(_example(campaign.plan, campaign.version), candidate_id=campaign.candidate_id)

    async def _serves(self, campaign: Campaign) -> bool:
        """Return whether this node can speak and judge a campaign. Whether it may speak is another question."""
        if campaign.plan.quality.share and self._judge is None:
            return False
        try:
            await self._check(campaign)
        except ServingError as error:  # a voice that is not in service is so on every node, so the campaign ends
            return isinstance(error, NotInServiceError) or not isinstance(error, UnknownVoiceError)
        return True

    async def _hand_back(self, work_id: str) -> None:
        await self._rows.patiently(self._queue.hand_back, work_id)
        # The times before; this one has not ended yet. The next one can do it too
        await asyncio.to_thread(self._queue.forget_handed_back, work_id)

    def _with_share(self, settings: CampaignSettings) -> CampaignSettings:
        """Return the settings with the share of the assets that is judged on this machine."""
        if settings.quality.share is not None:
            return settings
        on_gpu = any(device.startswith("cuda") for device in self.settings.engine.devices)
        share = (1.0 if on_gpu else CPU_SHARE) if self._judge is not None else 0.0
        return settings.model_copy(update={"quality": settings.quality.model_copy(update={"share": share})})

    async def _require_judge(self, settings: CampaignSettings, language: str | None) -> None:
        if not settings.quality.share:
            return
        if self._judge is None:
            raise CampaignError(
                f"quality.share is {settings.quality.share:g}, and this process has no judges; set it to 0",
                param="quality.share",
            )
        similar = settings.quality.min_similarity is not None
        await self._judge.check(language=language, voice=settings.voice if similar else None)

    async def _call(self, call: Callable[..., T], *arguments: object, **named: object) -> T:
        return await asyncio.to_thread(call, self._database, *arguments, **named)


def _example(settings: CampaignSettings, version: int | None) -> SpeechRequest:
    """Return a request like those of a campaign, to ask whether it may be spoken."""
    return SpeechRequest(
        request_id="check",
        text="",
        voice=settings.voice,
        version=version,
        preset=settings.preset,
        language=settings.language,
        purpose=settings.purpose,
        seed=settings.seed,
        lane="batch",
    )


async def _repeat(call: Callable[[], object], seconds: float) -> None:
    """Call a function for ever. Whatever it ends with, a revocation must be seen after it."""
    while True:
        try:
            await call()  # type: ignore[misc]
        except DatabaseUnreachableError:  # the database has logged it
            pass
        except Exception as error:  # the last resort of a task that nobody waits for
            is_known = isinstance(error, ServingError)
            LOG.error("%s of campaigns: %r", call.__name__, error, exc_info=None if is_known else error)
        await asyncio.sleep(seconds)
