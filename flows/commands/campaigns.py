"""`vox campaign status|pause|resume|cancel|retry|report`, and `run`, which flows/run_campaign.py does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from campaigns.database import migrate_campaigns
from campaigns.delivery.folder import WrittenFolder, write_folder
from campaigns.execution import control
from campaigns.execution.files import DELIVERED, STRAY, remove_files
from campaigns.execution.plan import QUEUE, WORKFLOW, Campaign
from campaigns.execution.submitting import UnknownCampaignError
from campaigns.report.page import duration
from campaigns.report.summary import Summary, summarize
from flows.console import print_line, print_table
from flows.paths import CAMPAIGNS
from flows.prefect_server import ensure_server
from registry.storage.store import open_store
from serving.database import Database, open_database
from serving.jobs.durable import DurableQueue
from serving.settings import parse_settings
from serving.storage.objects import ObjectStore, open_object_store
from stages.params import load_params

EXIT_DELIVERED, EXIT_NOT_ALL, EXIT_STOPPED = 0, 1, 2


def run_campaign(
    file: Path, *, accept_rejects: bool, hear_names: bool, output: Path | None, no_judges: bool, with_prefect: bool
) -> int:
    """Speak a campaign to its end, and write its folder.

    Args:
        file: The campaign.
        accept_rejects: Whether the other rows are spoken where the check refuses some.
        hear_names: Whether names are heard first, and nothing is spoken where one is misread.
        output: Folder to write, None for the default one.
        no_judges: Whether no asset is judged.
        with_prefect: Whether it runs as a flow of the Prefect server.

    Returns:
        0 if every row is delivered, 1 if some are not, 2 if the campaign was stopped or may not be spoken.

    Raises:
        CampaignError: The campaign cannot be read.
        ServingError: It cannot be spoken.
    """
    from flows.run_campaign import CampaignRequest, run_to_end

    if hear_names:
        from flows.commands.campaign_pronounce import pronounce_campaign

        if pronounce_campaign(file):
            print_line("nothing was spoken; correct the lexicon, or run it without --hear-names")
            return EXIT_STOPPED
    request = CampaignRequest(file=file, accept_rejects=accept_rejects, output=output, no_judges=no_judges)
    if with_prefect:
        ensure_server()
        from flows.campaign_flow import run_with_prefect  # after ensure_server: prefect reads its settings on import

        written = run_with_prefect(request)
    else:
        written = run_to_end(request)
    if written is None:
        return EXIT_STOPPED
    print_written(written)
    return exit_code(written.summary)


def show_status(name: str | None, *, as_json: bool) -> int:
    """Print how far a campaign is, or a line for each.

    Args:
        name: Name or id, None for all.
        as_json: Print JSON and nothing else.

    Raises:
        UnknownCampaignError: There is none of this name.
    """
    with _opened() as (database, _):
        chosen = control.find_all(database) if name is None else [find_by_name(database, name)]
        summaries = [summarize(database, campaign) for campaign in chosen]
    if as_json:
        found = [summary.to_json() for summary in summaries]
        print_line(json.dumps(found if name is None else found[0]))
    elif name is None:
        rows = [
            (s.campaign.name, s.campaign.state, f"{s.progress:.0%}", str(s.rows["done"]), str(s.n_rows))
            for s in summaries
        ]
        print_table(rows, header=("campaign", "state", "ended", "delivered", "rows"))
    else:
        print_summary(summaries[0])
    return 0


def pause_campaign(name: str) -> int:
    """Stop claiming rows of a campaign.

    Raises:
        ServingError: There is none of this name, or it is not running.
    """
    with _opened() as (database, _):
        campaign = control.pause(database, find_by_name(database, name).id)
    print_line(f"{campaign.name} is paused; what is being spoken comes to its end")
    return 0


def resume_campaign(name: str) -> int:
    """Claim rows of a paused campaign again.

    Raises:
        ServingError: There is none of this name, or it is not paused.
    """
    with _opened() as (database, _):
        campaign = control.resume(database, find_by_name(database, name).id, _enqueue(database))
        campaign = control.end_if_done(database, campaign.id) or campaign
    print_line(f"{campaign.name} is {campaign.state}; it is spoken by `vox serve` or by `vox campaign run` of its file")
    return 0


def retry_campaign(name: str) -> int:
    """Queue the rows of a campaign again that are not done.

    Raises:
        ServingError: There is none of this name, or its texts were deleted.
    """
    with _opened() as (database, _):
        campaign, n_rows = control.retry(database, find_by_name(database, name).id, _enqueue(database))
    where = "; they are spoken by `vox serve` or by `vox campaign run` of its file" if n_rows else ""
    print_line(f"{n_rows} rows of {campaign.name} are queued again{where}")
    return 0


def cancel_campaign(name: str, *, delete: bool) -> int:
    """End a campaign.

    Args:
        name: Name or id.
        delete: Whether what was delivered is deleted.

    Raises:
        ServingError: There is none of this name, or the store cannot be used.
    """
    with _opened() as (database, objects):
        campaign = find_by_name(database, name)
        stopped = control.stop(database, campaign.id, "cancelled")
        n_deleted = remove_files(database, objects, campaign.id, *STRAY, *(DELIVERED if delete else ()))
    what = "is cancelled" if stopped else f"had ended before; it is {campaign.state}"
    print_line(f"{campaign.name} {what}" + (f"; {n_deleted} files were deleted" if delete else ""))
    return 0


def write_report(name: str, *, output: Path | None, as_json: bool) -> int:
    """Write the folder of a campaign as it is now.

    Args:
        name: Name or id.
        output: Folder to write, None for the default one.
        as_json: Print the figures as JSON and nothing else.

    Raises:
        ServingError: There is none of this name, or the store cannot be used.
    """
    with _opened() as (database, objects):
        campaign = find_by_name(database, name)
        written = write_folder(database, campaign, objects, output or CAMPAIGNS / campaign.name)
    if as_json:
        print_line(json.dumps(written.summary.to_json()))
    else:
        print_written(written)
    return 0


def find_by_name(database: Database, name: str) -> Campaign:
    """Return the campaign of a name or id.

    Raises:
        UnknownCampaignError: There is none, or several owners have one of this name.
    """
    found = control.find_all(database, name=name)
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(f"{one.id} of {one.owner}" for one in found)
        raise UnknownCampaignError(f"several campaigns have the name {name}; name one by its id: {ids}")
    return control.find(database, name)


def print_summary(summary: Summary) -> None:
    """Print the figures of a campaign."""
    campaign = summary.campaign
    print_line(f"{campaign.name}: {campaign.state}, {summary.progress:.0%} of {summary.n_rows} rows have ended")
    print_table([(state.replace("_", " "), str(n_rows)) for state, n_rows in summary.rows.items() if n_rows])
    work = summary.gpt_seconds + summary.sovits_seconds
    print_line(
        f"audio {duration(summary.seconds)}, of which {duration(summary.reused_seconds)} was reused; "
        f"work {duration(work)}"
    )
    if campaign.error_type:
        last = summary.last_delivered
        where = f"; the last delivery was to {last['recipient_id']}" if last else "; nothing was delivered"
        print_line(f"stopped: {campaign.error_message}{where}")
    for failure in summary.failures:
        print_line(f"{failure.status.replace('_', ' ')}: {failure.n_rows} rows, such as: {failure.example}")


def print_written(written: WrittenFolder) -> None:
    """Print the figures of a campaign and where its files are."""
    print_summary(written.summary)
    if written.n_files:
        print_line(f"files   {written.folder / 'audio'}")
    print_line(f"table   {written.table}")
    print_line(f"report  {written.report}")


def exit_code(summary: Summary) -> int:
    """Return the exit code of a campaign that has ended."""
    if summary.campaign.state in ("cancelled", "expired"):
        return EXIT_STOPPED
    return EXIT_DELIVERED if summary.rows["done"] == summary.n_rows else EXIT_NOT_ALL


@contextmanager
def _opened() -> Iterator[tuple[Database, ObjectStore]]:
    """Give the database with the tables of campaigns, and the store of the files."""
    store = open_store()
    storage = parse_settings(load_params().serve).storage
    database = open_database(store.root)
    try:
        database.migrate()
        migrate_campaigns(database)
        yield database, open_object_store(storage.url, root=store.root, public_endpoint=storage.public_endpoint)
    finally:
        database.close()


def _enqueue(database: Database):  # type: ignore[no-untyped-def]
    """Return what queues a slice from a process that works on none."""
    queue = DurableQueue(database, lambda _: None, n_at_once=1)  # type: ignore[arg-type,return-value]

    def enqueue(connection: sa.Connection, work_id: str) -> None:
        queue.enqueue_work(connection, work_id, workflow=WORKFLOW, queue=QUEUE)

    return enqueue
