"""A small project for tests of whole runs: the code of this repository, a voice of a few clips, four prompts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from imports import PRODUCT, ROOT

from gpt_sovits.weights.base import Base, save_base
from starter.scratch import make_scratch

VOICE = "tiny"
PROMPTS = """format: 1
language: en
version: 1
seeds: [0]
prompts:
  - {id: kettle, category: everyday, text: The kettle is on., normalized: the kettle is on}
  - {id: rain, category: everyday, text: It may rain tonight., normalized: it may rain tonight}
  - {id: door, category: questions, text: Is the door open?, normalized: is the door open}
  - {id: two, category: short, text: Come in., normalized: come in}
"""
SETTINGS = (
    f"voices=[{VOICE}]",
    "features.reference_min_seconds=1",
    "features.n_threads=1",
    "adapt_sovits.n_epochs=2",
    "adapt_sovits.min_steps=0",
    "adapt_sovits.save_every_epochs=2",
    "adapt_sovits.batch_size=4",
    "adapt_sovits.n_threads=1",
    "adapt_gpt.n_epochs=2",
    "adapt_gpt.save_every_epochs=1",
    "adapt_gpt.n_threads=1",
    "adapt_gpt.learning_rate=0.0000001",  # different weights that speak the same, which the gate finds equal
    "evaluate.prompts=benchmarks/prompts/tiny",
    "evaluate.n_selection_prompts=1",
    "evaluate.n_resynthesized=1",
    "evaluate.n_best_of=1",  # the tokens of untrained weights are meaningless
    "evaluate.max_length_factor=1.1",  # untrained weights never end a sentence
    "evaluate.second_asr=null",  # test_damaged_candidates.py has it, with a voice that speaks
    "align.n_jobs=1",
    "evaluate.n_jobs=1",
    "gate.confidence=0.8",  # at 0.95 the gate refuses a policy for four prompts, which prove nothing there
    "gate.min_prompts=4",
    "gate.lanes.realtime.min_prompts=4",
)


def make_project(root: Path, n_clips: int = 12, voice: str = VOICE) -> Path:
    """Make a git and DVC project in `root` with the first clips of the sample voice, and return `root`."""
    root.mkdir(parents=True, exist_ok=True)
    for name in (*PRODUCT, "benchmarks"):
        shutil.copytree(ROOT / name, root / name, ignore=_bytecode)
    for name in ("dvc.yaml", "params.yaml", "requirements.lock", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, root / name)
    (root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", root / ".dvc/config")
    copy_voice(root / "data/1_recordings" / voice, n_clips)
    # With untrained weights the outcome of a run is known, and the test does not depend on the quality of the base.
    save_base(_untrained_base(), root / "base_models")
    shutil.rmtree(root / "benchmarks/prompts/custom")  # a user's prompts do not belong to these tests
    (root / "benchmarks/prompts/tiny").mkdir()
    (root / "benchmarks/prompts/tiny/en.yaml").write_text(PROMPTS, encoding="utf-8")
    run([sys.executable, "-m", "metrics.prompts", "lock", "benchmarks/prompts/tiny/en.yaml"], root)
    code = f"from flows.settings import apply_settings; apply_settings({[*SETTINGS, f'voices=[{voice}]']!r})"
    run([sys.executable, "-c", code], root)
    for command in (
        ["git", "init", "-q"],
        ["git", "-c", "core.compression=0", "add", "-A"],  # random weights do not become smaller
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "start"],
    ):
        run(command, root)
    return root


def _bytecode(folder: str, names: list[str]) -> list[str]:
    """Return the names of a folder's files that are Python's bytecode.

    What numba compiled is not among them. It lies there too, is used while its source has the same time and size, and
    costs each project eight seconds where it is left out.
    """
    return [name for name in names if Path(folder).name == "__pycache__" and not name.endswith((".nbi", ".nbc"))]


@cache  # its codebook takes four seconds
def _untrained_base() -> Base:
    return replace(make_scratch(), name="starter")


def copy_voice(folder: Path, n_clips: int) -> None:
    """Copy the first `n_clips` recordings of the sample voice, with its consent under the name of the folder."""
    source = ROOT / "data/1_recordings/sample"
    lines = (source / "metadata.csv").read_text(encoding="utf-8").splitlines()[:n_clips]
    folder.mkdir(parents=True)
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.copy(source / "consent.md", folder)
    record = (source / "voice.yaml").read_text(encoding="utf-8")
    (folder / "voice.yaml").write_text(record.replace("name: sample", f"name: {folder.name}"), encoding="utf-8")
    for line in lines:
        (audio,) = source.rglob(f"{line.split('|')[0]}.flac")
        place = folder / audio.relative_to(source)
        place.parent.mkdir(exist_ok=True)
        shutil.copy(audio, place)


def run(command: list[str], root: Path, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a command in the project with the code of the project. A failure shows the output."""
    done = subprocess.run(
        command, cwd=root, env=environment(), capture_output=True, text=True, timeout=timeout, check=False
    )
    message = f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert not check or done.returncode == 0, message
    return done


def vox(root: Path, *arguments: str, check: bool = False, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run `vox` with the code of the project."""
    return run([sys.executable, "-m", "flows.cli", *arguments], root, check, timeout)


def environment() -> dict[str, str]:
    """Return the environment of a project, without variables that would point it to other services."""
    drop = (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_REGISTRY_URI",
        "PREFECT_API_URL",
        "PREFECT_HOME",
        "VOXFOUNDRY_DATABASE_URI",
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if key not in drop}
    date = "2026-01-01T00:00:00+00:00"  # fixed, so that equal projects have equal commits
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    shell = "/bin/sh"  # what DVC takes without SHELL; dash outlives DVC, while bash execs the stage
    return {**kept, **dates, "PATH": path, "SHELL": shell, "PYTHONDONTWRITEBYTECODE": "1"}
