"""Fine-tuning of the GPT: it learns, it is deterministic, and an interrupted run ends like an undisturbed one."""

import dataclasses

import pytest
import torch

from gpt_sovits.adaptation import gpt as module
from gpt_sovits.adaptation.gpt import AdaptGPTOptions, EpochRecord, GPTClip, adapt_gpt
from gpt_sovits.adaptation.training import STATE_FILE, TrainingDivergedError
from gpt_sovits.gpt.model import GPT, GPTConfig

CONFIG = GPTConfig(vocab_size=33, phoneme_vocab_size=20, hidden_size=32, n_heads=4, n_layers=2, bert_dim=8)
OPTIONS = AdaptGPTOptions(
    n_epochs=4,
    batch_size=3,
    learning_rate=3e-3,
    warmup_steps=2,
    weight_decay=0.01,
    gradient_clip_norm=1.0,
    save_every_epochs=2,
    seed=1,
    n_threads=1,
)


class InterruptionError(Exception):
    """Stands for a killed process: nothing after it runs."""


def base_state():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GPT(CONFIG).state_dict()


def clips(n, seed=0):
    """Clips that can be learned: each token repeats the phoneme it stands under."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for i in range(n):
        ids = torch.randint(20, (4 + i % 5,), generator=generator)
        made.append(GPTClip(f"clip{i}", ids, ids.repeat_interleave(2)))
    return made


def run(folder, options=OPTIONS, on_epoch=None, train=None, held_out=None, state=None):
    final = {}

    def keep(epoch, model, record):
        if on_epoch:
            on_epoch(epoch, model, record)
        final.clear()
        final.update({k: v.clone() for k, v in model.state_dict().items()})

    records = adapt_gpt(
        CONFIG,
        base_state() if state is None else state,
        clips(8) if train is None else train,
        clips(2, seed=9) if held_out is None else held_out,
        options,
        folder,
        keep,
    )
    return records, final


def assert_same_weights(a, b):
    assert sorted(a) == sorted(b)
    assert all(a[k].equal(b[k]) for k in a)


def test_it_learns_and_its_curve_is_whole(tmp_path):
    records, _ = run(tmp_path, dataclasses.replace(OPTIONS, n_epochs=12))
    assert [r.epoch for r in records] == list(range(1, 13))
    assert [r.n_steps for r in records] == [3 * e for e in range(1, 13)]
    assert records[-1].train_loss < records[0].train_loss - 0.3
    assert records[-1].held_out_loss < records[0].held_out_loss
    assert records[-1].train_top3_accuracy > records[0].train_top3_accuracy
    assert [r.epoch for r in records if r.is_saved] == list(range(2, 13, 2))


def test_the_configured_learning_rate_is_the_one_used(tmp_path):
    records, _ = run(tmp_path, dataclasses.replace(OPTIONS, warmup_steps=6))
    assert [r.learning_rate for r in records] == pytest.approx([1.5e-3, 3e-3, 3e-3, 3e-3])


def test_the_same_inputs_give_the_same_bits_and_leave_no_trace(tmp_path):
    torch.manual_seed(5)
    before = (torch.get_rng_state(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    records, weights = run(tmp_path / "a")
    torch.rand(7)
    again, same = run(tmp_path / "b")
    assert records == again
    assert_same_weights(weights, same)
    torch.manual_seed(5)
    assert before[0].equal(torch.get_rng_state())
    assert before[1:] == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())


def test_another_seed_trains_otherwise(tmp_path):
    _, weights = run(tmp_path / "a")
    _, other = run(tmp_path / "b", dataclasses.replace(OPTIONS, seed=2))
    assert not weights["ar_predict_layer.weight"].equal(other["ar_predict_layer.weight"])


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_killed_after_an_epoch_it_ends_like_an_undisturbed_run(tmp_path, epoch):
    """The interruption falls before the epoch's state is stored: that epoch is run again."""

    def stop(current, model, record):
        if current == epoch:
            raise InterruptionError

    records, weights = run(tmp_path / "whole")
    with pytest.raises(InterruptionError):
        run(tmp_path / "cut", on_epoch=stop)
    epochs = []
    resumed, same = run(tmp_path / "cut", on_epoch=lambda e, model, record: epochs.append(e))
    assert epochs == list(range(epoch, 5))
    assert resumed == records
    assert_same_weights(weights, same)


@pytest.mark.parametrize("step", [2, 5, 9])
def test_killed_inside_an_epoch_it_ends_like_an_undisturbed_run(tmp_path, step, monkeypatch):
    records, weights = run(tmp_path / "whole")
    real, calls = module.clip_grad_norm_, []

    def dying(*arguments, **keywords):
        calls.append(1)
        if len(calls) == step:
            raise InterruptionError
        return real(*arguments, **keywords)

    monkeypatch.setattr(module, "clip_grad_norm_", dying)
    with pytest.raises(InterruptionError):
        run(tmp_path / "cut")
    monkeypatch.undo()
    resumed, same = run(tmp_path / "cut")
    assert resumed == records
    assert_same_weights(weights, same)


def test_a_finished_run_is_not_repeated(tmp_path):
    records, _ = run(tmp_path)
    epochs = []
    again, _ = run(tmp_path, on_epoch=lambda e, model, record: epochs.append(e))
    assert again == records and epochs == []


@pytest.mark.parametrize("what", ["options", "clips", "base"])
def test_a_state_of_other_inputs_is_removed_and_not_mixed_in(tmp_path, what, caplog):
    changed = {
        "options": {"options": dataclasses.replace(OPTIONS, learning_rate=1e-3)},
        "clips": {"train": clips(7)},
        "base": {"state": {k: v + 0.01 for k, v in base_state().items()}},
    }[what]
    _, fresh = run(tmp_path / "fresh", **changed)
    run(tmp_path / "used")
    _, weights = run(tmp_path / "used", **changed)
    assert_same_weights(fresh, weights)
    assert "belongs to other inputs" in caplog.text


def test_an_unreadable_state_counts_as_none(tmp_path, caplog):
    records, _ = run(tmp_path)
    (tmp_path / STATE_FILE).write_bytes(b"\x00" * 40)
    (tmp_path / f"{STATE_FILE}.123.tmp").write_bytes(b"half")
    again, _ = run(tmp_path)
    assert again == records
    assert "cannot be read" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == [STATE_FILE]


def test_a_loss_that_is_no_number_stops_at_once(tmp_path):
    state = {k: v.clone() for k, v in base_state().items()}
    state["bert_proj.bias"][0] = float("nan")
    with pytest.raises(TrainingDivergedError, match=r"training loss is nan at epoch 1, step 1.*learning rate"):
        run(tmp_path, state=state)
    assert not (tmp_path / STATE_FILE).exists()


def test_no_held_out_clips_give_no_held_out_loss(tmp_path):
    records, _ = run(tmp_path, dataclasses.replace(OPTIONS, n_epochs=1), held_out=[])
    assert isinstance(records[0], EpochRecord) and records[0].held_out_loss is None


def test_bert_features_of_some_clips_count(tmp_path):
    train = clips(4)
    with_bert = [dataclasses.replace(c, bert_features=torch.ones(8, len(c.phoneme_ids))) for c in train[:2]]
    options = dataclasses.replace(OPTIONS, n_epochs=1)
    plain, _ = run(tmp_path / "a", options, train=train)
    mixed, _ = run(tmp_path / "b", options, train=with_bert + train[2:])
    zeros = [dataclasses.replace(c, bert_features=torch.zeros(8, len(c.phoneme_ids))) for c in train]
    zero, _ = run(tmp_path / "c", options, train=zeros)
    assert mixed[0].train_loss != plain[0].train_loss
    assert zero[0].train_loss == pytest.approx(plain[0].train_loss, rel=1e-5)


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
        run(tmp_path, train=[*clips(2), clip])
    with pytest.raises(ValueError, match="no clips to train on"):
        run(tmp_path, train=[])


@pytest.mark.parametrize(
    "change",
    [{"n_epochs": 0}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"warmup_steps": -1}, {"batch_size": 0}],
)
def test_impossible_options_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        dataclasses.replace(OPTIONS, **change)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    state = base_state()
    del state["bert_proj.bias"]
    with pytest.raises(RuntimeError, match=r"bert_proj\.bias"):
        run(tmp_path, state=state)
