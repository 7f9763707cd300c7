"""A project with voices in several languages, and its pipeline with the stand-in recogniser.

The recordings and the prompts are those of tests/data/languages. Weights are untrained, so that a run takes seconds and
its outcome is known: the voices say nothing that anybody understands, and the gate must fail them for that.
"""

from __future__ import annotations

import runpy
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import stand_in_transcriber
from imports import ROOT
from project import make_project, run
from ruamel.yaml import YAML
from stand_in_transcriber import StandInTranscriber

import gpt_sovits.weights.base
import gpt_sovits.weights.languages
import gpt_sovits.weights.places
import metrics.judges.asr
import stages.profiles
from flows import train_and_release
from flows.console import console
from flows.dvc_stages import STAGES, StageResult
from flows.run_view import RunView
from flows.train_and_release import Outcome

LANGUAGES = ROOT / "tests/data/languages"
VOICES = {"zh": "mei", "ja": "haruto", "ko": "jisoo", "yue": "kayan"}  # of each language
JOINED = ("lake", "radio", "train")  # sentences of one recording, with pauses between them
WRONG, WRONG_TEXT_OF = "coat", "soup"  # a recording, and whose transcript it has by mistake
PAUSE_SECONDS = 0.7
PROMPTS = "benchmarks/tiny"
REGISTRY_SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_SIGNING_KEY")
# What the gate asks of a voice in English, which its speaker never recorded.
ENGLISH_RULES = """{en: {
  thresholds: [
    {metric: wer, at_most: 0.25, unit: errors per word, reason: a test},
    {metric: similarity, at_least: 0.6, unit: cosine, reason: a test}],
  non_inferiority: [{metric: wer, margin: 0.05, unit: errors per word, reason: a test}],
  min_prompts: 4}}"""
SETTINGS = (
    "segment.max_clip_seconds=5",  # the joined sentences become three clips
    "features.reference_min_seconds=2",
    "adapt_sovits.n_epochs=1",
    "adapt_sovits.save_every_epochs=1",
    "adapt_sovits.batch_size=4",
    "adapt_gpt.n_epochs=1",
    "evaluate.interpolation_weights=[]",
)


def read_language(language: str) -> dict[str, Any]:
    """Return the sentences and the prompts of a language."""
    return YAML(typ="safe").load((LANGUAGES / f"{language}.yaml").read_text(encoding="utf-8"))


def make_languages_project(root: Path, languages: Sequence[str], *settings: str) -> Path:
    """Make a git and DVC project in `root` with one voice per language, and return `root`.

    Args:
        root: a folder that does not exist.
        languages: of the voices.
        settings: further settings for params.yaml.
    """
    make_project(root, n_clips=1)
    shutil.rmtree(root / "data/1_recordings/tiny")
    for language in languages:
        _write_voice(root / "data/1_recordings" / VOICES[language], language)
    for path in sorted(LANGUAGES.glob("*.yaml")):
        _write_prompts(root / PROMPTS / path.name)
    run([sys.executable, "-m", "metrics.prompts", "lock", *map(str, sorted((root / PROMPTS).glob("*.yaml")))], root)
    shutil.copytree(LANGUAGES, root / "stand_in")
    voices = [VOICES[language] for language in languages]
    given = [f"voices=[{', '.join(voices)}]", f"evaluate.prompts={PROMPTS}", *SETTINGS, *settings]
    run([sys.executable, "-c", f"from flows.settings import apply_settings; apply_settings({given!r})"], root)
    return root


def speak_english_too(root: Path) -> None:
    """Let every voice of a project be tested in English besides its own language."""
    path, yaml = root / "params.yaml", YAML()
    params = yaml.load(path.read_text(encoding="utf-8"))
    params["evaluate"]["other_languages"] = ["en"]
    params["gate"]["other_languages"] = YAML(typ="safe").load(ENGLISH_RULES)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def use_stand_in(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Make the stand-in the recogniser of the project in `root` in this process, see `use_project`."""
    use_project(patch, root, stand_in_transcriber.NAME)
    patch.setitem(metrics.judges.asr._FAMILIES, stand_in_transcriber.NAME, _load_stand_in)


def use_project(patch: pytest.MonkeyPatch, root: Path, asr: str) -> None:
    """Make `root` the current folder of this process, its base models and registry the ones in use.

    Args:
        patch: undoes it.
        root: the project.
        asr: name of the judge that becomes the recogniser of the profile `starter`.
    """
    patch.chdir(root)
    for name in REGISTRY_SETTINGS:  # set first, so that what MLflow sets is undone
        patch.setenv(name, "")
        patch.delenv(name)
    weights = gpt_sovits.weights
    for module in (weights.places, weights.base, weights.languages, stages.profiles):
        patch.setattr(module, "BASES_FOLDER", root / "base_models")
    starter = stages.profiles.Profile(base="starter", asr=asr, speaker="ecapa_small")
    patch.setitem(stages.profiles.PROFILES, "starter", starter)


def add_stand_in(root: Path) -> None:
    """Make the stand-in the recogniser of the profile `starter` in a project's own copy of the code."""
    shutil.copy(stand_in_transcriber.__file__, root / "metrics/judges/stand_in.py")
    with (root / "metrics/judges/asr.py").open("a", encoding="utf-8") as file:
        file.write(
            "\n\nfrom metrics.judges.stand_in import StandInTranscriber\n"
            '_FAMILIES["stand-in"] = lambda size, weights_dir, download: StandInTranscriber(Path("stand_in"))\n'
        )
    with (root / "stages/profiles.py").open("a", encoding="utf-8") as file:
        file.write('\nPROFILES["starter"] = Profile(base="starter", asr="stand-in", speaker="ecapa_small")\n')


def run_stage_here(stage: str, voice: str, patch: pytest.MonkeyPatch) -> None:
    """Run the program of a stage in this process, with the command that dvc.yaml has."""
    commands = YAML(typ="safe").load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    _, _, module, *arguments = shlex.split(commands[stage]["cmd"].replace("${item.voice}", voice))
    patch.setattr(sys, "argv", [module, *arguments])
    runpy.run_module(module, run_name="__main__")


def run_voice_here(voice: str, patch: pytest.MonkeyPatch) -> Outcome:
    """Run a voice to its verdict in this process. Only DVC is left out, which would start a process per stage."""

    def reproduce(stage: str, voice: str, **_options: object) -> StageResult:
        run_stage_here(stage, voice, patch)
        return StageResult(stage=stage, state="ran")

    Path("dvc.lock").write_text("schema: '2.0'\nstages: {}\n", encoding="utf-8")
    patch.setattr(train_and_release, "stale_stages", lambda voice: dict.fromkeys(STAGES, "for the first time"))
    patch.setattr(train_and_release, "reproduce", reproduce)
    request = train_and_release.Request(voice=voice, first_release=True)
    view = RunView(voice, console, quiet=True)
    return train_and_release.run_pipeline(request, view, engine=train_and_release.DirectEngine())


def _load_stand_in(_size: str, _weights_dir: Path | None, _download: bool) -> StandInTranscriber:
    return StandInTranscriber(LANGUAGES)


def _write_voice(folder: Path, language: str) -> None:
    """Write a voice: most sentences as they are, three of them joined, and one with the transcript of another."""
    texts = {row["id"]: row["text"] for row in read_language(language)["sentences"]}
    (folder / "wavs").mkdir(parents=True)
    transcripts = {name: text for name, text in texts.items() if name not in JOINED}
    transcripts[WRONG] = texts[WRONG_TEXT_OF]
    for name in transcripts:
        shutil.copy(LANGUAGES / language / f"{name}.ogg", folder / "wavs")
    parts = []
    for name in JOINED:
        samples, sample_rate = soundfile.read(LANGUAGES / language / f"{name}.ogg", dtype="float32")
        parts += [samples, np.zeros(round(PAUSE_SECONDS * sample_rate), np.float32)]
    soundfile.write(folder / "wavs/joined.flac", np.concatenate(parts), sample_rate, subtype="PCM_16")
    transcripts["joined"] = (" " if language == "ko" else "").join(texts[name] for name in JOINED)
    rows = "".join(f"{name}|{text}\n" for name, text in transcripts.items())
    (folder / "metadata.csv").write_text(rows, encoding="utf-8")
    (folder / "voice.yaml").write_text(
        f"name: {folder.name}\nlanguage: {language}\nconsent:\n  speaker: espeak-ng 1.52\n  kind: synthetic\n"
        "  purposes: [testing]\n  scope: {languages: null, territories: null, commercial: false}\n"
        "  granted_on: 2025-01-01\n  valid_until: null\n  evidence: null\n"
        "  evidence_sha256: null\n  revoked_on: null\n",
        encoding="utf-8",
    )


def _write_prompts(path: Path) -> None:
    table = read_language(path.stem)
    prompts = [{key: row[key] for key in ("id", "category", "text", "normalized")} for row in table["prompts"]]
    path.parent.mkdir(exist_ok=True)
    document = {"format": 1, "language": path.stem, "version": 1, "seeds": [0], "prompts": prompts}
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(document, file)
