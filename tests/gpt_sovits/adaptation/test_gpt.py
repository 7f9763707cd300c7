"""Fine-tuning of the GPT: the loss falls, runs are deterministic, and settings do what they say."""

import dataclasses
from dataclasses import replace

import pytest
import torch
from adaptation_tiny import (
    GPT_OPTIONS,
    TINY_GPT,
    InterruptionError,
    assert_same,
    gpt_clips,
    gpt_state,
    run_gpt,
)
from torch.optim.optimizer import register_optimizer_step_pre_hook

from gpt_sovits.adaptation.gpt_batch import GPTClip
from gpt_sovits.adaptation.loop import TrainingDivergedError
from gpt_sovits.adaptation.precision import Stepper
from gpt_sovits.adaptation.scaled_adam import ScaledAdam
from gpt_sovits.adaptation.state import STATE_FILE
from gpt_sovits.gpt.model import GPT
from gpt_sovits.weights.checkpoint import CheckpointError


def rates_used(run):
    """Return (class of the optimiser, rates of the groups) for each step of `run`."""
    seen = []
    handle = register_optimizer_step_pre_hook(
        lambda optimizer, *_: seen.append((type(optimizer), [group["lr"] for group in optimizer.param_groups]))
    )
    try:
        run()
    finally:
        handle.remove()
    return seen


def test_the_loss_falls_and_the_curve_is_complete(tmp_path):
    records = run_gpt(tmp_path, replace(GPT_OPTIONS, n_epochs=12)).records
    assert [r.epoch for r in records] == list(range(1, 13))
    assert [r.n_steps for r in records] == [3 * e for e in range(1, 13)]
    assert records[-1].train["loss"] < records[0].train["loss"] - 0.3
    assert records[-1].held_out["loss"] < records[0].held_out["loss"]
    assert records[-1].train["top3_accuracy"] > records[0].train["top3_accuracy"]
    assert {r.epoch for r in records if r.is_saved} >= set(range(2, 13, 2))


def test_the_configured_learning_rate_is_the_one_used(tmp_path):
    options = replace(GPT_OPTIONS, n_epochs=2, warmup_steps=4, learning_rate_factors={"h.layers.1": 0.1})
    seen = rates_used(lambda: run_gpt(tmp_path, options))
    assert all(kind is torch.optim.AdamW for kind, _ in seen)
    fast = [max(rates) for _, rates in seen]
    assert fast == pytest.approx([0.75e-3, 1.5e-3, 2.25e-3, 3e-3, 3e-3, 3e-3])
    assert [min(rates) for _, rates in seen] == pytest.approx([0.1 * rate for rate in fast])


def test_the_same_inputs_give_the_same_bits_and_global_state_is_restored(tmp_path):
    torch.manual_seed(5)
    before = (torch.get_rng_state(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    run = run_gpt(tmp_path / "a")
    torch.rand(7)
    assert_same(run, run_gpt(tmp_path / "b"))
    torch.manual_seed(5)
    assert before[0].equal(torch.get_rng_state())
    assert before[1:] == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())


def test_another_seed_gives_other_weights(tmp_path):
    runs = [run_gpt(tmp_path / str(seed), replace(GPT_OPTIONS, n_epochs=1, seed=seed)) for seed in (1, 2)]
    assert not runs[0].weights["ar_predict_layer.weight"].equal(runs[1].weights["ar_predict_layer.weight"])


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_accumulated_batches_give_the_step_of_one_batch(tmp_path, batch_size):
    """Seven clips in batches of up to three. The step weighs the smaller last batch by its tokens."""
    options = replace(GPT_OPTIONS, n_epochs=2, batch_size=7, gradient_clip_norm=0.05)
    inputs = {"train_clips": gpt_clips(7), "config": replace(TINY_GPT, dropout=0.0)}
    whole = run_gpt(tmp_path / "whole", options, **inputs)
    parts = run_gpt(tmp_path / "parts", replace(options, batch_size=batch_size, accumulate_batches=7), **inputs)
    assert [r.n_steps for r in parts.records] == [1, 2]
    for record, expected in zip(parts.records, whole.records, strict=True):
        assert record.train["loss"] == pytest.approx(expected.train["loss"], rel=1e-5)
        assert record.held_out["loss"] == pytest.approx(expected.held_out["loss"], rel=1e-5)
    for name, weights in whole.weights.items():
        accumulated = parts.weights[name]
        if name.endswith("in_proj_bias"):  # attention ignores the keys' bias, whose gradient is only rounding
            accumulated, weights = (torch.cat((b[: len(b) // 3], b[2 * len(b) // 3 :])) for b in (accumulated, weights))
        torch.testing.assert_close(accumulated, weights, rtol=1e-4, atol=2e-5)


def test_an_epochs_last_step_takes_what_is_left(tmp_path):
    options = replace(GPT_OPTIONS, n_epochs=1, batch_size=1, accumulate_batches=3)
    assert run_gpt(tmp_path, options, train_clips=gpt_clips(7)).records[0].n_steps == 3


def test_frozen_modules_stay_and_all_others_are_trained(tmp_path):
    frozen = ("h.layers.0", "ar_text_embedding")
    weights = run_gpt(tmp_path, replace(GPT_OPTIONS, n_epochs=1, frozen=frozen)).weights
    for name, before in gpt_state().items():
        # Without BERT features the projection's matrix has no gradient
        assert weights[name].equal(before) == name.startswith((*frozen, "bert_proj.weight")), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frozen": ("h.layers.7",)}, r"no module 'h.layers.7' to freeze or to slow down; there are \['ar_audio"),
        ({"learning_rate_factors": {"nothing": 0.5}}, "no module 'nothing'"),
        ({"frozen": ("h",), "learning_rate_factors": {"h": 0.5}}, "h is in `frozen` and in `learning_rate_factors`"),
        (
            {"frozen": tuple(sorted({name.split(".")[0] for name in gpt_state()}))},
            "everything is frozen, so there is nothing to train",
        ),
    ],
)
def test_impossible_parameter_groups_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        run_gpt(tmp_path, replace(GPT_OPTIONS, **change))


def test_the_upstream_recipe_has_its_own_optimiser_rates_and_steps(tmp_path):
    """40 clips are repeated to 80 and come in batches of 10.

    An epoch steps once, after five batches, and the gradient of the other three is kept for the next epoch.
    """
    train = gpt_clips(40)
    options = replace(GPT_OPTIONS, recipe="upstream", n_epochs=2, batch_size=10, accumulate_batches=2)
    runs = []
    seen = rates_used(lambda: runs.append(run_gpt(tmp_path / "a", options, train_clips=train)))
    assert [r.n_steps for r in runs[0].records] == [1, 2]
    assert seen == [(ScaledAdam, [0.01]), (ScaledAdam, [0.002])]
    ignored = replace(options, learning_rate=1.0, warmup_steps=50, weight_decay=0.9, gradient_clip_norm=1e-9)
    assert_same(run_gpt(tmp_path / "b", ignored, train_clips=train), runs[0])


def test_an_upstream_epoch_too_short_for_a_step_is_refused(tmp_path):
    """Four batches are one too few. The original would run all epochs and return the base."""
    options = replace(GPT_OPTIONS, recipe="upstream", n_epochs=1, batch_size=25)
    with pytest.raises(
        ValueError, match=r"upstream takes no step in an epoch of 4 batches, .* batch_size is 25, set a"
    ):
        run_gpt(tmp_path, options, train_clips=gpt_clips(50))


def test_the_upstream_loss_is_a_sum_that_counts_padding(tmp_path, monkeypatch):
    seen = {"voxfoundry": [], "upstream": []}
    backward = Stepper.backward
    for recipe, losses in seen.items():

        def record_loss(self, loss, losses=losses):
            losses.append(loss.item())
            backward(self, loss)

        monkeypatch.setattr(Stepper, "backward", record_loss)
        options = replace(GPT_OPTIONS, recipe=recipe, n_epochs=1, batch_size=10)
        record = run_gpt(tmp_path / recipe, options, train_clips=gpt_clips(40)).records[0]
        assert record.train["loss"] == pytest.approx(3.5, abs=0.3)  # the curve shows the mean over real tokens
    assert max(seen["voxfoundry"]) < 5
    assert min(seen["upstream"]) > 10 * 8 * 3.0  # ten clips of at least 8 tokens and an end


def test_damaged_clips_are_an_option_with_separate_seeds(tmp_path):
    plain = run_gpt(tmp_path / "plain", replace(GPT_OPTIONS, n_epochs=1))
    options = replace(GPT_OPTIONS, n_epochs=1, preference_weight=1.0)
    preferring = run_gpt(tmp_path / "a", options)
    assert_same(preferring, run_gpt(tmp_path / "b", options))
    assert not plain.weights["ar_predict_layer.weight"].equal(preferring.weights["ar_predict_layer.weight"])


def test_upstream_padding_is_used_only_by_the_upstream_recipe(tmp_path, monkeypatch):
    seen = set()
    forward = GPT.forward

    def record_padding(self, *arguments, upstream_padding):
        seen.add((self.training, upstream_padding))
        return forward(self, *arguments, upstream_padding=upstream_padding)

    monkeypatch.setattr(GPT, "forward", record_padding)
    run_gpt(tmp_path / "a", replace(GPT_OPTIONS, n_epochs=1))
    assert seen == {(True, False), (False, False)}
    seen.clear()
    run_gpt(tmp_path / "b", replace(GPT_OPTIONS, n_epochs=1, recipe="upstream"))
    assert seen == {(True, True), (False, False)}  # held-out losses of both recipes can be compared


def test_training_in_bfloat16_works_and_keeps_float32_weights(tmp_path):
    plain = run_gpt(tmp_path / "a", replace(GPT_OPTIONS, n_epochs=8))
    mixed = run_gpt(tmp_path / "b", replace(GPT_OPTIONS, n_epochs=8, precision="bf16"))
    assert {weight.dtype for weight in mixed.weights.values()} == {torch.float32}
    assert mixed.records != plain.records
    assert mixed.records[-1].held_out["loss"] == pytest.approx(plain.records[-1].held_out["loss"], abs=0.05)


@pytest.mark.parametrize("what", ["options", "clips", "base"])
def test_a_state_of_other_inputs_is_removed_and_not_mixed_in(tmp_path, what, caplog):
    changed = {
        "options": {"options": replace(GPT_OPTIONS, learning_rate=1e-3)},
        "clips": {"train_clips": gpt_clips(7)},
        "base": {"state": {k: v + 0.01 for k, v in gpt_state().items()}},
    }[what]
    fresh = run_gpt(tmp_path / "fresh", **changed)
    run_gpt(tmp_path / "used")
    assert_same(run_gpt(tmp_path / "used", **changed), fresh)
    assert "belongs to other inputs" in caplog.text


def test_an_unreadable_state_counts_as_none(tmp_path, caplog):
    run = run_gpt(tmp_path)
    (tmp_path / STATE_FILE).write_bytes(b"\x00" * 40)
    (tmp_path / f"{STATE_FILE}.123.tmp").write_bytes(b"half")
    assert_same(run_gpt(tmp_path), run)
    assert "cannot be read" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == [STATE_FILE]


def test_a_finished_run_is_not_repeated(tmp_path):
    run = run_gpt(tmp_path)
    again = run_gpt(tmp_path)
    assert again.adaptation == run.adaptation and again.epochs == []


def test_an_epoch_whose_state_was_not_stored_is_reported_again(tmp_path):
    def stop(epoch, model, record):
        if epoch == 2:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        run_gpt(tmp_path, on_epoch=stop)
    assert run_gpt(tmp_path).epochs == [2, 3, 4]


def test_bert_features_of_some_clips_count(tmp_path):
    train = gpt_clips(4)
    with_bert = [replace(c, bert_features=torch.ones(8, len(c.phoneme_ids))) for c in train[:2]]
    zeros = [replace(c, bert_features=torch.zeros(8, len(c.phoneme_ids))) for c in train]
    options = replace(GPT_OPTIONS, n_epochs=1)
    plain, mixed, zero = (
        run_gpt(tmp_path / str(i), options, train_clips=clips).records[0].train["loss"]
        for i, clips in enumerate((train, with_bert + train[2:], zeros))
    )
    assert mixed != plain
    assert zero == pytest.approx(plain, rel=1e-5)


def test_a_nan_loss_stops_training_at_once_without_a_state(tmp_path):
    state = {k: v.clone() for k, v in gpt_state().items()}
    state["bert_proj.bias"][0] = float("nan")
    with pytest.raises(TrainingDivergedError, match=r"training loss is nan at epoch 1, step 1;.*learning rate"):
        run_gpt(tmp_path, state=state)
    assert not (tmp_path / STATE_FILE).exists()


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (GPTClip("bad", torch.zeros(0, dtype=torch.int64), torch.tensor([1])), r"clip bad: phoneme_ids must be \(1"),
        (GPTClip("bad", torch.tensor([1]), torch.tensor([32])), r"clip bad: tokens must be in \[0, 32\), found 32..32"),
        (GPTClip("bad", torch.tensor([1]), torch.tensor([1]), torch.zeros(8, 2)), r"bert_features must be \(8, 1\)"),
    ],
)
def test_clips_that_cannot_be_trained_on_are_named(tmp_path, clip, message):
    with pytest.raises(ValueError, match=message):
        run_gpt(tmp_path, train_clips=[*gpt_clips(2), clip])
    with pytest.raises(ValueError, match="no clips to train on"):
        run_gpt(tmp_path, train_clips=[])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_epochs": 0}, "adapt_gpt: n_epochs must be at least 1, not 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, not 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, not nan"),
        ({"warmup_steps": -1}, "warmup_steps must be at least 0"),
        ({"accumulate_batches": 0}, "accumulate_batches must be at least 1"),
        ({"recipe": "original"}, r"recipe must be one of \['upstream', 'voxfoundry'\], not 'original'"),
        ({"precision": "fp8"}, r"precision must be one of \['bf16', 'fp16', 'fp32'\]"),
        ({"precision": "fp16"}, "precision fp16 works on device cuda only, not on cpu; use bf16 or fp32"),
        ({"learning_rate_factors": {"h": 0.0}}, "learning_rate_factors.h must be above 0, not 0.0"),
        ({"max_dropped_share": 1.5}, "max_dropped_share must be at least 0 and at most 1|must be at most 1"),
        ({"min_clip_seconds": 2.0, "max_clip_seconds": 1.0}, r"max_clip_seconds \(1.0\) must be above"),
    ],
)
def test_impossible_options_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(GPT_OPTIONS, **change)


def test_epochs_that_are_not_set_follow_the_originals_web_interface():
    options = replace(GPT_OPTIONS, n_epochs=None, save_every_epochs=None)
    assert (options.n_epochs, options.save_every_epochs) == (15, 5)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    state = {name: weight for name, weight in gpt_state().items() if name != "bert_proj.bias"}
    with pytest.raises(CheckpointError, match=r"the base's gpt does not fit its config: missing bert_proj\.bias"):
        run_gpt(tmp_path, state=state)


def test_options_have_every_setting_once():
    names = [field.name for field in dataclasses.fields(GPT_OPTIONS)]
    assert len(names) == len(set(names))
