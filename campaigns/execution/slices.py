"""The rows of a slice, which DBOS gives to one node. It waits out what passes, and ends when nothing is left to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from campaigns.errors import ExpiredError
from campaigns.execution import claims, control
from campaigns.execution.plan import Campaign, ClaimedRow, first_id, parse_slice_id
from campaigns.execution.speaking import RowSpeaker
from campaigns.execution.submitting import UnknownCampaignError
from campaigns.quality.judging import JudgeLostError
from serving.api.failures import log_fault
from serving.database import Database
from serving.errors import (
    BusyError,
    ConsentError,
    DeadlineError,
    InternalError,
    OverCapacityError,
    RevokedError,
    ServingError,
    UnknownVersionError,
    UnknownVoiceError,
    VoiceDamagedError,
    WorkerLostError,
)
from serving.jobs.speaking import AttemptEndedError, JobEngine
from serving.releases.table import NotInServiceError

STOPPING = (RevokedError, ConsentError, NotInServiceError, ExpiredError)  # they end the whole campaign
COUNTED = (
    WorkerLostError,
    DeadlineError,
    VoiceDamagedError,
    JudgeLostError,
)  # the text may be the reason, so it is not tried for ever
MAX_WAIT_SECONDS = 30.0
FULL_SECONDS = 0.5
YIELD_SECONDS = 0.2
OTHERS_SECONDS = 1.0  # between two looks at rows that another living runner of the slice speaks
HAND_BACK_SECONDS = 2.0  # before a slice is queued again that this node cannot speak or judge
FAULT_SECONDS = 2.0  # before a row is taken up again that ended by a fault of the service
LOG = logging.getLogger(__name__)


class SliceRunner:
    """Runs slices on the event loop of the process that speaks."""

    def __init__(
        self,
        rows: RowSpeaker,
        engine: JobEngine,
        *,
        n_at_once: int,
        must_yield: Callable[[], bool],
        stop: Callable[[Campaign, ServingError], Awaitable[None]],
        serves: Callable[[Campaign], Awaitable[bool]],
        hand_back: Callable[[str], Awaitable[None]],
        node: Callable[[Database], str],
    ) -> None:
        """Prepare.

        Args:
            rows: Speaks a row.
            engine: Tells whether it is ready.
            n_at_once: Rows of a slice that are spoken at once, so that the engine can compute them together.
            must_yield: Returns whether something more urgent runs. Then one row at a time is spoken.
            stop: Ends a campaign that may not be spoken any more.
            serves: Returns whether this node serves the voice of a campaign, and can judge what it says.
            hand_back: Queues a slice again, for another node.
            node: Returns the name of this node, as the table of nodes has it.
        """
        self._rows, self._engine, self._n_at_once = rows, engine, n_at_once
        self._must_yield, self._stop, self._serves, self._hand_back = must_yield, stop, serves, hand_back
        self._node = node
        self._living: set[str] = set()  # claims of the runners of this node

    async def run(self, work_id: str) -> None:
        """Speak the rows of a slice until none is left, or until its campaign is not running any more.

        Args:
            work_id: Of plan.slice_id.
        """
        campaign_id, number = parse_slice_id(work_id)
        call = self._rows.patiently
        try:
            campaign = await call(control.find, campaign_id)
        except UnknownCampaignError:
            return
        if campaign.state == "running" and not await self._serves(campaign):
            await asyncio.sleep(HAND_BACK_SECONDS)
            await self._hand_back(work_id)
            return
        owner = f"{first_id(work_id)}#"  # the same for a slice that was handed back, which has the rows of a dead node
        node = await call(self._node)
        claim = claims.claim_of(owner, node)
        self._living.add(claim)
        try:
            while True:
                living = self._living - {claim}  # what this runner still has at this place was lost by a fault
                limit = campaign.plan.max_attempts
                which = (campaign_id, number, owner)
                await call(claims.adopt, *which, node=node, living=living, max_attempts=limit)
                left = await call(claims.find_work, *which)
                if left.has_queued:
                    await self._speak_rows(work_id, claim)
                elif left.has_running:  # its node can die, and nobody else would come for its row
                    await asyncio.sleep(OTHERS_SECONDS)
                else:
                    break
        finally:
            # Where the process ends in order, or by a fault, which is not one of the rows. Else nothing is left
            await self._rows.give_back(campaign_id, number, claim)
            self._living.discard(claim)
        await call(control.end_if_done, campaign_id)

    async def _speak_rows(self, work_id: str, claim: str) -> None:
        """Speak rows of a slice until none waits."""
        campaign_id, number = parse_slice_id(work_id)
        lanes = (self._work(campaign_id, number, claim, is_first=lane == 0) for lane in range(self._n_at_once))
        faults = [fault for fault in await asyncio.gather(*lanes, return_exceptions=True) if fault is not None]
        for fault in faults:
            LOG.error("a lane of slice %s ended by a fault; its row is taken up again", work_id)
            log_fault(fault, work_id)
        if faults:
            await asyncio.sleep(FAULT_SECONDS)

    async def _work(self, campaign_id: str, number: int, claim: str, *, is_first: bool) -> None:
        """Speak one row after the other, each by the settings that its campaign had when it was claimed."""
        while True:
            while not is_first and self._must_yield():
                await asyncio.sleep(YIELD_SECONDS)
            own = claims.next_claim(claim)
            claiming = asyncio.ensure_future(self._rows.patiently(claims.claim_next, campaign_id, number, own))
            try:
                claimed = await asyncio.shield(claiming)
            except asyncio.CancelledError:
                await asyncio.wait([claiming])  # or it would claim what `run` has given back
                raise
            if claimed is None:
                return
            await self._speak(*claimed)

    async def _speak(self, campaign: Campaign, row: ClaimedRow) -> None:
        """Speak a row. Whatever happens to it, the others go on."""
        n_failed, n_waits = row.attempts - 1, 0
        while True:
            (error,) = await asyncio.gather(self._rows.speak(campaign, row), return_exceptions=True)
            if error is None or isinstance(error, AttemptEndedError):
                return
            if isinstance(error, STOPPING):
                await self._stop(campaign, error)
                return
            if not isinstance(error, ServingError):
                log_fault(error, row.request_id)
                error = InternalError("the service has a fault; its log has the place under the id of the row")
            n_failed += isinstance(error, COUNTED)
            if n_failed >= campaign.plan.max_attempts or not self._passes(error):
                await self._rows.fail(campaign, row, error)
                return
            LOG.info("row %s waits: %s", row.request_id, error.type)
            await asyncio.sleep(_wait_of(error, n_waits))
            n_waits += 1
            current = await self._rows.patiently(claims.claimed_again, row)
            if current is None:
                return
            row = current

    def _passes(self, error: ServingError) -> bool:
        """Return whether another try can succeed. An engine that has just started knows no voice yet."""
        is_unknown = isinstance(error, UnknownVoiceError | UnknownVersionError)
        return isinstance(error, BusyError | JudgeLostError) or (is_unknown and not self._engine.health().ready)


def _wait_of(error: ServingError, n_waits: int) -> float:
    """Return the seconds until the next try.

    A full engine is asked again soon, because it is in this process, and what is reused leaves it sooner than it
    expects.
    """
    if isinstance(error, OverCapacityError):
        return FULL_SECONDS
    if isinstance(error, VoiceDamagedError):  # so that a moment in which a journal is not readable fails no rows
        return MAX_WAIT_SECONDS
    return min(MAX_WAIT_SECONDS, max(error.retry_after or 0, 0.25 * 2 ** min(n_waits, 7)))
