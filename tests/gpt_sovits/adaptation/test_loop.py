"""Epochs: early stopping, which epoch is best and which are saved, skipped steps."""

from dataclasses import replace

import pytest
import torch
from adaptation_tiny import GPT_OPTIONS, InterruptionError, assert_same, gpt_clips, run_gpt

from gpt_sovits.adaptation import gpt
from gpt_sovits.adaptation.loop import TrainingDivergedError

OPTIONS = replace(GPT_OPTIONS, n_epochs=9, save_every_epochs=4)


@pytest.fixture
def held_out_losses(monkeypatch):
    """Return a function that sets the held-out loss of each epoch."""

    def set_losses(*losses):
        def held_out_losses(self):
            epoch = int(self.optimizers["gpt"].state[self.model.h.layers[0].linear1.weight]["step"]) // 3
            return {"loss": losses[epoch - 1], "top3_accuracy": 0.5}

        monkeypatch.setattr(gpt._GPTTraining, "held_out_losses", held_out_losses)

    return set_losses


def marks(records, name):
    return [record.epoch for record in records if getattr(record, name)]


def test_training_ends_once_the_held_out_loss_stays_worse(tmp_path, held_out_losses):
    held_out_losses(3.0, 2.0, 2.5, 1.9, 1.95, 1.91, 1.99, 0.1, 0.1)
    seen = []
    run = run_gpt(tmp_path, replace(OPTIONS, patience_epochs=3), on_epoch=lambda e, m, record: seen.append(record))
    assert run.epochs == [1, 2, 3, 4, 5, 6, 7]
    assert run.adaptation.stopped_early and run.adaptation.best_epoch == 4
    assert marks(run.records, "is_best") == [4]
    assert marks(run.records, "is_saved") == [4, 7]
    # During training each epoch that was the best so far is saved
    assert marks(seen, "is_best") == [1, 2, 4]
    assert marks(seen, "is_saved") == [1, 2, 4, 7]
    assert run_gpt(tmp_path, replace(OPTIONS, patience_epochs=3)).adaptation == run.adaptation


def test_the_best_epoch_is_saved_wherever_it_is(tmp_path, held_out_losses):
    held_out_losses(3.0, 2.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)
    run = run_gpt(tmp_path, OPTIONS)
    assert not run.adaptation.stopped_early
    assert marks(run.records, "is_saved") == [3, 4, 8, 9]


def test_a_small_improvement_does_not_count(tmp_path, held_out_losses):
    held_out_losses(3.0, 2.95, 2.91, 2.89, 2.85, 2.85, 2.0, 2.0, 2.0)
    run = run_gpt(tmp_path, replace(OPTIONS, patience_epochs=3, min_improvement=0.1))
    assert run.adaptation.best_epoch == 7  # 4 was better than 1 by more than 0.1, 7 than 4
    assert run.epochs == list(range(1, 10))
    run = run_gpt(tmp_path, replace(OPTIONS, patience_epochs=2, min_improvement=0.1))
    assert run.epochs == [1, 2, 3] and run.adaptation.best_epoch == 1


def test_an_interrupted_run_stops_at_the_same_epoch(tmp_path, held_out_losses):
    held_out_losses(3.0, 2.0, 2.5, 2.6, 2.7, 2.8, 2.9, 0.1, 0.1)
    options = replace(OPTIONS, patience_epochs=3)
    whole = run_gpt(tmp_path / "whole", options)

    def stop(epoch, model, record):
        if epoch == 4:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        run_gpt(tmp_path / "cut", options, on_epoch=stop)
    assert_same(run_gpt(tmp_path / "cut", options), whole)
    assert whole.epochs == [1, 2, 3, 4, 5]


def test_without_held_out_clips_training_ends_late_with_a_warning(tmp_path, caplog):
    run = run_gpt(tmp_path, replace(OPTIONS, n_epochs=3, patience_epochs=1), held_out_clips=[])
    assert run.epochs == [1, 2, 3]
    assert run.adaptation.best_epoch is None and not run.adaptation.stopped_early
    assert "no held-out clips, so training cannot end early" in caplog.text
    assert all(row["held_out_loss"] is None for row in run.adaptation.rows())


def test_a_held_out_loss_of_nan_stops_training(tmp_path, held_out_losses):
    held_out_losses(3.0, float("nan"))
    with pytest.raises(TrainingDivergedError, match="held-out loss is nan after epoch 2"):
        run_gpt(tmp_path, OPTIONS)


def break_losses(monkeypatch, calls):
    """Make the loss NaN in these batches, counted from 1."""
    real, seen = gpt.token_loss, []

    def token_loss(logits, targets):
        if torch.is_grad_enabled():
            seen.append(1)
        loss = real(logits, targets)
        return loss._replace(total=loss.total * float("nan")) if len(seen) in calls else loss

    monkeypatch.setattr(gpt, "token_loss", token_loss)


def test_steps_that_are_not_finite_are_skipped_and_counted(tmp_path, monkeypatch):
    break_losses(monkeypatch, {2, 4, 5})
    options = replace(GPT_OPTIONS, n_epochs=3, max_skipped_steps=2)
    run = run_gpt(tmp_path, options, held_out_clips=[])
    assert [r.n_skipped_steps for r in run.records] == [1, 2, 0]
    assert [r.n_steps for r in run.records] == [3, 6, 9]
    assert all(weight.isfinite().all() for weight in run.weights.values())
    assert all(r.train["loss"] < 5 for r in run.records)


def test_an_epoch_of_skipped_steps_has_no_losses(tmp_path, monkeypatch):
    break_losses(monkeypatch, {1, 2, 3})
    run = run_gpt(tmp_path, replace(GPT_OPTIONS, n_epochs=2, max_skipped_steps=3), held_out_clips=[])
    assert run.records[0].train == {"loss": None, "top3_accuracy": None}
    assert run.adaptation.rows()[0]["train_loss"] is None
    assert run.records[1].train["loss"] > 0


def test_too_many_skipped_steps_in_a_row_are_an_error_across_epochs(tmp_path, monkeypatch):
    break_losses(monkeypatch, {3, 4, 5})
    with pytest.raises(TrainingDivergedError, match="at epoch 2, step 5, after 2 skipped steps in a row"):
        run_gpt(tmp_path, replace(GPT_OPTIONS, max_skipped_steps=2), held_out_clips=[])


def test_every_row_of_the_curve_has_the_same_columns(tmp_path):
    run = run_gpt(tmp_path, replace(GPT_OPTIONS, n_epochs=2), train_clips=gpt_clips(3))
    assert list(run.adaptation.rows()[0]) == [
        *("epoch", "n_steps", "n_skipped_steps", "learning_rate", "train_loss", "train_top3_accuracy"),
        *("held_out_loss", "held_out_top3_accuracy", "is_best", "is_saved"),
    ]
