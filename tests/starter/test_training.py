"""The training loop of the recipe: resuming, rates, losses."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from starter.settings import TrainingSettings, load_settings
from starter.training import Average, Task, hash_inputs, learning_rate, optimizer_step, to_half_precision, train

SETTINGS = TrainingSettings(
    n_steps=8,
    batch_size=1,
    learning_rate=0.1,
    warmup_steps=2,
    decay_share=0.5,
    average_decay=0.9,
    weight_decay=0.0,
    gradient_clip_norm=10.0,
    precision="fp32",
    evaluate_every=4,
    seed=0,
    n_threads=1,
)


@pytest.fixture(autouse=True)
def mlflow_curves(monkeypatch):
    """(name, rows) of every curve that the loop sends to MLflow."""
    curves = []
    monkeypatch.setattr("starter.training.log_to_mlflow", lambda name, _, rows: curves.append((name, rows)))
    return curves


def task(folder, modules, optimizers, inputs=None, **parts):
    return Task(
        name="fit",
        settings=SETTINGS,
        modules=modules,
        optimizers=optimizers,
        evaluate=lambda n: {"held_out": 1.0 * n},
        folder=folder,
        inputs=inputs or {},
        **parts,
    )


def run(folder, stop_before=None, inputs=None):
    """Fit y = 2 x and return the weights and their average."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    average = Average(model, SETTINGS.average_decay)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)

    def batch(step):
        return torch.randn(16, 1, generator=torch.Generator().manual_seed(step))

    def learn(x, step):
        if step == stop_before:
            raise KeyboardInterrupt
        loss = (model(x) - 2 * x).square().mean()
        optimizer_step(optimizer, loss, SETTINGS.gradient_clip_norm)
        average.update(model, step)
        return {"loss": loss.item()}

    modules = {"model": model, "average": average.module}
    train(task(folder, modules, {"adamw": optimizer}, inputs, make_batch=batch, learn=learn))
    return model.state_dict() | {f"average {k}": v for k, v in average.module.state_dict().items()}


def test_a_stopped_training_ends_at_the_same_weights(tmp_path, monkeypatch, mlflow_curves):
    monkeypatch.setattr("starter.training.STATE_SECONDS", 0.0)  # a state after every step
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", stop_before=5)
    again = run(tmp_path / "stopped")
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    curves = [(tmp_path / name / "curve.jsonl").read_text().splitlines() for name in ("whole", "stopped")]
    steps = [[json.loads(line)["step"] for line in lines] for lines in curves]
    assert steps == [[4, 8], [4, 8]]
    assert [name for name, _ in mlflow_curves] == ["fit", "fit"]


def test_a_finished_training_does_not_start_again(tmp_path):
    first = run(tmp_path)
    second = run(tmp_path, stop_before=0)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_loss_of_nan_ends_the_training_and_names_the_step(tmp_path):
    broken = task(
        tmp_path, {"m": nn.Linear(1, 1)}, {}, make_batch=lambda _: None, learn=lambda *_: {"loss": float("nan")}
    )
    with pytest.raises(SystemExit, match="loss is nan at step 0"):
        train(broken)


def test_the_learning_rate_rises_stays_and_falls():
    rates = [learning_rate(SETTINGS, step) for step in range(SETTINGS.n_steps)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[1:5] == pytest.approx([0.1] * 4)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.03


def test_the_shipped_settings_are_valid_and_the_stranger_is_one_of_the_voices():
    settings = load_settings()
    assert settings.corpus.stranger in settings.corpus.voices


def test_a_training_starts_over_after_a_file_that_it_reads_has_changed(tmp_path, capsys):
    read, folder = tmp_path / "sovits", tmp_path / "stage"
    read.mkdir()
    for content, begins in (("a", "starts with"), ("a", "continues at"), ("b", "starts with")):
        (read / "model.safetensors").write_text(content)
        run(folder, inputs=hash_inputs(read))
        assert f"fit: {begins} step" in capsys.readouterr().out
    assert list(hash_inputs(read)) == list(hash_inputs(read / "model.safetensors")) == ["sovits/model.safetensors"]


def test_a_number_that_half_precision_cannot_hold_is_refused():
    assert to_half_precision({"a": torch.ones(2), "n": torch.tensor(3)})["n"].dtype == torch.int64
    with pytest.raises(ValueError, match=r"\['b'\]"):
        to_half_precision({"a": torch.ones(2), "b": torch.tensor([1e6])})
