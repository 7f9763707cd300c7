"""Fine-tuning of SoVITS: it learns, leaves the quantiser alone, and resumes bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sovits_tiny import TINY, TINY_DISCRIMINATOR, tiny_clip, tiny_sovits

from gpt_sovits.adaptation.sovits import AdaptSoVITSOptions, EpochRecord, adapt_sovits
from gpt_sovits.adaptation.training import TrainingDivergedError
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.weights.checkpoint import CheckpointError

OPTIONS = AdaptSoVITSOptions(
    n_epochs=3,
    batch_size=2,
    segment_frames=8,
    learning_rate=1e-3,
    text_low_lr_rate=0.4,
    mel_weight=45.0,
    kl_weight=1.0,
    gradient_clip_norm=1000.0,
    save_every_epochs=2,
    seed=7,
    n_threads=1,
)
TRAIN = [tiny_clip(n, i) for i, n in enumerate((20, 31, 12, 26, 6))]  # an odd one, and one shorter than a crop
HELD_OUT = [tiny_clip(18, 10), tiny_clip(6, 11)]


def _discriminator_state() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Discriminator(TINY_DISCRIMINATOR).state_dict()


def _train(
    folder: Path,
    options: AdaptSoVITSOptions = OPTIONS,
    on_epoch: Callable[[int, SoVITS, EpochRecord], None] | None = None,
    **changes: object,
) -> tuple[list[EpochRecord], dict[str, torch.Tensor]]:
    weights: dict[str, torch.Tensor] = {}

    def keep(epoch: int, model: SoVITS, record: EpochRecord) -> None:
        weights.update({k: v.clone() for k, v in model.state_dict().items()})
        if on_epoch:
            on_epoch(epoch, model, record)

    arguments = {
        "config": TINY,
        "state": tiny_sovits().state_dict(),
        "discriminator_config": TINY_DISCRIMINATOR,
        "discriminator_state": _discriminator_state(),
        "train_clips": TRAIN,
        "held_out_clips": HELD_OUT,
        "options": options,
        "resume_folder": folder,
        "on_epoch": keep,
    }
    return adapt_sovits(**arguments | changes), weights


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[EpochRecord], dict[str, torch.Tensor]]:
    return _train(tmp_path_factory.mktemp("undisturbed"))


def _assert_same(a: tuple, b: tuple) -> None:
    assert a[0] == b[0]
    assert a[1].keys() == b[1].keys()
    different = [name for name in a[1] if not torch.equal(a[1][name], b[1][name])]
    assert not different


def test_same_inputs_same_bits(undisturbed: tuple, tmp_path: Path) -> None:
    torch.manual_seed(99)
    _assert_same(_train(tmp_path), undisturbed)


@pytest.mark.parametrize("at_call", [2, 5, 8])
def test_killed_inside_an_epoch_it_ends_as_undisturbed(
    undisturbed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_call: int
) -> None:
    """Three steps an epoch: calls 2, 5 and 8 of the generator's forward are the middle of epoch 1, 2 and 3."""
    calls, forward = [0], SoVITS.forward

    def counted(self: SoVITS, *args: object) -> object:
        calls[0] += self.training
        if calls[0] == at_call and self.training:
            raise KeyboardInterrupt
        return forward(self, *args)

    monkeypatch.setattr(SoVITS, "forward", counted)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path)
    monkeypatch.undo()
    torch.manual_seed(1)
    _assert_same(_train(tmp_path), undisturbed)


def test_killed_between_epochs_it_ends_as_undisturbed(undisturbed: tuple, tmp_path: Path) -> None:
    def stop_after_first(epoch: int, _model: SoVITS, _record: EpochRecord) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path, on_epoch=stop_after_first)
    seen: list[int] = []
    resumed = _train(tmp_path, on_epoch=lambda epoch, _m, _r: seen.append(epoch))
    assert seen == [2, 3]  # the second again: its state was not stored yet
    _assert_same(resumed, undisturbed)
    seen.clear()
    assert _train(tmp_path, on_epoch=lambda epoch, _m, _r: seen.append(epoch))[0] == undisturbed[0]
    assert seen == []  # all done


def test_a_state_of_other_options_is_not_used(undisturbed: tuple, tmp_path: Path) -> None:
    _train(tmp_path, replace(OPTIONS, n_epochs=1, seed=8))
    _assert_same(_train(tmp_path), undisturbed)


def test_records_and_what_stays_frozen(undisturbed: tuple) -> None:
    records, weights = undisturbed
    base = tiny_sovits().state_dict()
    assert [r.epoch for r in records] == [1, 2, 3]
    assert [r.n_steps for r in records] == [3, 6, 9]
    assert [r.is_saved for r in records] == [False, True, True]
    assert records[0].learning_rate == pytest.approx(1e-3 * 0.999875)
    same = {name for name in base if torch.equal(base[name], weights[name])}
    assert same == {name for name in base if name.startswith(("quantizer.", "ssl_proj."))}
    for r in records:
        assert r.train_discriminator_loss > 0
        assert r.held_out_mel_loss > 0


def test_it_learns(tmp_path: Path) -> None:
    options = replace(OPTIONS, n_epochs=15, learning_rate=2e-3, adversarial_weight=0.0, feature_weight=0.0)
    records, _ = _train(tmp_path, options)
    assert records[-1].train_mel_loss < 0.8 * records[0].train_mel_loss
    assert records[-1].held_out_mel_loss < 0.8 * records[0].held_out_mel_loss
    assert records[-1].held_out_kl_loss < records[0].held_out_kl_loss
    assert records[-1].train_discriminator_loss == 0


def test_slow_parts_learn_at_their_own_rate(tmp_path: Path) -> None:
    _, weights = _train(tmp_path, replace(OPTIONS, n_epochs=1, text_low_lr_rate=0.0))
    base = tiny_sovits().state_dict()
    slow = ("enc_p.text_embedding.", "enc_p.encoder_text.", "enc_p.mrte.")
    assert all(torch.equal(base[n], weights[n]) for n in base if n.startswith(slow))
    assert not torch.equal(base["enc_p.proj.weight"], weights["enc_p.proj.weight"])


def test_without_held_out_clips_there_are_no_such_losses(tmp_path: Path) -> None:
    records, _ = _train(tmp_path, replace(OPTIONS, n_epochs=1), held_out_clips=[])
    assert records[0].held_out_mel_loss is None
    assert records[0].held_out_kl_loss is None


def test_a_loss_that_is_no_number_stops_at_once(tmp_path: Path) -> None:
    state = tiny_sovits().state_dict()
    state["dec.conv_pre.bias"] = torch.full_like(state["dec.conv_pre.bias"], float("nan"))
    with pytest.raises(TrainingDivergedError, match="at epoch 1, step 1; it must be finite"):
        _train(tmp_path, state=state)
    with pytest.raises(TrainingDivergedError, match="adapt_sovits"):
        _train(tmp_path, replace(OPTIONS, learning_rate=1e18))


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
        _train(tmp_path, train_clips=[replace(TRAIN[0], **change)])


def test_nothing_to_train_on_and_weights_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no clips to train on"):
        _train(tmp_path, train_clips=[])
    with pytest.raises(CheckpointError, match="the base's sovits does not fit its config: missing"):
        _train(tmp_path, state={"x": torch.zeros(1)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_epochs": 0}, "n_epochs must be at least 1"),
        ({"segment_frames": 4}, "segment_frames must be at least 8"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number above 0"),
        ({"text_low_lr_rate": 1.5}, "text_low_lr_rate must be at most 1"),
        ({"kl_weight": -1.0}, "kl_weight must be a finite number of at least 0"),
    ],
)
def test_wrong_options_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(OPTIONS, **change)
