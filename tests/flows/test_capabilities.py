"""A run is refused before its first stage where a later one cannot do what params.yaml says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from imports import ROOT
from project import VOICE, copy_voice
from ruamel.yaml import YAML

from flows import train_and_release
from flows.console import console
from flows.dvc_stages import STAGES, StageResult
from flows.run_view import RunView
from flows.settings import apply_settings
from flows.train_and_release import DirectEngine, Request, build, run_pipeline
from gpt_sovits.weights import base as weights_base
from gpt_sovits.weights.base import load_base
from stages.capabilities import check_speaking_settings
from stages.evaluation.inputs import VoiceFolders, load_synthesis_inputs
from stages.params import load_params

RULES = {
    "thresholds": [{"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "test"}],
    "non_inferiority": [{"metric": "wer", "margin": 0.05, "unit": "errors per word", "reason": "test"}],
    "min_prompts": 6,
}
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a preset whose stages are all stale. Its stages only say that they ran."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    copy_voice(tmp_path / "data/1_recordings" / VOICE, 2)
    monkeypatch.chdir(tmp_path)
    apply_settings([f"voices=[{VOICE}]"])
    params = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))
    params["presets"] = {"dialogue": {"categories": ["questions"], "settings": {"n_best_of": 4}, "reference_clips": {}}}
    params["gate"]["presets"] = {"dialogue": RULES}
    with Path("params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)
    monkeypatch.setattr(train_and_release, "stale_stages", lambda voice: dict.fromkeys(STAGES, "for the first time"))
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the stages that ran."""
    names = []

    def reproduce(stage: str, voice: str, **_options: object) -> StageResult:
        names.append(stage)
        return StageResult(stage=stage, state="ran")

    monkeypatch.setattr(train_and_release, "reproduce", reproduce)
    monkeypatch.setattr(train_and_release, "candidate_is_registered", lambda voice: True)
    return names


def without_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the base of the profile one whose tokens do not map to phones, as those of the official bases."""
    base = replace(load_base("starter"), content_encoder_config=None, content_encoder_state=None)
    monkeypatch.setattr(weights_base, "load_base", lambda name: base)


def view() -> RunView:
    return RunView(VOICE, console, quiet=True)


def test_setting_that_the_base_cannot_have_is_refused_with_its_key(
    project: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_phones(monkeypatch)
    with pytest.raises(ValueError, match="base starter has none") as refused:
        run_pipeline(Request(voice=VOICE), view(), engine=DirectEngine())
    lines = str(refused.value).splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "evaluate.n_best_of is 8",
        "presets.dialogue.settings.n_best_of is 4",
    ]
    assert ran == []
    apply_settings(["evaluate.n_best_of=1", "presets.dialogue.settings={}"])
    build(VOICE, view(), engine=DirectEngine())
    assert ran == list(STAGES)


def test_head_that_the_base_does_not_have_is_refused_with_its_key(project: Path, ran: list[str]) -> None:
    build(VOICE, view(), engine=DirectEngine())
    assert ran == list(STAGES)
    apply_settings(["evaluate.alignment_head=[9, 0]"])
    with pytest.raises(ValueError, match=r"^evaluate\.alignment_head names layer 9 and head 0, but this GPT has"):
        run_pipeline(Request(voice=VOICE), view(), engine=DirectEngine())
    assert ran == list(STAGES)


def test_evaluate_refuses_the_settings_of_a_preset_before_it_speaks(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_settings(["evaluate.n_best_of=1"])
    base = replace(load_base("starter"), content_encoder_config=None, content_encoder_state=None)
    monkeypatch.setattr("stages.evaluation.inputs.load_base", lambda name: base)
    folders = VoiceFolders(project / "clips", project / "aligned", project / "features")
    with pytest.raises(ValueError, match=re.escape("presets.dialogue.settings.n_best_of is 4, which takes a base")):
        load_synthesis_inputs(folders, None, load_params())


@pytest.mark.parametrize("name", ["params.yaml", "params.official.yaml"])
def test_settings_of_the_repository_fit_their_base(name: str) -> None:
    base = load_base("starter")
    if name == "params.official.yaml":
        base = replace(base, content_encoder_config=None, content_encoder_state=None)
    check_speaking_settings(load_params(ROOT / name), base)


@NO_GPU
def test_gpu_that_is_not_there_is_refused_before_the_first_stage(project: Path, ran: list[str]) -> None:
    apply_settings(["adapt_sovits.device=cuda"])
    with pytest.raises(ValueError, match=r"^adapt_sovits\.device is cuda, and torch finds no GPU here; set"):
        run_pipeline(Request(voice=VOICE), view(), engine=DirectEngine())
    assert ran == []


@NO_GPU
@pytest.mark.parametrize("prepare", ["trained", "remote"])
def test_machine_without_a_gpu_may_use_what_another_one_trained(
    project: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch, prepare: str
) -> None:
    apply_settings(["adapt_sovits.device=cuda", "adapt_gpt.device=cuda"])

    def trained() -> None:
        monkeypatch.setattr(train_and_release, "stale_stages", lambda voice: {"evaluate": "modified prompts"})

    def remote() -> None:
        (project / ".dvc").mkdir()
        (project / ".dvc/config").write_text("[core]\n    remote = team\n", encoding="utf-8")

    steps: dict[str, Callable[[], None]] = {"trained": trained, "remote": remote}
    steps[prepare]()
    build(VOICE, view(), engine=DirectEngine())
    assert ran[-1] == "register"
