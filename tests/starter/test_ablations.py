"""The ablations leave out only what they describe, and their table holds every figure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.weights.checkpoint import save_checkpoint
from starter import ablations, kokoro, settings, training, voices
from starter.ablations import (
    ABLATIONS,
    FIGURES,
    Ablation,
    first_encoder_folder,
    format_table,
    left_out,
    main,
    train_prior,
)
from starter.phones import PHONES
from starter.scratch import SOVITS_CONFIG
from starter.settings import load_settings
from starter.store import Utterance, write_corpus

SPEAKERS = [speaker.name for speaker in kokoro.speakers()]
ROWS = [{"name": f"{voice}_{i}", "voice": voice} for voice in (*SPEAKERS, "slt", voices.PEOPLE) for i in range(8)]


def left_voices(what: str) -> dict[str, int]:
    """Return how many utterances each voice keeps."""
    without = left_out(ROWS, what)
    assert without <= {row["name"] for row in ROWS}
    kept: dict[str, int] = {}
    for row in ROWS:
        kept[row["voice"]] = kept.get(row["voice"], 0) + (row["name"] not in without)
    return kept


def test_fewer_speakers_and_fewer_hours_keep_the_same_number_of_utterances_of_kokoro():
    speakers, hours = left_voices("speakers"), left_voices("hours")
    assert sorted({speakers[name] for name in SPEAKERS}) == [0, 8]
    assert {hours[name] for name in SPEAKERS} == {2}
    assert sum(speakers[name] for name in SPEAKERS) == sum(hours[name] for name in SPEAKERS)
    assert speakers["slt"] == hours["slt"] == speakers[voices.PEOPLE] == hours[voices.PEOPLE] == 8


def test_people_are_left_out_alone():
    kept = left_voices("people")
    assert kept.pop(voices.PEOPLE) == 0
    assert set(kept.values()) == {8}


def test_an_unchanged_training_leaves_nothing_out():
    assert not left_out(ROWS, "none")


@pytest.fixture
def before_prior(monkeypatch, tmp_path) -> Path:
    """A folder in which all stages before `prior` have ended, with 16 utterances of a speaker, 8 of them held out."""
    monkeypatch.setattr(settings, "WORK", tmp_path)
    monkeypatch.setattr(voices, "synthetic_voices", lambda: ["jf_alpha"])
    monkeypatch.setattr(training, "log_to_mlflow", lambda *arguments: None)
    names, n_tokens = [f"jf_alpha_{i}" for i in range(16)], 12
    silence = np.zeros(n_tokens * 640, np.int16)
    write_corpus(tmp_path / "corpus/jf_alpha", [Utterance(name, "jf_alpha", "Come in.", silence, []) for name in names])
    places = [0] * 6 + [1] * 6
    rows = [
        {"name": name, "voice": "jf_alpha", "phoneme_ids": [20, 21], "tokens": [1] * n_tokens, "places": places}
        for name in names
    ]
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens/tokens.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = SOVITS_CONFIG.model_copy(update={"ssl_dim": len(PHONES)})
    save_file(
        {"centres": np.eye(config.codebook_size, len(PHONES), dtype=np.float32)},
        tmp_path / "tokens/codebook.safetensors",
    )
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "autoencoder/sovits", "sovits", config.to_dict(), SoVITS(config).state_dict())
    n_frames, random = 2 * n_tokens, np.random.default_rng(0)
    latents = {
        "mean": random.standard_normal((16 * n_frames, config.latent_channels)).astype(np.float16),
        "log_deviation": np.full((16 * n_frames, config.latent_channels), -1, np.float16),
        "starts": np.arange(17) * n_frames,
        "styles": random.standard_normal((16, 2, config.style_channels)).astype(np.float32),
    }
    (tmp_path / "latents").mkdir()
    save_file(latents, tmp_path / "latents/latents.safetensors")
    return tmp_path


def test_a_training_without_some_utterances_is_scored_on_all_that_were_held_out(before_prior):
    section = load_settings().prior.model_copy(update={"batch_size": 2, "precision": "fp32"})
    few = load_settings().model_copy(update={"prior": section})
    losses = {
        what: train_prior(what, Ablation("prior", what, n_steps=2, leaves_out=what), few) for what in ("none", "hours")
    }
    assert losses["none"]["step"] == 2
    for key in FIGURES["prior"]:
        assert np.isfinite(losses["none"][key])
    assert losses["none"]["held_out_kl"] != losses["hours"]["held_out_kl"]
    assert train_prior("none", Ablation("prior", "none", n_steps=2), few) == losses["none"]  # it resumes at its end


def test_every_stage_has_a_row_without_changes_for_comparison():
    assert {one.stage for one in ABLATIONS.values() if one.description == "unchanged"} == set(FIGURES)


def test_the_first_encoder_comes_from_history_also_after_a_new_one(monkeypatch, tmp_path):
    home = tmp_path / "starter"
    folder = tmp_path / ablations.ENCODER_FOLDER
    folder.mkdir(parents=True)
    home.mkdir()
    monkeypatch.setattr(ablations, "HOME", home)
    monkeypatch.setattr(settings, "WORK", tmp_path / "work")

    def commit(architecture: str) -> None:
        for name in ablations.ENCODER_FILES:
            (folder / name).write_text(json.dumps({"architectures": [architecture]}), encoding="utf-8")
        for command in (["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x"]):
            subprocess.run(["git", *command], cwd=tmp_path, check=True)

    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    commit("WhisperPosteriors")
    with pytest.raises(SystemExit, match="git fetch --unshallow"):
        first_encoder_folder()
    commit("HubertForCTC")
    commit("WhisperPosteriors")
    assert "HubertForCTC" in (first_encoder_folder() / "model.safetensors").read_text(encoding="utf-8")


def test_an_unknown_ablation_is_refused_and_the_known_ones_are_listed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["no_vowels"])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert "no_vowels" in message and "quarter_of_speakers" in message


def test_rows_are_kept_from_run_to_run_without_those_of_an_older_recipe(monkeypatch, tmp_path, capsys):
    results = tmp_path / "ablations.json"
    results.write_text(
        json.dumps({"joint": {"stage": "joint", "wer_base": 0.4}, "no_stretching": {"stage": "autoencoder"}}),
        encoding="utf-8",
    )
    monkeypatch.setattr(ablations, "RESULTS", results)
    monkeypatch.setattr(settings, "WORK", tmp_path / "work")
    monkeypatch.setattr(ablations, "measure", lambda name: dict.fromkeys(FIGURES[ABLATIONS[name].stage], 0.5))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # main sets it, and the test puts it back
    main(["prior"])
    main(["joint"])
    assert list(json.loads(results.read_text(encoding="utf-8"))) == ["prior", "joint"]
    assert "| unchanged | 0.500 | 0.500 |" in capsys.readouterr().out


def test_the_table_holds_every_figure_under_its_stage():
    rows = {
        name: {"stage": one.stage, "description": one.description, **dict.fromkeys(FIGURES[one.stage], i / 100)}
        for i, (name, one) in enumerate(ABLATIONS.items())
    }
    lines = format_table(rows).splitlines()
    for i, one in enumerate(ABLATIONS.values()):
        row = f"| {one.description} | " + " | ".join([f"{i / 100:.3f}"] * len(FIGURES[one.stage])) + " |"
        assert row in lines
