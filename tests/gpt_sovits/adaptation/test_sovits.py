"""Fine-tuning of the SoVITS: the loss falls, the quantiser stays frozen, and settings do what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from adaptation_tiny import (
    SOVITS_OPTIONS,
    SOVITS_TRAIN,
    Run,
    assert_same,
    discriminator_state,
    killed_at,
    run_sovits,
)
from sovits_tiny import TINY, TINY_HARMONICS, TINY_ISTFT, tiny_clip, tiny_sovits
from torch.optim.optimizer import register_optimizer_step_pre_hook

from gpt_sovits.adaptation.loop import TrainingDivergedError
from gpt_sovits.adaptation.precision import Stepper
from gpt_sovits.adaptation.sovits_recipe import extend_to_min_steps
from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.pitch import track_pitch
from gpt_sovits.weights.checkpoint import CheckpointError

LONG_CLIPS = [tiny_clip(n, i) for i, n in enumerate((40, 44, 36))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_sovits(tmp_path_factory.mktemp("undisturbed"))


def test_same_inputs_same_bits(undisturbed: Run, tmp_path: Path) -> None:
    torch.manual_seed(99)
    assert_same(run_sovits(tmp_path), undisturbed)


def test_a_finished_run_is_not_repeated_and_a_state_of_other_options_not_used(undisturbed: Run, tmp_path: Path) -> None:
    run_sovits(tmp_path, replace(SOVITS_OPTIONS, n_epochs=1, seed=8))
    assert_same(run_sovits(tmp_path), undisturbed)
    again = run_sovits(tmp_path)
    assert again.adaptation == undisturbed.adaptation and again.epochs == []


def test_records_are_complete_and_the_quantiser_stays_frozen(undisturbed: Run) -> None:
    base = tiny_sovits().state_dict()
    assert [r.epoch for r in undisturbed.records] == [1, 2, 3]
    assert [r.n_steps for r in undisturbed.records] == [3, 6, 9]
    assert [r.is_saved for r in undisturbed.records] == [False, True, True]
    same = {name for name in base if torch.equal(base[name], undisturbed.weights[name])}
    assert same == {name for name in base if name.startswith(("quantizer.", "ssl_proj."))}
    for r in undisturbed.records:
        assert r.train["discriminator_loss"] > 0
        assert r.held_out["loss"] == pytest.approx(45 * r.held_out["mel_loss"] + r.held_out["kl_loss"])


def test_a_sovits_with_an_istft_generator_is_trained(tmp_path: Path) -> None:
    base = tiny_sovits(config=TINY_ISTFT).state_dict()
    run = run_sovits(tmp_path, replace(SOVITS_OPTIONS, n_epochs=1), config=TINY_ISTFT, state=base)
    assert run.records[0].held_out["mel_loss"] > 0
    same = {name for name in base if torch.equal(base[name], run.weights[name])}
    assert same == {name for name in base if name.startswith(("quantizer.", "ssl_proj."))}


def test_the_configured_learning_rate_is_the_one_used(tmp_path: Path) -> None:
    """The rate decays once per epoch from the first on, with factors for the text's modules only."""
    seen = []
    handle = register_optimizer_step_pre_hook(lambda o, *_: seen.append([group["lr"] for group in o.param_groups]))
    try:
        options = replace(SOVITS_OPTIONS, n_epochs=2, batch_size=5, learning_rate_decay=0.5)
        records = run_sovits(tmp_path, options).records
    finally:
        handle.remove()
    rates = [r.learning_rate for r in records]
    assert rates == pytest.approx([0.5e-3, 0.25e-3])
    expected = [[rates[0]], [rates[0], 0.4 * rates[0]], [rates[1]], [rates[1], 0.4 * rates[1]]]
    assert seen == [pytest.approx(e) for e in expected]


def test_a_voice_with_few_clips_gets_more_epochs_until_min_steps(
    tmp_path: Path,
) -> None:
    options = replace(SOVITS_OPTIONS, n_epochs=1, save_every_epochs=1, learning_rate_decay=0.5, min_steps=8)
    run = run_sovits(tmp_path, options)  # 5 clips in batches of 2: 3 steps per epoch
    assert [record.n_steps for record in run.records] == [3, 6, 9]
    assert run.records[-1].learning_rate == pytest.approx(0.5 * options.learning_rate)
    assert extend_to_min_steps(options, 3).save_every_epochs == 3
    assert extend_to_min_steps(replace(options, min_steps=2), 3) == replace(options, min_steps=2)
    assert extend_to_min_steps(replace(options, recipe="upstream"), 3).n_epochs == 1


def test_the_loss_falls(tmp_path: Path) -> None:
    options = replace(SOVITS_OPTIONS, n_epochs=15, learning_rate=2e-3, adversarial_weight=0.0, feature_weight=0.0)
    records = run_sovits(tmp_path, options).records
    assert records[-1].train["mel_loss"] < 0.8 * records[0].train["mel_loss"]
    assert records[-1].held_out["mel_loss"] < 0.8 * records[0].held_out["mel_loss"]
    assert records[-1].held_out["kl_loss"] < records[0].held_out["kl_loss"]
    assert records[-1].train["discriminator_loss"] == 0


def test_losses_of_the_prior_improve_what_tokens_and_text_give(
    tmp_path: Path,
) -> None:
    weights = {"latent_weight": 30.0, "prior_mel_weight": 45.0, "adversarial_weight": 0.0, "feature_weight": 0.0}
    options = replace(SOVITS_OPTIONS, n_epochs=12, learning_rate=2e-3, frozen=("enc_q",), **weights)
    run = run_sovits(tmp_path, options)
    first, last = run.records[0], run.records[-1]
    for name in ("latent_loss", "prior_mel_loss"):
        assert last.train[name] < first.train[name]
        assert last.held_out[name] < first.held_out[name]
    parts = last.held_out
    total = 45 * (parts["mel_loss"] + parts["prior_mel_loss"]) + parts["kl_loss"] + 30 * parts["latent_loss"]
    assert parts["loss"] == pytest.approx(total)


def test_a_base_with_harmonics_learns_the_pitch_of_the_speech(tmp_path: Path) -> None:
    weights = {"pitch_weight": 2.0, "latent_weight": 30.0, "adversarial_weight": 0.0, "feature_weight": 0.0}
    options = replace(SOVITS_OPTIONS, n_epochs=12, learning_rate=2e-3, frozen=("enc_q",), **weights)
    base = tiny_sovits(config=TINY_HARMONICS).state_dict()
    run = run_sovits(tmp_path, options, config=TINY_HARMONICS, state=base)
    first, last = run.records[0], run.records[-1]
    assert last.train["pitch_loss"] < 0.7 * first.train["pitch_loss"]
    assert last.held_out["pitch_loss"] < 0.7 * first.held_out["pitch_loss"]
    parts = last.held_out
    total = 45 * parts["mel_loss"] + parts["kl_loss"] + 30 * parts["latent_loss"] + 2 * parts["pitch_loss"]
    assert parts["loss"] == pytest.approx(total)
    without = run_sovits(
        tmp_path / "other", replace(options, n_epochs=1, pitch_weight=0.0), config=TINY_HARMONICS, state=base
    )
    assert "pitch_loss" not in without.records[0].held_out and without.records[0].train["pitch_loss"] == 0


def test_the_pitch_of_a_clip_does_not_depend_on_the_batch_that_pads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, set[tuple[int, ...]]] = {}

    def tracked(waveform: torch.Tensor, sample_rate: int) -> tuple[torch.Tensor, torch.Tensor]:
        seen.setdefault(batch_size, set()).add(tuple(waveform.shape))
        return track_pitch(waveform, sample_rate)

    monkeypatch.setattr("gpt_sovits.adaptation.sovits.track_pitch", tracked)
    base = tiny_sovits(config=TINY_HARMONICS).state_dict()
    for batch_size in (1, 5):
        options = replace(SOVITS_OPTIONS, n_epochs=1, batch_size=batch_size, pitch_weight=2.0)
        run_sovits(tmp_path / str(batch_size), options, config=TINY_HARMONICS, state=base)
    assert seen[1] == seen[5] and len(seen[1]) > 2


def test_frozen_modules_stay_and_all_others_are_trained(tmp_path: Path) -> None:
    frozen = ("enc_p.text_embedding", "enc_p.encoder_text", "ref_enc")
    options = replace(SOVITS_OPTIONS, n_epochs=1, frozen=frozen, learning_rate_factors={"enc_p.mrte": 0.1})
    weights = run_sovits(tmp_path, options).weights
    for name, before in tiny_sovits().state_dict().items():
        assert weights[name].equal(before) == name.startswith((*frozen, "quantizer.", "ssl_proj.")), name


@pytest.mark.parametrize("batch_size", [1, 2])
def test_accumulated_batches_give_the_step_of_one_batch(
    tmp_path: Path, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips of different lengths, one shorter than a crop. Each loss is weighed by what its mean is taken over."""
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda _, x: x)  # it would draw other numbers for other batches
    options = replace(SOVITS_OPTIONS, n_epochs=2, batch_size=5)
    whole = run_sovits(tmp_path / "whole", options)
    parts = run_sovits(tmp_path / "parts", replace(options, batch_size=batch_size, accumulate_batches=5))
    assert [r.n_steps for r in parts.records] == [1, 2]
    for record, expected in zip(parts.records, whole.records, strict=True):
        for name, value in expected.train.items():
            assert record.train[name] == pytest.approx(value, rel=1e-3), name
    differences = torch.cat([(parts.weights[n] - w).float().abs().flatten() for n, w in whole.weights.items()])
    # Two steps of up to 1e-3 each. Where a gradient is zero except for rounding, AdamW may step in either direction
    assert (differences > 1e-5).float().mean() < 0.01


def test_the_upstream_recipe_uses_only_long_clips_and_repeats_them(tmp_path: Path) -> None:
    """Three clips are repeated to 99, which gives ten batches of ten. All other clips are dropped."""
    options = replace(SOVITS_OPTIONS, recipe="upstream", n_epochs=1, batch_size=10, accumulate_batches=7)
    unclipped = replace(options, gradient_clip_norm=1e-6)
    run = run_sovits(tmp_path / "a", options, train_clips=[*LONG_CLIPS, tiny_clip(32, 8)])
    assert run.records[0].n_steps == 10
    assert [(c.clip_id, c.reason) for c in run.adaptation.dropped if c.clip_id == "clip8"] == [
        ("clip8", "0.64 seconds, allowed: 0.66 to 38")
    ]
    assert_same(run_sovits(tmp_path / "b", unclipped, train_clips=LONG_CLIPS), run)


def test_training_in_bfloat16_works_and_keeps_float32_weights(tmp_path: Path) -> None:
    # Wider than TINY, because on CPUs with AMX PyTorch 2.11 gets strided bfloat16 convolutions of 8 channels wrong
    wide = SoVITSConfig.from_dict(TINY.to_dict() | {"upsample_initial_channel": 64})
    whole, half = (
        run_sovits(
            tmp_path / precision,
            replace(SOVITS_OPTIONS, precision=precision),
            config=wide,
            state=tiny_sovits(config=wide).state_dict(),
        )
        for precision in ("fp32", "bf16")
    )
    floating = [weight for weight in half.weights.values() if weight.is_floating_point()]
    assert {weight.dtype for weight in floating} == {torch.float32}
    assert half.records != whole.records
    assert half.records[-1].held_out["loss"] == pytest.approx(whole.records[-1].held_out["loss"], rel=0.05)


def test_without_held_out_clips_the_held_out_losses_are_missing(tmp_path: Path) -> None:
    run = run_sovits(tmp_path, replace(SOVITS_OPTIONS, n_epochs=1), held_out_clips=[])
    assert run.records[0].held_out is None
    row = run.adaptation.rows()[0]
    assert row["held_out_loss"] is None and row["held_out_mel_loss"] is None


def test_a_nan_loss_stops_training_at_once(tmp_path: Path) -> None:
    state = tiny_sovits().state_dict()
    state["dec.conv_pre.bias"] = torch.full_like(state["dec.conv_pre.bias"], float("nan"))
    with pytest.raises(
        TrainingDivergedError, match=r"adapt_sovits: .*loss is nan.* at epoch 1, step 1; it must be finite"
    ):
        run_sovits(tmp_path, state=state)
    with pytest.raises(TrainingDivergedError, match="adapt_sovits"):
        run_sovits(tmp_path, replace(SOVITS_OPTIONS, learning_rate=1e18))


def test_a_step_that_is_not_finite_is_skipped_by_both_networks_and_counted(undisturbed: Run, tmp_path: Path) -> None:
    forward, calls = SoVITS.forward, []

    def overflowing(self: SoVITS, *arguments: object, **options: object) -> object:
        out = forward(self, *arguments, **options)
        calls.append(self.training)
        return out._replace(waveforms=out.waveforms * float("nan")) if len(calls) == 2 else out

    options = replace(SOVITS_OPTIONS, max_skipped_steps=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SoVITS, "forward", overflowing)
        run = run_sovits(tmp_path, options)
    assert [r.n_skipped_steps for r in run.records] == [1, 0, 0]
    assert [r.n_steps for r in run.records] == [3, 6, 9]
    assert all(weight.isfinite().all() for weight in run.weights.values())
    assert run.records[-1].held_out["loss"] < run.records[0].held_out["loss"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phoneme_ids": torch.tensor([20])}, r"clip clip0: phoneme_ids must be in \[0, 20\), found 20..20"),
        ({"phoneme_ids": torch.zeros(0, dtype=torch.int64)}, r"phoneme_ids has shape \(0,\)"),
        ({"waveform": torch.zeros(100)}, r"waveform has shape \(100,\), it must be \(1280,\)"),
        ({"ssl_features": torch.zeros(6, 19)}, r"ssl_features has shape \(6, 19\), it must be \(6, 20\)"),
        ({"waveform": torch.full((1280,), float("nan"))}, "waveform holds NaN"),
    ],
)
def test_a_clip_that_does_not_fit_is_named(tmp_path: Path, change: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_sovits(tmp_path, train_clips=[replace(SOVITS_TRAIN[0], **change)])


def test_missing_clips_and_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no clips to train on"):
        run_sovits(tmp_path, train_clips=[])
    with pytest.raises(CheckpointError, match="the base's sovits does not fit its config: missing"):
        run_sovits(tmp_path, state={"enc_q.x": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="the base's discriminator does not fit its config"):
        run_sovits(tmp_path, discriminator_state=dict(list(discriminator_state().items())[1:]))


def test_a_base_without_posterior_encoder_is_refused(tmp_path: Path) -> None:
    state = {name: weight for name, weight in tiny_sovits().state_dict().items() if not name.startswith("enc_q.")}
    with pytest.raises(ValueError, match=r"no posterior encoder \(enc_q\).*cannot be trained further; take a base"):
        run_sovits(tmp_path, state=state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_epochs": 0}, "adapt_sovits: n_epochs must be at least 1"),
        ({"segment_frames": 4}, "segment_frames must be at least 8"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, not nan"),
        ({"learning_rate_decay": 1.5}, "learning_rate_decay must be above 0 and at most 1, not 1.5"),
        ({"kl_weight": -1.0}, "kl_weight must be at least 0"),
    ],
)
def test_wrong_options_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SOVITS_OPTIONS, **change)


def test_epochs_that_are_not_set_follow_the_originals_web_interface() -> None:
    options = replace(SOVITS_OPTIONS, n_epochs=None, save_every_epochs=None)
    assert (options.n_epochs, options.save_every_epochs) == (8, 4)


def test_one_generator_pass_serves_both_networks_unless_batches_are_accumulated(tmp_path: Path) -> None:
    for accumulated, n_passes in ((1, 5), (5, 10)):
        options = replace(SOVITS_OPTIONS, n_epochs=1, batch_size=1, accumulate_batches=accumulated)
        with killed_at(0, SoVITS, "forward") as calls, killed_at(0, Stepper, "backward") as backward:
            run_sovits(tmp_path / str(accumulated), options, held_out_clips=[])
        assert (len(calls), len(backward)) == (n_passes, 10)
