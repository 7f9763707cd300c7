"""`vox campaign check` and `pronounce` with voices that were really released, and the example of the repository."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from campaign_helpers import speaker
from engine_helpers import Project
from imports import ROOT
from serving_projects import project, serving_template  # noqa: F401 - fixtures

from campaigns.check.rows import Check
from campaigns.database import migrate_campaigns
from campaigns.errors import CampaignError
from campaigns.execution import submitting
from campaigns.files import load_campaign
from campaigns.recipients.reading import read_recipients
from flows.commands.campaign_check import check_campaign
from flows.commands.campaign_pronounce import pronounce_campaign
from flows.run_campaign import CampaignRequest, run_to_end
from registry.actor import current_actor
from serving.database import open_database

EXAMPLE = ROOT / "examples/campaign"
SETTINGS = (
    "name: parcels\nvoice: anna\npurpose: testing\ntemplate: Hello {{ first_name }}.\nrecipients_file: rows.csv\n"
)
ROWS = "recipient_id,first_name,opt_in_reference\n1,Anna,x\n2,=1+1,x\n3,,x\n1,Bob,x\n"


@pytest.fixture
def folder(project: Project, tmp_path: Path, monkeypatch) -> Path:  # noqa: F811
    monkeypatch.chdir(project.store.root)
    (tmp_path / "campaign.yaml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    return tmp_path


def test_check_prints_a_table_and_writes_its_findings(folder: Path, capsys):
    status = check_campaign(
        folder / "campaign.yaml", report_file=folder / "report.json", rejects_file=folder / "rejects.csv", speed=10
    )
    printed = capsys.readouterr().out
    assert status == 1
    assert "2 of 4 rows can be spoken by anna version 2" in printed
    assert "line 4, 3: the column first_name is empty" in printed
    assert "at 10 times real time" in printed
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert (report["n_rows"], report["n_accepted"], report["has_passed"]) == (4, 2, False)
    with (folder / "rejects.csv").open(encoding="utf-8") as file:
        assert [(row["line"], row["reason"]) for row in csv.DictReader(file)] == [
            ("4", "missing_variable"), ("5", "duplicate_id"),
        ]  # fmt: skip


def test_check_passes_a_campaign_in_which_every_row_can_be_spoken(folder: Path, capsys):
    (folder / "rows.csv").write_text("\n".join(ROWS.splitlines()[:3]), encoding="utf-8")
    assert check_campaign(folder / "campaign.yaml", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["has_passed"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("purpose: advertising", "consent"),
        ("version: 7", "not_released"),
        ("voice: nobody", "not_released"),
        ("preset: dialogue", "not_released"),
        ("expires_at: 2020-01-01T00:00:00Z", "expired"),
    ],
)
def test_a_campaign_that_may_not_be_spoken_is_refused_with_the_reason(folder: Path, capsys, line: str, reason: str):
    key = line.split(":")[0]
    kept = [old for old in SETTINGS.splitlines() if not old.startswith(f"{key}:")]
    (folder / "campaign.yaml").write_text("\n".join([*kept, line]), encoding="utf-8")
    assert check_campaign(folder / "campaign.yaml", as_json=True) == 2
    assert json.loads(capsys.readouterr().out)["fault"]["reason"] == reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SETTINGS + "colour: red\n", "colour"),
        (SETTINGS + "template_file: x\n", "give the template once"),
        (SETTINGS + "lexicon_file: gone.yaml\n", "gone.yaml"),
        (SETTINGS.replace("testing", "fun"), "purpose"),
        (SETTINGS + "delivery: {prefix: ../x}\n", r"delivery\.prefix"),
        (SETTINGS + "callback_url: file:///etc/passwd\n", "callback_url"),
        (SETTINGS + "seed: .nan\n", "seed"),
        ("a: [" * 3000, "not YAML"),
        ("- 1\n", "the file"),
        (SETTINGS.replace("rows.csv", "gone.csv"), "gone.csv is missing"),
    ],
)
def test_a_wrong_campaign_file_is_refused_with_the_setting(folder: Path, text: str, message: str):
    (folder / "campaign.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CampaignError, match=message):
        check_campaign(folder / "campaign.yaml")


def test_a_campaign_that_was_started_is_checked_with_its_own_version(folder: Path, capsys):
    (folder / "rows.csv").write_text("\n".join(ROWS.splitlines()[:3]), encoding="utf-8")
    database = open_database(Path.cwd())
    database.migrate()
    migrate_campaigns(database)
    settings = load_campaign(folder / "campaign.yaml").settings
    submitting.begin(database, settings, owner=current_actor(), version=1, candidate_id="c1")
    database.close()
    assert check_campaign(folder / "campaign.yaml") == 0
    assert "by anna version 1" in capsys.readouterr().out


def test_a_list_without_a_row_that_can_be_spoken_cancels_nothing(folder: Path, capsys):
    (folder / "rows.csv").write_text(ROWS.splitlines()[0] + "\n", encoding="utf-8")
    assert run_to_end(CampaignRequest(file=folder / "campaign.yaml", accept_rejects=True)) is None
    assert "nothing was spoken" in capsys.readouterr().out


def test_names_are_said_by_the_released_voice_and_heard_by_whisper(folder: Path, capsys):
    status = pronounce_campaign(folder / "campaign.yaml", as_json=True, most=2, n_readings=1)
    report = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in report["names"]] == ["Anna"]
    assert report["judge"].startswith("faster-whisper-tiny.en")
    assert report["control_rates"]["en"] > 0.8  # untrained weights make sounds that nobody understands
    assert (status, report["names"][0]["status"]) == (0, "unsure")


def test_every_row_of_the_example_can_be_spoken_and_its_script_writes_them():
    example = load_campaign(EXAMPLE / "campaign.yaml")
    check = Check(example.settings, speaker(voice="sample"))
    rows = list(check.rows(read_recipients(example.recipients, check.language)))
    report = check.report()
    assert report.has_passed and len(rows) == 200
    assert report.seconds_to_speak < report.seconds_of_audio / 3
    assert sum(bool(row.words) for row in rows) > 0
    sys.path.insert(0, str(EXAMPLE))
    try:
        import make_recipients
    finally:
        sys.path.remove(str(EXAMPLE))
    with (EXAMPLE / "recipients.csv").open(encoding="utf-8") as file:
        assert [tuple(row) for row in csv.reader(file)] == [make_recipients.COLUMNS, *make_recipients.recipients()]
