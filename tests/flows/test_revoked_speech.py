"""`vox voice revoke --delete all`: what jobs and campaigns spoke with the voice is deleted, and nothing of others."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from campaign_nodes import campaign_settings, open_tables, rendered, running_node, submit, wait_for
from imports import ROOT
from job_helpers import WISH, SmallEngine, working
from job_helpers import wait_for as wait_for_job
from release_helpers import recordings_of

from campaigns.delivery.folder import write_folder
from campaigns.execution import control
from flows.commands.revocation import revoke_voice
from flows.delivered_speech import DeliveredSpeechError
from registry.storage.records import read_records
from registry.storage.store import open_store
from serving.database import SETTING
from serving.jobs import store
from serving.storage.folder import FolderStore
from stages.params import load_params

RESULTS = Path(".vox/results")
FOLDERS = Path("data/8_campaigns")


@pytest.fixture
def database(tmp_path, monkeypatch):
    """The database of a project in which anna and bob each spoke a job and a campaign. Bob's campaign is named anna."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", SETTING):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    recordings_of(tmp_path)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("voices: [sample]", "voices: [sample, anna]"), encoding="utf-8")
    opened = open_tables(tmp_path, f"sqlite:///{tmp_path / '.vox/serving.db'}")
    asyncio.run(speak_campaigns(tmp_path, opened))
    asyncio.run(speak_jobs(opened))
    yield opened
    opened.close()


async def speak_campaigns(root: Path, database) -> None:
    for name, voice in (("spring", "anna"), ("autumn", "anna"), ("anna", "bob")):
        plan = campaign_settings(name=name, voice=voice, template=f"{voice} says hello to {{{{ name }}}}.")
        async with running_node(root, database, SmallEngine(), store=f"folder:{RESULTS}") as service:
            rows = rendered(plan, 2, text=f"{voice} says hello {{}}.")
            campaign = (await submit(service, plan, rows)).campaign
            campaign = await wait_for(service, campaign.id, "done")
        write_folder(database, campaign, FolderStore(RESULTS), FOLDERS / name)
    (FOLDERS / "autumn/report.json").unlink()  # as where the first writing was killed


async def speak_jobs(database) -> None:
    async with working(database, Path(".vox"), SmallEngine()) as jobs:
        for voice in ("anna", "bob"):
            wish = replace(WISH, voice=voice)
            texts = (f"{voice} speaks.", "Both voices.")  # the small engine speaks the second alike
            job, _ = await jobs.submit(wish, texts, owner=voice, idempotency_key=None, traceparent=None)
            await wait_for_job(jobs, job.id, "done", owner=voice)


def sounds(folder: Path = RESULTS) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "url_secret")


def states(voice: str) -> list[str]:
    rows = read_records(open_store(), voice).require_whole().rows
    return [row.values["state"] for row in rows if row.kind == "erasure"]


def test_speech_of_the_voice_is_deleted_with_all_and_not_before(database, capsys):
    before = sounds()
    revoke_voice("anna", delete="derived")
    assert sounds() == before
    assert len(sounds(FOLDERS / "anna/audio")) == len(sounds(FOLDERS / "spring/audio")) == 2
    assert "Not deleted: speech of jobs and campaigns; `vox voice revoke anna --delete all`" in capsys.readouterr().out
    revoke_voice("anna", delete="all")
    assert "6 results of jobs and campaigns" in capsys.readouterr().out
    assert [path.name for path in FOLDERS.iterdir()] == ["anna"]
    assert len(sounds(FOLDERS / "anna/audio")) == 2
    left = sounds()
    assert len([path for path in left if "campaigns" in path.parts]) == 2
    assert len([path for path in left if "campaigns" not in path.parts]) == 2
    (bobs,) = store.find_of_voice(database, "bob")
    job = store.find(database, bobs[0])
    assert all(Path(RESULTS, item.result.sha256[:2], item.result.sha256[2:]).is_file() for item in job.items)
    revoke_voice("anna", delete="all")
    assert "0 results of jobs and campaigns" in capsys.readouterr().out
    assert sounds() == left


def test_all_else_is_deleted_where_the_database_is_away_and_the_same_command_finishes_it(database, monkeypatch):
    monkeypatch.setenv(SETTING, "postgresql://voice:secret@127.0.0.1:9/serving")
    with pytest.raises(DeliveredSpeechError, match="give the same command again"):
        revoke_voice("anna", delete="all")
    assert not Path("data/1_recordings/anna").exists()
    assert not (FOLDERS / "spring").exists()
    assert states("anna") == ["started"]
    monkeypatch.delenv(SETTING)
    assert revoke_voice("anna", delete="all") == 0
    assert states("anna") == ["started", "started", "done"]
    assert not (FOLDERS / "autumn").exists()


def test_speech_in_a_storage_that_is_away_is_marked_for_a_node_of_the_service(database, monkeypatch):
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("url: folder:.vox/results", "url: s3://speech"))
    assert load_params().serve["storage"]["url"] == "s3://speech"
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "anna",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DeliveredSpeechError, match="storage"):
        revoke_voice("anna", delete="all")
    jobs = {voice: store.find(database, store.find_of_voice(database, voice)[0][0]) for voice in ("anna", "bob")}
    assert {voice: job.state for voice, job in jobs.items()} == {"anna": "deleted", "bob": "done"}
    deletes = {(campaign.name, campaign.delete_delivered) for campaign in control.find_all(database)}
    assert deletes == {("spring", True), ("autumn", True), ("anna", False)}


def test_project_without_a_service_gets_no_database_of_one(tmp_path, monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.chdir(tmp_path)
    recordings_of(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    assert revoke_voice("anna", delete="all") == 0
    assert not Path(".vox/serving.db").exists()
