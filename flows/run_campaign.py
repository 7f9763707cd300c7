"""Speak a campaign to its end in this process: check, submit, wait, and write its folder."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from campaigns.check.rows import Check
from campaigns.check.speaker import Speaker, SpeakerRefusedError, find_speaker
from campaigns.delivery.folder import WrittenFolder, write_folder
from campaigns.execution import control
from campaigns.execution.plan import Campaign
from campaigns.files import load_campaign
from campaigns.node import Node, open_node
from campaigns.recipients.reading import read_recipients
from campaigns.records import CampaignSettings, Reject, RenderedRow
from campaigns.report.summary import Summary, summarize
from flows.campaign_judges import project_judges
from flows.campaign_view import CampaignView
from flows.commands.campaign_check import print_report
from flows.console import print_line
from flows.frozen_version import with_frozen_version
from flows.paths import CAMPAIGNS
from registry.actor import current_actor
from registry.storage.store import Store, open_store
from serving.errors import DatabaseUnreachableError, ServingError
from serving.settings import parse_settings
from stages.params import load_params

LOOK_SECONDS = 0.5
YIELD_ROWS = 50  # checked between two turns of the event loop
Tell = Callable[[Summary], None]


@dataclass(frozen=True, kw_only=True)
class CampaignRequest:
    """What `vox campaign run` is asked to do.

    Attributes:
        file: The campaign.
        accept_rejects: Whether the other rows are spoken where the check refuses some.
        output: Folder to write, None for the default one.
        no_judges: Whether no asset is judged.
    """

    file: Path
    accept_rejects: bool = False
    output: Path | None = None
    no_judges: bool = False


def run_to_end(request: CampaignRequest) -> WrittenFolder | None:
    """Check a campaign, speak it to its end and write its folder. Return None where it may not be spoken as it is.

    Args:
        request: What to do.

    Raises:
        CampaignError: The campaign cannot be read.
        ServingError: It cannot be spoken.
        KeyboardInterrupt: A signal ended it. The next start goes on.
    """
    store, campaign = open_store(), load_campaign(request.file)
    settings = campaign.settings
    if request.no_judges:
        settings = settings.model_copy(update={"quality": settings.quality.model_copy(update={"share": 0.0})})
    settings = with_frozen_version(store, settings)
    try:
        speaker = find_speaker(store, settings, datetime.now(UTC).date())
    except SpeakerRefusedError as error:
        print_line(f"{settings.name} may not be spoken: {error}")
        return None
    check = Check(settings, speaker)
    for _ in check.rows(read_recipients(campaign.recipients, check.language)):
        pass
    report = check.report()
    print_report(report)
    if report.fault or not report.n_accepted or (not report.has_passed and not request.accept_rejects):
        print_line("nothing was spoken; correct the rows, or speak the others with --accept-rejects")
        return None
    settings = settings.model_copy(update={"version": speaker.version})  # also where another is champion meanwhile
    checked = _CheckedCampaign(settings=settings, recipients=campaign.recipients, speaker=speaker)
    return asyncio.run(_speak(store, checked, output=request.output))


@dataclass(frozen=True, kw_only=True)
class _CheckedCampaign:
    """What may be spoken, and who speaks it."""

    settings: CampaignSettings
    recipients: Path
    speaker: Speaker


async def _speak(store: Store, campaign: _CheckedCampaign, *, output: Path | None) -> WrittenFolder:
    settings, speaker = campaign.settings, campaign.speaker
    judges = None if settings.quality.share == 0 else project_judges()
    with CampaignView() as view:
        view.say(f"loading {settings.voice}")
        serve = parse_settings(load_params().serve)
        async with open_node(serve, store, voices=[settings.voice], judges=judges) as node:
            owner = current_actor()
            version, candidate_id = await node.campaigns.freeze(settings, owner=owner)
            rejects: Counter[str] = Counter()

            async def rows() -> AsyncIterator[RenderedRow]:
                check = Check(settings, speaker)
                for number, row in enumerate(check.rows(read_recipients(campaign.recipients, check.language))):
                    if isinstance(row, Reject):
                        rejects[str(row.reason)] += 1
                    else:
                        yield row
                    if number % YIELD_ROWS == 0:
                        await asyncio.sleep(0)

            pair = {"version": version, "candidate_id": candidate_id}
            submitted = await node.campaigns.submit(settings, rows(), owner=owner, rejects=lambda: rejects, **pair)
            view.say(
                f"{submitted.n_new} new rows, {submitted.n_changed} changed, {submitted.n_same} as they were before"
            )
            ended = await _wait(node, submitted.campaign, view=view)
            folder = output or CAMPAIGNS / settings.name
            written = await asyncio.to_thread(write_folder, node.database, ended, node.campaigns.objects, folder)
            with suppress(ServingError):  # another node sends them then
                await node.campaigns.tell()
            return written


async def _wait(node: Node, campaign: Campaign, *, view: CampaignView) -> Campaign:
    """Show the progress until a campaign has ended. A signal leaves it to the next start."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _signals():
        loop.add_signal_handler(number, interrupted.set)
    try:
        while not campaign.has_ended:
            with suppress(DatabaseUnreachableError):
                view.show(await asyncio.to_thread(summarize, node.database, campaign))
            with suppress(TimeoutError):
                await asyncio.wait_for(interrupted.wait(), LOOK_SECONDS)
            if interrupted.is_set():
                raise KeyboardInterrupt
            with suppress(DatabaseUnreachableError):
                campaign = await asyncio.to_thread(control.find, node.database, campaign.id)
    finally:
        for number in _signals():
            loop.remove_signal_handler(number)
    view.show(await asyncio.to_thread(summarize, node.database, campaign))
    return campaign


def _signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end the command. Only the main thread may handle them, and Prefect may use another."""
    return (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
