"""`vox campaign status|pause|resume|retry|cancel|report` on a campaign that a small engine has spoken."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter

import pytest
from campaign_nodes import (
    campaign_settings,
    find_campaign,
    open_tables,
    rendered,
    rows_of,
    running_node,
    submit,
    wait_for,
)
from job_helpers import ROOT, SmallEngine

from campaigns.execution.submitting import UnknownCampaignError
from campaigns.report.summary import summarize
from flows.campaign_flow import to_markdown
from flows.commands import campaigns as commands
from serving.errors import ConflictError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a campaign of which every row needs a review."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    database = open_tables(tmp_path, f"sqlite:///{tmp_path / '.vox/serving.db'}")
    plan = campaign_settings()

    async def speak():
        engine = SmallEngine(outcome="too_long")
        async with running_node(tmp_path, database, engine, store="folder:.vox/results") as service:
            await wait_for(service, (await submit(service, plan, rendered(plan, 3))).campaign.id, "done")

    asyncio.run(speak())
    yield database
    database.close()


def test_a_campaign_is_shown_retried_paused_reported_and_cancelled(project, capsys, tmp_path):
    assert commands.show_status(None, as_json=False) == 0
    assert "spring" in capsys.readouterr().out
    assert commands.show_status("spring", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["needs_review"] == 3
    with pytest.raises(ConflictError, match="done"):
        commands.pause_campaign("spring")
    assert commands.retry_campaign("spring") == 0
    assert Counter(row["state"] for row in rows_of(project)) == {"queued": 3}
    assert commands.pause_campaign("spring") == 0
    assert find_campaign(project).state == "paused"
    assert commands.resume_campaign("spring") == 0
    assert commands.write_report("spring", output=tmp_path / "out", as_json=False) == 0
    assert "spring" in (tmp_path / "out/report.html").read_text()
    assert commands.cancel_campaign("spring", delete=True) == 0
    assert Counter(row["state"] for row in rows_of(project)) == {"cancelled": 3}
    assert commands.exit_code(summarize(project, find_campaign(project))) == commands.EXIT_STOPPED
    assert "spring is cancelled" in capsys.readouterr().out
    assert commands.cancel_campaign("spring", delete=False) == 0
    assert "had ended before" in capsys.readouterr().out


def test_prefect_gets_the_figures_as_markdown(project):
    text = to_markdown(summarize(project, find_campaign(project)))
    assert "0 of 3 recipients" in text
    assert "3 needs review, too_long" in text


def test_a_name_that_no_campaign_has_is_refused(project):
    with pytest.raises(UnknownCampaignError):
        commands.show_status("autumn", as_json=False)
