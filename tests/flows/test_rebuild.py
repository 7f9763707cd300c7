"""`vox rebuild` in a project whose stages take a moment: the same bytes again, and each way in which they are not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from proof_helpers import STAGES, VOICE, git
from rebuild_helpers import BASE, RECORDINGS, dvc, make_computed, register
from release_helpers import recordings_of

from flows.cli import vox
from flows.paths import REBUILDS
from flows.proof.commit import describe_changes
from flows.proof.worktree import RebuildError
from stages.errors import StageBusyError
from stages.execution.locks import locked

SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_SIGNING_KEY")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("computed") / "project"
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        root.mkdir()
        patch.chdir(root)
        make_computed(root)
    return root


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """The working folder is a copy of the project."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "project"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    return root


def rebuild(*options):
    """Return the exit code of `vox rebuild VOICE 1 --json` and what it printed."""
    done = CliRunner().invoke(vox, ["rebuild", VOICE, "1", "--json", *options], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value, json.loads(done.stdout)


def states(content):
    return {one["stage"]: one["state"] for one in content["stages"]}


def snapshot(root):
    """Return the hash of every file of a project, git's and those of caches and temporary folders left out."""
    files = (path for path in root.rglob("*") if path.is_file())
    names = {path.relative_to(root): path for path in files}
    return {
        name: hashlib.md5(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if name.parts[0] not in (".git", ".cache") and name.parts[:2] not in ((".dvc", "tmp"), (".dvc", "cache"))
    }


def test_every_stage_is_computed_again_and_the_project_stays_as_it_was(project, tmp_path, monkeypatch):
    monkeypatch.setenv("LOG", str(tmp_path / "ran"))
    git(project, "commit", "-q", "--allow-empty", "-m", "later")
    (project / "stages/code.py").write_text("of a later day")
    (project / "params.yaml").write_text("voices: [other]\nword: second\n")
    before = snapshot(project)
    code, content = rebuild()
    assert (code, content["first_difference"], content["fault"]) == (0, None, "")
    assert states(content) == dict.fromkeys((*STAGES, "candidate"), "same")
    assert (tmp_path / "ran").read_text().split() == list(STAGES)
    assert snapshot(project) == before
    assert git(project, "worktree", "list").count("\n") == 0
    assert not REBUILDS.exists()


def test_first_stage_that_writes_other_bytes_is_named_and_its_followers_are_told_from_it(project, monkeypatch):
    monkeypatch.setenv("DRIFT", "segment")
    monkeypatch.setenv("FAIL", "adapt_gpt")
    code, content = rebuild("--keep")
    assert (code, content["first_difference"]) == (1, "segment")
    assert states(content) == {
        "ingest": "same",
        "segment": "differs",
        "align": "differs",
        "features": "differs",
        "adapt_sovits": "differs",
        "adapt_gpt": "missing",
        "evaluate": "missing",
        "candidate": "missing",
    }
    rows = {one["stage"]: one for one in content["stages"]}
    assert rows["segment"]["difference"] == f"data/2_clips/{VOICE}: part.txt differs"
    assert [rows[stage]["has_other_inputs"] for stage in ("ingest", "segment", "align")] == [False, False, True]
    assert "adapt_gpt has no memory left" in content["fault"]
    # the kept worktree is there to look into, until the next rebuild removes it
    (kept,) = REBUILDS.glob(f"*/{VOICE}-1")
    assert content["folder"] == str(kept.absolute())
    assert (kept / f"data/2_clips/{VOICE}/part.txt").is_file()
    monkeypatch.setenv("FAIL", "ingest")
    code, content = rebuild()
    assert (code, content["fault"]) == (2, "ingest has no memory left")
    assert not kept.exists()


def test_recordings_and_base_model_come_from_the_remote(project, tmp_path):
    # 1. They were put there with `dvc add`, and this machine has nothing of them
    dvc(project, "remote", "add", "--default", "store", str(tmp_path / "remote"))
    dvc(project, "config", "core.no_scm", "true")
    dvc(project, "add", "-q", "base_models/base", RECORDINGS)
    dvc(project, "push", "-q")
    for folder in ("base_models", RECORDINGS, ".dvc/cache", "data"):
        shutil.rmtree(project / folder, ignore_errors=True)
    # 2. The table that a person reads
    done = CliRunner().invoke(vox, ["rebuild", VOICE, "1"], standalone_mode=False)
    assert done.return_value == 0, done.output
    lines = done.output.splitlines()
    assert f"fetching {RECORDINGS} from the remote store" in lines
    assert "fetching base_models/base from the remote store" in lines
    assert "segment: reads 4" in lines
    assert any(line.split() == ["candidate", "same", "2"] for line in lines)
    assert lines[-1] == "same: all 8 outputs of version 1 of anna were computed again and have the registered hashes"
    assert not (project / "data").exists()
    # 3. A remote that lost a file
    shutil.rmtree(project / ".dvc/cache")
    (lost,) = (path for path in (tmp_path / "remote").rglob("*") if path.is_file() and path.read_text() == "sound 1")
    lost.unlink()
    with pytest.raises(RebuildError, match=f"neither DVC's cache nor its remote has {RECORDINGS}"):
        rebuild()


def test_missing_recordings_without_a_remote_are_named(project):
    (project / RECORDINGS / "1.wav").write_text("another sound")
    with pytest.raises(
        RebuildError, match=r"1\.wav in this workspace is another file than the one registered; .* no default"
    ):
        rebuild()


def test_commit_with_changes_is_refused_with_one_sentence(project):
    (project / "made/voice/preset.json").write_text('{"speed": 1}')
    dvc(project, "repro", "-q")
    register(project)
    command = ["rebuild", VOICE, "2"]
    with pytest.raises(RebuildError, match="registered with changes that were not committed after"):
        CliRunner().invoke(vox, command, standalone_mode=False, catch_exceptions=False)


def test_run_is_told_beforehand_that_its_version_could_not_be_rebuilt(project, tmp_path, monkeypatch):
    (project / "params.yaml").write_text("voices: [anna]\nword: second\n")  # the registration keeps the parameters
    assert describe_changes() == ""
    (project / "stages/code.py").write_text("edited")
    assert "commit them before the run" in describe_changes()
    monkeypatch.chdir(tmp_path)
    assert "not in a git repository" in describe_changes()


def test_code_that_is_not_the_commit_of_the_registration_is_refused(project):
    (project / "made/voice/preset.json").write_text('{"speed": 1}')
    dvc(project, "repro", "-q")
    git(project, "checkout", "-q", "made")
    register(project)  # on a clean commit, with what other files made
    with pytest.raises(RebuildError, match="evaluate ran with another made than commit"):
        CliRunner().invoke(vox, ["rebuild", VOICE, "2"], standalone_mode=False, catch_exceptions=False)


def test_revoked_consent_is_refused_and_nothing_is_checked_out(project):
    recordings_of(project, revoked_on=datetime.now(UTC).date())
    with pytest.raises(RebuildError, match=r"may not be rebuilt: .*revoked"):
        rebuild()
    assert not REBUILDS.exists()


def test_second_rebuild_at_once_is_refused(project):
    with locked("rebuild"), pytest.raises(StageBusyError, match="rebuild"):
        rebuild()


def test_killed_rebuild_leaves_nothing_that_blocks_the_next(project, tmp_path):
    log = tmp_path / "ran"
    environment = {**os.environ, "SLOW": "segment", "LOG": str(log)}
    command = [sys.executable, "-m", "flows.cli", "rebuild", VOICE, "1"]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (log.is_file() and "segment" in log.read_text()):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert git(project, "worktree", "list").count("\n") == 1, "the killed one has left its worktree"
    code, content = rebuild()
    assert (code, content["first_difference"]) == (0, None)
    assert git(project, "worktree", "list").count("\n") == 0
    assert not REBUILDS.exists()
    assert (project / BASE).read_text() == "a base model"
