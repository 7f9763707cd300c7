"""After a revocation that deletes everything, no file that was made of the voice is left in a whole project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pipeline_helpers import LENIENT
from project import VOICE, vox

from registry.files import file_sha256

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NOT_OF_A_VOICE = (".git", "base_models", "benchmarks", "flows", "stages", "registry", "metrics", "gpt_sovits")


def hashes(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their sha256, but empty ones and those of the product."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_size)
    return {file_sha256(path): path for path in files if path.relative_to(folder).parts[0] not in NOT_OF_A_VOICE}


def test_nothing_made_of_a_released_voice_is_left_after_its_revocation(finished):
    # MLflow's database of a copied project names the files of the original, so the copy registers anew
    shutil.rmtree(finished / "mlartifacts")
    for path in (*finished.glob("mlflow.db*"), *(finished / "releases").glob("*.json")):
        path.unlink()
    settings = [part for value in LENIENT for part in ("-S", value)]
    done = vox(finished, "run", VOICE, "--no-prefect", "--promote", "--first-release", *settings)
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    made = {
        digest: path
        for digest, path in hashes(finished).items()
        if VOICE in path.parts or "mlartifacts" in path.parts or path.is_relative_to(finished / ".dvc/cache/files")
    }
    assert len(made) > 100
    done = vox(finished, "voice", "revoke", VOICE, "--delete", "all")
    assert done.returncode == 0, done.stderr
    assert "out of service; version 1 was champion before" in done.stdout
    left = {made[digest]: path for digest, path in hashes(finished).items() if digest in made}
    assert not left
    audited = vox(finished, "audit", VOICE)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    for command in (("say", VOICE, "Hello.", "-o", "x.flac"), ("rollback", VOICE), ("promote", VOICE)):
        done = vox(finished, *command)
        assert done.returncode != 0 and "Traceback" not in done.stderr, command
