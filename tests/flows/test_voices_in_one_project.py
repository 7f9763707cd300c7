"""Two voices of different languages in one params.yaml: one run by DVC, two verdicts.

The recogniser is a stand-in that answers from tables, see tests/stand_in_transcriber.py. Every language has a run of
its own in test_languages_end_to_end.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from languages_project import VOICES, add_stand_in, make_languages_project
from project import run, vox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LANGUAGES = ("zh", "ja")
# Untrained weights make noise. Their words are the table's, so a policy that asks for words alone passes them.
WORDS_ALONE = (
    "gate.thresholds=[{metric: wer, at_most: 0.35, unit: errors per word, reason: a test}]",
    "gate.non_inferiority=[{metric: wer, margin: 0.1, unit: errors per word, reason: a test}]",
    "gate.slices=[]",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_languages_project(tmp_path_factory.mktemp("voices") / "project", LANGUAGES)
    add_stand_in(root)
    run([sys.executable, "-m", "dvc", "repro"], root, timeout=1500)
    return root


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_run_gives_each_voice_a_verdict_on_prompts_of_its_language(project, language):
    voice = VOICES[language]
    done = vox(project, "gate", voice, "--first-release", "--json", f"{voice}.json")
    assert done.returncode == 1, done.stderr
    verdict = json.loads((project / f"{voice}.json").read_text(encoding="utf-8"))["verdict"]
    assert (verdict["voice"], verdict["decision"]["outcome"]) == (voice, "fail")
    assert verdict["decision"]["language"] == language
    assert verdict["decision"]["figures"]["wer"] < 0.1
    assert verdict["decision"]["failures"]


def test_another_voice_in_params_makes_nothing_stale(project):
    done = run([sys.executable, "-m", "dvc", "status"], project)
    assert "Data and pipelines are up to date" in done.stdout


def test_a_released_mandarin_voice_says_mandarin_and_no_language_that_was_not_judged(project):
    voice = VOICES["zh"]
    settings = [part for setting in WORDS_ALONE for part in ("-S", setting)]
    released = vox(project, "run", voice, "--no-prefect", "--promote", "--first-release", *settings)
    assert released.returncode == 0, released.stdout[-2000:] + released.stderr
    assert "all 9 stages are up to date" in released.stdout
    said = vox(project, "say", voice, "今天下雨吗？", "-o", "zh.wav")
    assert said.returncode == 0, said.stderr
    assert (project / "zh.wav").stat().st_size > 10_000
    refused = vox(project, "say", voice, "雨が降っています。", "--language", "ja", "-o", "ja.wav")
    assert refused.returncode != 0
    assert "ja" in refused.stderr
    assert not (project / "ja.wav").exists()
