"""Loudness, the tables of results, the report, and what is judged."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import wave
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pyloudnorm
import pytest
from campaign_nodes import campaign_settings, rendered, rows_of, running_node, submit, wait_for
from job_helpers import RATE, SmallEngine

from campaigns.delivery.folder import write_folder
from campaigns.delivery.loudness import PEAK, set_loudness
from campaigns.delivery.results import csv_lines
from campaigns.execution.control import note_deleted
from campaigns.quality.judging import Judgement
from campaigns.quality.sampling import is_sampled
from campaigns.report.assets import AssetInfo, all_assets, read_assets
from campaigns.report.summary import summarize


class Ear:
    """A judge that mishears some texts."""

    def __init__(self, wrong: str) -> None:
        self.wrong, self.texts = wrong, []

    async def check(self, *, language: str | None, voice: str | None) -> None:
        pass

    async def hear(self, samples: Path, sample_rate: int, *, text: str, language: str, voice: str | None) -> Judgement:
        self.texts.append(text)
        return Judgement(wer=0.5 if self.wrong in text else 0.0, similarity=None)


def run(folder, database, plan, rows, **parts):
    async def scenario():
        async with running_node(folder, database, parts.pop("engine", SmallEngine()), **parts) as service:
            campaign = (await submit(service, plan, rows)).campaign
            return service.objects, await wait_for(service, campaign.id, "done")

    return asyncio.run(scenario())


@pytest.mark.parametrize("target", [-16.0, -24.0])
def test_a_file_has_the_loudness_that_was_wanted_and_no_peak_near_full_scale(tmp_path, target):
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    file = tmp_path / "samples"
    (tone * 32767).astype("<i2").tofile(file)
    assert set_loudness(file, RATE, target) == pytest.approx(target, abs=0.1)
    samples = np.fromfile(file, "<i2") / 32768
    assert pyloudnorm.Meter(RATE).integrated_loudness(samples) == pytest.approx(target, abs=0.1)


def test_a_click_is_not_amplified_beyond_full_scale(tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.002, RATE)
    noise[500] = 0.9
    file = tmp_path / "samples"
    (noise * 32767).astype("<i2").tofile(file)
    assert set_loudness(file, RATE, -9.0) < -20
    assert np.abs(np.fromfile(file, "<i2") / 32768).max() <= PEAK + 1e-3


@pytest.mark.parametrize("samples", [np.zeros(RATE, "<i2"), np.ones(100, "<i2")])
def test_silence_and_a_short_sound_have_no_loudness_and_stay_as_they_are(tmp_path, samples):
    file = tmp_path / "samples"
    samples.tofile(file)
    assert set_loudness(file, RATE, -16.0) is None
    assert (np.fromfile(file, "<i2") == samples).all()


def test_a_folder_has_the_files_by_recipient_the_table_and_the_report(tmp_path, database):
    plan = campaign_settings(loudness_lufs=-20.0)
    objects, campaign = run(tmp_path, database, plan, rendered(plan, 40))
    written = write_folder(database, campaign, objects, tmp_path / "out")
    table = list(csv.DictReader(written.table.open(encoding="utf-8")))
    assert [row["recipient_id"] for row in table] == [f"r-{place}" for place in range(40)]
    for row in table:
        with wave.open(str(tmp_path / "out" / row["file"])) as sound:
            assert sound.getnframes() / sound.getframerate() == pytest.approx(float(row["seconds"]), abs=1e-3)
        assert row["url"].startswith("/v1/objects/campaigns/")
    assert pyarrow.parquet.read_table(tmp_path / "out/results.parquet").num_rows == 40
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["rows"]["done"] == 40
    page = written.report.read_text(encoding="utf-8")
    assert "40 of 40 recipients" in page
    assert "data:audio/wav" in page
    assert "Hello number" not in page  # no text of a recipient


def test_who_edits_a_file_of_the_folder_changes_nothing_in_the_store(tmp_path, database):
    objects, campaign = run(tmp_path, database, campaign_settings(), rendered(campaign_settings(), 1))
    write_folder(database, campaign, objects, tmp_path / "out")
    mine = tmp_path / "out/audio/r-0.wav"
    sound = mine.read_bytes()
    with mine.open("ab") as file:
        file.write(b"a tag")
    (kept,) = (tmp_path / "results").rglob("*.wav")
    assert kept.read_bytes() == sound
    write_folder(database, campaign, objects, tmp_path / "out")
    assert mine.read_bytes() == sound


def test_a_folder_that_is_written_again_loses_files_of_deleted_rows_and_no_others(tmp_path, database):
    objects, campaign = run(tmp_path, database, campaign_settings(), rendered(campaign_settings(), 3))
    audio = tmp_path / "out/audio"
    audio.mkdir(parents=True)
    (audio / "mine.wav").touch()
    write_folder(database, campaign, objects, tmp_path / "out")
    note_deleted(database, campaign.id, ["r-1"])
    write_folder(database, campaign, objects, tmp_path / "out")
    assert sorted(file.name for file in audio.iterdir()) == ["mine.wav", "r-0.wav", "r-2.wav"]


def test_no_cell_of_the_table_is_a_formula():
    empty = dict.fromkeys(AssetInfo.model_fields)
    ids = ("=cmd|'/c calc'!A0", "@SUM(1)")
    asset, other = (AssetInfo.model_construct(**{**empty, "recipient_id": name}) for name in ids)
    lines = list(csv.reader("".join(csv_lines([asset, other])).splitlines()))
    assert [row[0] for row in lines[1:]] == ["'=cmd|'/c calc'!A0", "'@SUM(1)"]


def test_pages_of_assets_have_each_row_once(tmp_path, database):
    plan = campaign_settings()
    _, campaign = run(tmp_path, database, plan, rendered(plan, 70))
    found, cursor, n_pages = [], -1, 0
    while cursor is not None:
        rows, cursor = read_assets(database, campaign, lambda key: key, after=cursor, limit=16)
        found += [row.recipient_id for row in rows]
        n_pages += 1
    assert found == [row.recipient_id for row in all_assets(database, campaign, lambda key: key)]
    assert (len(found), n_pages) == (70, 5)
    needs_review, _ = read_assets(database, campaign, lambda key: key, status="needs_review")
    assert needs_review == []


def test_what_a_judge_mishears_is_not_delivered(tmp_path, database):
    plan = campaign_settings(quality={"share": 1.0, "max_wer": 0.2})
    ear = Ear("number 3.")
    _, campaign = run(tmp_path, database, plan, rendered(plan, 6), judge=ear)
    states = {row["recipient_id"]: (row["state"], row["error_type"]) for row in rows_of(database)}
    assert states.pop("r-3") == ("needs_review", "wer")
    assert set(states.values()) == {("done", None)}
    summary = summarize(database, campaign)
    assert (summary.n_judged, summary.worst[0].recipient_id) == (6, "r-3")
    assert [failure.reason for failure in summary.failures] == ["wer"]


def test_the_same_share_of_the_rows_is_judged_every_time():
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2000)]
    sampled = [is_sampled(sha256, 0.1) for sha256 in hashes]
    assert 0.07 < np.mean(sampled) < 0.13
    assert not any(is_sampled(sha256, 0.0) for sha256 in hashes)
    assert all(is_sampled(sha256, 1.0) for sha256 in hashes)
