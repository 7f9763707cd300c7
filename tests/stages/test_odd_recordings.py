"""A folder of odd recordings: each file is exactly once in the manifest or among the rejects, with a true reason."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from odd_recordings import accepted, refused

from stages.tables import Clip, Recording, Reject, read_table

ROOT = Path(__file__).resolve().parents[2]
MAX_MEMORY_BYTES = 1e9
MAX_SECONDS = 120  # of both stages
# runs a module and writes how much memory its process had at most
MEASURED = """
import re, runpy, sys
from pathlib import Path
del sys.argv[0]
out = Path(sys.argv.pop(0))
module = sys.argv[0]
runpy.run_module(module, run_name="__main__", alter_sys=True)
out.write_text(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1] + "000")
"""
VOICE = """
name: anna
language: en
consent: {speaker: a voice made of numbers, kind: synthetic, purposes: [testing], granted_on: 2026-01-01,
  valid_until: null, scope: {languages: null, territories: null, commercial: false},
  evidence: null, evidence_sha256: null, revoked_on: null}
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders after the stages ingest and segment, each run as its own program."""
    root = tmp_path_factory.mktemp("odd")
    folders = {
        "recordings": root / "data/1_recordings/anna",
        "manifest": root / "data/1_manifests/anna",
        "clips": root / "data/2_clips/anna",
    }
    folders["recordings"].mkdir(parents=True)
    # many of the files hold the same sound
    params = (ROOT / "params.yaml").read_text().replace("duplicates: exclude", "duplicates: report")
    (root / "params.yaml").write_text(params)
    (folders["recordings"] / "voice.yaml").write_text(VOICE)
    for name, content, *_ in (*accepted.files(), *refused.files()):
        (folders["recordings"] / name).parent.mkdir(parents=True, exist_ok=True)
        (folders["recordings"] / name).write_bytes(content)
    os.mkfifo(folders["recordings"] / "pipe.wav")
    (folders["recordings"] / "link.wav").symlink_to("float.wav")
    end = time.monotonic() + MAX_SECONDS
    for stage, places in (
        ("ingest", ("--recordings", folders["recordings"], "--out", folders["manifest"])),
        (
            "segment",
            ("--recordings", folders["recordings"], "--manifest", folders["manifest"], "--out", folders["clips"]),
        ),
    ):
        subprocess.run(
            [sys.executable, "-c", MEASURED, str(root / f"{stage}.bytes"), f"stages.{stage}", *map(str, places)],
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
            timeout=end - time.monotonic(),
        )
    return folders


def test_every_file_is_once_in_the_manifest_or_among_the_rejects(outputs: dict[str, Path]) -> None:
    folder = outputs["recordings"]
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    files.remove("voice.yaml")
    assert len(files) > 180
    rows = [row.path for row in read_table(outputs["manifest"] / "recordings.jsonl", Recording)]
    rows += [row.path for row in read_table(outputs["manifest"] / "rejects.jsonl", Reject)]
    assert sorted(rows) == files


def test_files_that_can_be_decoded_are_accepted(outputs: dict[str, Path]) -> None:
    rows = {row.path: row for row in read_table(outputs["manifest"] / "recordings.jsonl", Recording)}
    assert sorted(rows) == sorted(name for name, _ in accepted.files())
    for name in (*accepted.SOUNDFILE_FORMATS, *accepted.FFMPEG_FORMATS):
        assert rows[name].seconds == pytest.approx(2.0, abs=0.15), name
    assert {name: (row.channel, row.channels) for name, row in rows.items() if row.n_channels > 1} == {
        "stereo.wav": (None, "agree"),
        "left only.wav": (1, "silent channels"),
        "opposite phase.wav": (1, "opposite phase"),
        "nearly opposite phase.wav": (1, "opposite phase"),
        "two talkers.wav": (1, "several talkers"),
        "7 channels.wav": (1, "differ"),
    }


def test_files_that_cannot_be_used_are_rejected_with_the_true_reason(outputs: dict[str, Path]) -> None:
    reasons = {row.path: row.reason for row in read_table(outputs["manifest"] / "rejects.jsonl", Reject)}
    wrong = {
        name: reasons.get(name) for name, _, pattern in refused.files() if not re.search(pattern, reasons.get(name, ""))
    }
    assert wrong == {}


def test_every_recording_gives_clips_or_a_reject(outputs: dict[str, Path]) -> None:
    recordings = read_table(outputs["manifest"] / "recordings.jsonl", Recording)
    clips = {row.recording_id for row in read_table(outputs["clips"] / "clips.jsonl", Clip)}
    rejects = {row.path for row in read_table(outputs["clips"] / "rejects.jsonl", Reject)}
    assert [row.path for row in recordings if row.recording_id not in clips and row.path not in rejects] == []
    assert len(clips) > 0.95 * len(recordings)


@pytest.mark.parametrize("stage", ["ingest", "segment"])
def test_no_stage_needs_a_gigabyte(outputs: dict[str, Path], stage: str) -> None:
    root = outputs["recordings"].parents[2]
    assert int((root / f"{stage}.bytes").read_text()) < MAX_MEMORY_BYTES
