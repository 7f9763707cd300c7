"""The adaptation stages: what they write, what they drop, and that an interruption does not change the result."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from adaptation_tiny import TINY_GPT, InterruptionError, gpt_state, killed_at
from imports import ROOT
from ruamel.yaml import YAML
from safetensors.torch import save_file

from gpt_sovits.adaptation import loop
from gpt_sovits.adaptation.precision import Stepper
from gpt_sovits.weights.checkpoint import load_checkpoint
from stages import adapt_gpt, adaptation
from stages.execution.program import run_stage
from stages.tables import FeatureClip, Reject, read_table, write_table

SETTINGS = {"n_epochs": 3, "save_every_epochs": 2, "batch_size": 2, "n_threads": 1, "max_dropped_share": 0.3}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params.yaml, a tiny base, and the features of five clips, of which the last is too fast."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(adapt_gpt, "load_base", lambda _: SimpleNamespace(gpt_config=TINY_GPT, gpt_state=gpt_state()))
    generator, rows = torch.Generator().manual_seed(0), []
    (tmp_path / "features/tensors").mkdir(parents=True)
    for i, n_phonemes in enumerate((10, 12, 9, 11, 80)):
        clip_id, n_tokens = f"clip-{i}", 25 + i
        tensors = {
            "phoneme_ids": torch.randint(20, (n_phonemes,), generator=generator),
            "semantic_tokens": torch.randint(32, (n_tokens,), generator=generator),
        }
        save_file(tensors, tmp_path / f"features/tensors/{clip_id}.safetensors")
        rows.append(
            FeatureClip(
                clip_id=clip_id,
                split="held_out" if i == 0 else "train",
                text="x",
                seconds=n_tokens / 25,
                n_phonemes=n_phonemes,
                n_tokens=n_tokens,
                similarity=1.0,
                language="en",
            )
        )
    write_table(tmp_path / "features/clips.jsonl", rows)
    set_params(tmp_path)
    return tmp_path


def set_params(root, **changes):
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["adapt_gpt"] |= SETTINGS | changes
    with (root / "params.yaml").open("w") as file:
        YAML().dump(params, file)


def run(monkeypatch, out="voice/gpt"):
    monkeypatch.setattr("sys.argv", ["adapt_gpt", "--features", "features", "--out", out])
    run_stage(lambda: adaptation.run_adaptation("gpt", adapt_gpt.fine_tune, adapt_gpt.options))


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_stage_writes_checkpoints_a_curve_a_summary_and_what_it_dropped(project, monkeypatch, capsys):
    run(monkeypatch)
    out = project / "voice/gpt"
    with (out / "curve.csv").open() as file:
        curve = list(csv.DictReader(file))
    assert [row["epoch"] for row in curve] == ["1", "2", "3"]
    best = [int(row["epoch"]) for row in curve if row["is_best"] == "True"]
    saved = {int(row["epoch"]) for row in curve if row["is_saved"] == "True"}
    assert len(best) == 1 and saved == {2, 3, *best}
    assert {int(path.name.removeprefix("epoch_")) for path in (out / "checkpoints").iterdir()} == saved
    for epoch in saved:
        load_checkpoint(out / f"checkpoints/epoch_{epoch:04d}", "gpt")
    (dropped,) = read_table(out / "dropped.jsonl", Reject)
    assert dropped.path == "clip-4" and dropped.reason == "68.97 phonemes per second, allowed: 3 to 25"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["best_epoch"] == best[0] and summary["n_dropped_clips"] == 1 and summary["recipe"] == "voxfoundry"
    assert summary["best_held_out_loss"] == min(float(row["held_out_loss"]) for row in curve)
    printed = capsys.readouterr().out
    assert f"3 epochs; epoch {best[0]} is best on held-out clips" in printed
    assert "dropped clip-4: 68.97 phonemes per second" in printed
    assert not (project / ".cache/resume/voice/gpt").exists()


def test_an_interruption_does_not_change_the_result(project, monkeypatch):
    run(monkeypatch, "whole/gpt")
    set_params(project, state_every_steps=1)
    for place, call in (("save_training_state", 3), ("_record", 1)):
        with killed_at(call, loop, place), pytest.raises(InterruptionError):
            run(monkeypatch, "cut/gpt")
    run(monkeypatch, "cut/gpt")
    assert hashes(project / "cut/gpt") == hashes(project / "whole/gpt")
    assert [path.name for path in (project / "cut").iterdir()] == ["gpt"]


def test_too_many_dropped_clips_stop_the_stage_with_their_reasons(project, monkeypatch, capsys):
    set_params(project, max_dropped_share=0.1)
    with pytest.raises(SystemExit):
        run(monkeypatch)
    error = capsys.readouterr().err
    assert "adapt_gpt: 1 of 5 clips are outside the limits" in error and "clip-4: 68.97 phonemes per second" in error
    assert not (project / "voice/gpt").exists()


def test_a_recipe_says_which_settings_it_does_not_use(project, monkeypatch, capsys):
    set_params(project, recipe="upstream", n_epochs=1)
    run(monkeypatch)
    printed = capsys.readouterr().out
    assert "the recipe upstream sets these itself: accumulate_batches, gradient_clip_norm, learning_rate" in printed
    assert json.loads((project / "voice/gpt/summary.json").read_text())["recipe"] == "upstream"


def test_a_learning_rate_of_zero_for_a_module_is_refused(project, monkeypatch, capsys):
    set_params(project, learning_rate_factors={"h.layers.0": 0.0})
    with pytest.raises(SystemExit):
        run(monkeypatch)
    assert "to stop a module from training, list it in `frozen`" in capsys.readouterr().err


@pytest.mark.parametrize("is_changed", [True, False])
def test_a_killed_training_resumes_with_the_same_code_only(project, monkeypatch, is_changed):
    """What two versions of the code have trained would belong to neither."""
    with killed_at(0, Stepper, "backward") as whole:
        run(monkeypatch, "whole/gpt")
    set_params(project, state_every_steps=1)
    with killed_at(len(whole), Stepper, "backward"), pytest.raises(InterruptionError):
        run(monkeypatch, "cut/gpt")
    if is_changed:
        monkeypatch.setattr(adapt_gpt, "code_of", lambda module: f"{module.name} of today")
    with killed_at(0, Stepper, "backward") as calls:
        run(monkeypatch, "cut/gpt")
    assert len(calls) == (len(whole) if is_changed else 1)
    assert hashes(project / "cut/gpt") == hashes(project / "whole/gpt")


def test_a_stage_killed_while_it_removes_its_states_runs_again(project, monkeypatch):
    resume = project / ".cache/resume/voice/gpt"

    def kill_after_a_checkpoint(folder, **_options):
        if folder == resume.relative_to(project):
            remove(folder / "epoch_0003")
            raise InterruptionError
        remove(folder, **_options)

    with monkeypatch.context() as patch:
        remove = shutil.rmtree
        patch.setattr(shutil, "rmtree", kill_after_a_checkpoint)
        with pytest.raises(InterruptionError):
            run(monkeypatch)
    assert resume.is_dir() and not list(resume.glob("*.safetensors")), "a state is left without its checkpoints"
    run(monkeypatch)
    assert len(list((project / "voice/gpt/checkpoints").iterdir())) >= 2 and not resume.exists()


@pytest.mark.parametrize("damage", [shutil.rmtree, lambda folder: (folder / "model.safetensors").write_bytes(b"0")])
def test_a_killed_training_whose_checkpoint_is_lost_starts_over(project, monkeypatch, capsys, damage):
    run(monkeypatch, "whole/gpt")
    with killed_at(1, adaptation, "write_json"), pytest.raises(InterruptionError):
        run(monkeypatch, "cut/gpt")
    damage(project / ".cache/resume/cut/gpt/epoch_0002")
    run(monkeypatch, "cut/gpt")
    assert "training starts over, because a checkpoint of the killed run is lost" in capsys.readouterr().out
    assert hashes(project / "cut/gpt") == hashes(project / "whole/gpt")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused_in_one_line(project, monkeypatch, capsys):
    set_params(project, device="cuda")
    with pytest.raises(SystemExit):
        run(monkeypatch)
    error = capsys.readouterr().err
    assert error.startswith("error: adapt_gpt.device is cuda, and torch finds no GPU here; set adapt_gpt.device to cpu")
    assert error.count("\n") == 1 and not (project / "voice/gpt").exists()
