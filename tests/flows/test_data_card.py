"""`vox data card`: the card of whatever tables exist, on the terminal, as JSON and as a page."""

from __future__ import annotations

import json
import shutil

import pytest
from card_helpers import VoiceOnDisk, aligned, cut, recording
from imports import PRODUCT, ROOT
from project import VOICE, run, vox

TABLES = ("1_manifests", "2_clips", "3_aligned")


@pytest.fixture
def root(tmp_path):
    """A project with the sample voice, of which ingest and segment have finished and align has not."""
    project = tmp_path / "project"
    (project / "data/1_recordings").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, project)
    for name in (*PRODUCT, "benchmarks", "data/1_recordings/sample"):
        (project / name).symlink_to(ROOT / name)
    write(project, VoiceOnDisk(tmp_path / "voice", recordings=[recording(0)], clips=[cut(0)]))
    return project


def write(project, on_disk) -> None:
    folders = on_disk.write()
    for name, folder in zip(TABLES, (folders.manifest, folders.clips, folders.aligned), strict=True):
        shutil.copytree(folder, project / "data" / name / "sample", dirs_exist_ok=True)


def test_the_card_of_a_voice_whose_align_stopped_says_so(root):
    done = vox(root, "data", "card", "sample")
    assert done.returncode == 0, done.stderr
    assert "it is not known yet what can be used" in done.stdout
    assert "The clips have no texts: the stage align has not finished" in done.stdout
    page = root / "data/3_data_cards/sample/card.html"
    assert f"card: {page}" in done.stdout and page.is_file()


def test_json_is_alone_on_stdout(root, tmp_path):
    on_disk = VoiceOnDisk(tmp_path / "more", recordings=[recording(0)], clips=[cut(0)], aligned=[aligned(0)])
    write(root, on_disk)
    done = vox(root, "data", "card", "sample", "--json")
    figures = json.loads(done.stdout)
    assert figures["voice"] == "sample" and figures["figures"]["n_kept_clips"] == 1 and not figures["notes"]
    assert figures == json.loads((root / "data/3_data_cards/sample/figures.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("voice", "message"),
    [("nobody", "not among the voices of params.yaml (sample)"), ("../sample", "cannot be a voice's name")],
)
def test_an_unknown_voice_is_refused(root, voice, message):
    done = vox(root, "data", "card", voice)
    assert (done.returncode, done.stdout) == (2, "") and message in done.stderr and "Traceback" not in done.stderr


def test_a_voice_without_tables_is_told_what_to_run(root):
    shutil.rmtree(root / "data/1_manifests")
    done = vox(root, "data", "card", "sample")
    assert done.returncode == 2 and "run `vox run sample`" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_writes_what_the_stage_wrote(finished):
    vox(finished, "data", "card", VOICE, check=True)
    status = run(["python", "-m", "dvc", "status", f"data_card@{VOICE}"], finished)
    assert "up to date" in status.stdout
