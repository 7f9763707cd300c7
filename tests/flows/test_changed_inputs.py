"""What a stage reads is edited while the stage runs: the edit is taken in or refused, and never recorded falsely."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from imports import ROOT
from project import copy_voice, environment, run
from ruamel.yaml import YAML

from flows import dvc_stages
from flows.dvc_stages import StageFailedError, reproduce, stale_stages
from stages.execution.inputs import note_path
from stages.execution.processes import RUN_PID

VOICE = "anna"
RECORDINGS = f"data/1_recordings/{VOICE}"
MANIFEST = f"data/1_manifests/{VOICE}"
# The real stage. Somebody edits a file where `moment` says, in as many runs as `times` says.
PROGRAM = """
import sys, time
from pathlib import Path
from stages import ingest
from stages.execution.program import run_stage

moment, times = Path("moment").read_text().split()
count = Path("count")

def edit(now):
    n_edits = int(count.read_text()) if count.exists() else 0
    if now == moment and n_edits < int(times):
        count.write_text(str(n_edits + 1))
        exec(Path("edit.py").read_text())

if sys.argv[1:] == ["after"]:
    edit("after")
    sys.exit()
decide = ingest.decide

def edit_then_decide(rows, recordings):
    done = decide(rows, recordings)
    edit("late")
    return done

def edit_then_measure(*arguments):
    edit("early")
    return measure(*arguments)

measure, ingest._measure = ingest._measure, edit_then_measure
ingest.decide = edit_then_decide
sys.argv[1:] = ["--recordings", "data/1_recordings/anna", "--out", "data/1_manifests/anna"]
run_stage(ingest.main)
"""
# what `vox review` writes: a decision on the first recording
DECIDE = """
import hashlib, json
file = sorted(Path("data/1_recordings/anna").rglob("*.flac"))[0]
row = {"recording_sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "start": 0.5, "end": 1.5, "action": "drop"}
row |= {"by": "anna", "when": "2026-01-01T00:00:00Z"}
with open("data/1_recordings/anna/corrections.jsonl", "a") as corrections:
    corrections.write(json.dumps(row) + chr(10))
"""
CHANGE_PARAMS = """
text = Path("params.yaml").read_text()
Path("params.yaml").write_text(text.replace("min_seconds: 0.5", "min_seconds: 0.4"))
"""
COPY = 'Path("data/1_recordings/anna", f"new-{time.time()}.txt").write_text("being copied")'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the stage ingest of a voice, which is the working folder."""
    copy_voice(tmp_path / RECORDINGS, 2)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "module.py").write_text("a = 1\n")
    stage = {
        "matrix": {"voice": [VOICE]},
        "cmd": ["python program.py", "python program.py after"],
        "deps": ["data/1_recordings/${item.voice}", "module.py"],
        "params": ["ingest", "profile"],
        "outs": ["data/1_manifests/${item.voice}"],
    }
    YAML().dump({"stages": {"ingest": stage}}, tmp_path / "dvc.yaml")
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(dvc_stages, "STAGES", ("ingest",))
    run(["git", "init", "-q"], tmp_path)
    run([sys.executable, "-m", "dvc", "init", "-q"], tmp_path)
    return tmp_path


def ingest_while(edit, moment, times=1):
    """Run ingest while a file is edited, and return the result and the lines that the user sees."""
    Path("count").unlink(missing_ok=True)
    Path("moment").write_text(f"{moment} {times}")
    Path("edit.py").write_text(edit)
    lines = []
    return reproduce("ingest", VOICE, on_line=lines.append), lines


def decisions():
    """Return the clips that the last ingest was told to drop."""
    path = Path(MANIFEST, "decisions.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [(row["start"], row["verdict"]) for row in rows]


def n_runs():
    """Return how many records the run cache has."""
    return len([path for path in Path(".dvc/cache/runs").rglob("*") if path.is_file()])


def locked():
    return Path("dvc.lock").is_file() and f"ingest@{VOICE}" in Path("dvc.lock").read_text()


@pytest.mark.parametrize("moment", ["late", "after"])
def test_a_decision_during_ingest_counts_in_the_same_run(project, moment):
    result, lines = ingest_while(DECIDE, moment)
    assert (result.state, Path("count").read_text()) == ("ran", "1")
    assert decisions() == [(0.5, "drop")]
    assert f"{RECORDINGS}/corrections.jsonl changed meanwhile: ingest runs again" in lines
    assert stale_stages(VOICE) == {}
    # nothing restores an output without the decision
    assert n_runs() == 1
    shutil.rmtree(MANIFEST)
    Path("dvc.lock").unlink()
    assert reproduce("ingest", VOICE, on_line=print).state == "restored"
    assert decisions() == [(0.5, "drop")]


def test_a_decision_before_ingest_reads_them_needs_no_second_run(project):
    _, lines = ingest_while(DECIDE, "early")
    assert decisions() == [(0.5, "drop")]
    assert not [line for line in lines if "runs again" in line]


def test_recordings_that_never_rest_end_in_a_sentence_and_no_record(project):
    with pytest.raises(StageFailedError, match=r"new-.*\.txt changed while ingest ran, 4 times; run again once"):
        ingest_while(COPY, "late", times=9)
    assert not locked() and n_runs() == 0
    assert ingest_while("", "never")[0].state == "ran"


@pytest.mark.parametrize("moment", ["late", "after"])
def test_params_edited_meanwhile_end_the_run_and_record_nothing(project, moment):
    with pytest.raises(
        StageFailedError, match=r"ingest\.min_seconds in params\.yaml \(0\.5, now 0\.4\) changed"
    ) as one:
        ingest_while(CHANGE_PARAMS, moment)
    assert str(one.value).endswith("run again") and one.value.exit_code == 2
    assert not locked() and n_runs() == 0
    result, _ = ingest_while("", "never")
    assert result.state == "ran" and stale_stages(VOICE) == {}


def test_a_touched_module_is_no_change_and_an_edited_one_is(project):
    with pytest.raises(StageFailedError, match=r"module\.py changed while ingest ran"):
        ingest_while('Path("module.py").write_text("a = 2")', "late")
    assert ingest_while('Path("module.py").touch()', "late")[0].state == "ran"


def test_dvc_by_hand_fails_and_records_nothing(project):
    Path("moment").write_text("late 1")
    Path("edit.py").write_text(DECIDE)
    command = [sys.executable, "-m", "dvc", "repro"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode and f"error: {RECORDINGS}/corrections.jsonl changed while ingest ran" in done.stderr
    assert not locked() and n_runs() == 0
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert not done.returncode and decisions() == [(0.5, "drop")]


def test_a_run_that_was_killed_before_its_check_is_checked_by_the_next(project):
    Path("moment").write_text("after 1")
    Path("edit.py").write_text(DECIDE)
    env = {**environment(), RUN_PID: str(os.getpid())}
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], env=env, capture_output=True, text=True, check=False)
    assert not done.returncode and locked() and not decisions()  # what a killed run leaves
    assert stale_stages(VOICE) == {"ingest": dvc_stages.NEVER_RAN}
    assert not locked() and n_runs() == 0 and not note_path("ingest", VOICE).exists()
