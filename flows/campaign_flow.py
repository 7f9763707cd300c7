"""The Prefect flow `campaign`: one flow run per campaign, with the report as its artifacts.

Recipients are rows of the service and never tasks of Prefect. Import this after flows.prefect_server.ensure_server,
because prefect reads its settings on import.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from campaigns.delivery.folder import WrittenFolder
from campaigns.report.page import duration
from campaigns.report.summary import Summary
from flows.prefect_engine import connected, end_lost_runs_with
from flows.run_campaign import CampaignRequest, run_to_end


def run_with_prefect(request: CampaignRequest) -> WrittenFolder | None:
    """Run a campaign as a flow run of the server that PREFECT_API_URL names.

    Args:
        request: What to do.

    Raises:
        PrefectServerError: The server went away meanwhile.
    """
    written: list[WrittenFolder | None] = []
    tag = f"campaign:{request.file.stem}"
    moment = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"

    @flow(name="campaign", flow_run_name=f"{request.file.stem}-{moment}", persist_result=False, retries=0)
    def run(parameters: dict[str, object]) -> None:
        end_lost_runs_with(tag)
        written.append(run_and_publish(request))

    remedy = "what was spoken is kept: the same command goes on from there, with a new server or without --prefect"
    with connected(tag, remedy=remedy):
        run({key: str(value) if isinstance(value, Path) else value for key, value in asdict(request).items()})
    return written[0]


def run_and_publish(request: CampaignRequest) -> WrittenFolder | None:
    """Run a campaign and keep its report as artifacts of the running flow.

    Args:
        request: What to do.
    """
    written = run_to_end(request)
    if written is not None:
        publish(written)
    return written


def publish(written: WrittenFolder) -> None:
    """Keep the figures of a campaign as a table, its failures as Markdown and its page as a link."""
    summary = written.summary
    key = "campaign-" + re.sub(r"[^a-z0-9]+", "-", summary.campaign.name.lower()).strip("-")
    create_markdown_artifact(key=f"{key}-summary", markdown=to_markdown(summary), description="What became of it")
    rows = [{"state": state.replace("_", " "), "rows": n_rows} for state, n_rows in summary.rows.items() if n_rows]
    create_table_artifact(key=f"{key}-rows", table=rows, description="Recipients by state")
    create_link_artifact(
        key=f"{key}-report",
        link=written.report.absolute().as_uri(),
        link_text=f"Report of {summary.campaign.name}",
        description="The page, on the machine that ran it",
    )


def to_markdown(summary: Summary) -> str:
    """Return the figures of a campaign as Markdown."""
    campaign = summary.campaign
    work = summary.gpt_seconds + summary.sovits_seconds
    lines = [
        f"## Campaign {campaign.name}: {campaign.state}",
        "",
        f"- {summary.rows['done']} of {summary.n_rows} recipients have their audio, {duration(summary.seconds)}",
        f"- {duration(work)} of work, {duration(summary.reused_seconds)} of audio reused",
        f"- voice {campaign.plan.voice} version {campaign.version}",
    ]
    lines += [f"- stopped: {campaign.error_message}"] if campaign.error_message else []
    lines += [
        f"- {failure.n_rows} {failure.status.replace('_', ' ')}, {failure.reason}: `{_one_line(failure.example)}`"
        for failure in summary.failures
    ]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("`", "'")[:200]
