"""Fine-tunings of tiny models for the tests, and interruptions of them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from sovits_tiny import TINY, TINY_DISCRIMINATOR, tiny_clip, tiny_sovits
from torch import Tensor, nn

from gpt_sovits.adaptation.gpt import adapt_gpt
from gpt_sovits.adaptation.gpt_batch import GPTClip
from gpt_sovits.adaptation.gpt_recipe import AdaptGPTOptions
from gpt_sovits.adaptation.loop import Adaptation, EpochRecord
from gpt_sovits.adaptation.sovits import adapt_sovits
from gpt_sovits.adaptation.sovits_recipe import AdaptSoVITSOptions
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.sovits.discriminator import Discriminator

TINY_GPT = GPTConfig(vocab_size=33, phoneme_vocab_size=20, hidden_size=32, n_heads=4, n_layers=2, bert_dim=8)
GPT_OPTIONS = AdaptGPTOptions(
    n_epochs=4,
    batch_size=3,
    learning_rate=3e-3,
    warmup_steps=2,
    gradient_clip_norm=1.0,
    save_every_epochs=2,
    seed=1,
    n_threads=1,
)
SOVITS_OPTIONS = AdaptSoVITSOptions(
    n_epochs=3,
    batch_size=2,
    segment_frames=8,
    learning_rate=1e-3,
    mel_weight=45.0,
    kl_weight=1.0,
    gradient_clip_norm=1000.0,
    save_every_epochs=2,
    seed=7,
    n_threads=1,
)
SOVITS_TRAIN = [tiny_clip(n, i) for i, n in enumerate((20, 31, 12, 26, 6))]  # an odd one, and one shorter than a crop
SOVITS_HELD_OUT = [tiny_clip(18, 10), tiny_clip(6, 11)]


class InterruptionError(Exception):
    """Stand-in for a killed process. Nothing runs after it."""


@dataclass
class Run:
    """The result of one run. `weights` are those of the last epoch."""

    adaptation: Adaptation
    weights: dict[str, Tensor]
    epochs: list[int]

    @property
    def records(self) -> list[EpochRecord]:
        return self.adaptation.records


@functools.cache
def gpt_state() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GPT(TINY_GPT).state_dict()


@functools.cache
def discriminator_state() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Discriminator(TINY_DISCRIMINATOR).state_dict()


def gpt_clips(n: int, seed: int = 0) -> list[GPTClip]:
    """Return clips that can be learned, because each phoneme gives two tokens of the same number."""
    generator = torch.Generator().manual_seed(seed)
    clips = []
    for i in range(n):
        ids = torch.randint(20, (4 + i % 5,), generator=generator)
        clips.append(GPTClip(f"clip{i}", ids, ids.repeat_interleave(2)))
    return clips


def run_gpt(
    folder: Path,
    options: AdaptGPTOptions = GPT_OPTIONS,
    on_epoch: Callable[[int, nn.Module, EpochRecord], None] | None = None,
    **changes: Any,
) -> Run:
    arguments = {
        "config": TINY_GPT,
        "state": gpt_state(),
        "train_clips": gpt_clips(8),
        "held_out_clips": gpt_clips(2, seed=9),
    }
    return _run(adapt_gpt, arguments | changes, folder, options, on_epoch)


def run_sovits(
    folder: Path,
    options: AdaptSoVITSOptions = SOVITS_OPTIONS,
    on_epoch: Callable[[int, nn.Module, EpochRecord], None] | None = None,
    **changes: Any,
) -> Run:
    arguments = {
        "config": TINY,
        "state": tiny_sovits().state_dict(),
        "discriminator_config": TINY_DISCRIMINATOR,
        "discriminator_state": discriminator_state(),
        "train_clips": SOVITS_TRAIN,
        "held_out_clips": SOVITS_HELD_OUT,
    }
    return _run(adapt_sovits, arguments | changes, folder, options, on_epoch)


def _run(adapt: Callable[..., Adaptation], arguments: dict[str, Any], folder: Path, options: Any, on_epoch: Any) -> Run:
    weights, epochs = {}, []

    def keep(epoch: int, model: nn.Module, record: EpochRecord) -> None:
        epochs.append(epoch)
        if on_epoch:
            on_epoch(epoch, model, record)
        weights.clear()
        weights.update({k: v.clone() for k, v in model.state_dict().items()})

    adaptation = adapt(**arguments, options=options, resume_folder=folder, on_epoch=keep)
    return Run(adaptation, weights, epochs)


def assert_same(run: Run, other: Run) -> None:
    """Check that two runs have the same curve, and the same bits in every weight."""
    assert run.records == other.records
    assert run.weights.keys() == other.weights.keys()
    different = [name for name in run.weights if not run.weights[name].equal(other.weights[name])]
    assert not different


@contextlib.contextmanager
def killed_at(call: int, owner: Any, name: str, error: type[BaseException] = InterruptionError) -> Iterator[list[int]]:
    """Make owner.name raise at its `call`-th call, counted from 1, and yield a list with one entry per call."""
    real, calls = getattr(owner, name), []

    @functools.wraps(real)
    def raise_at_call(*arguments: Any, **keywords: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise error
        return real(*arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, raise_at_call)
        yield calls
