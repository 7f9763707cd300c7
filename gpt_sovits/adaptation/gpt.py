"""Few-shot fine-tuning of the GPT on one speaker's clips.

Plain next-token training (AdamW, the configured learning rate after a linear warm-up), batches of similar length, a
loss on held-out clips after every epoch, and a state after every epoch from which an interrupted run continues to
bit-identical weights (on a CPU with the same thread count).
"""

import dataclasses
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pad_sequence

from gpt_sovits.adaptation.training import (
    fingerprint,
    length_buckets,
    load_training_state,
    require_finite,
    save_training_state,
)
from gpt_sovits.determinism import deterministic
from gpt_sovits.gpt.loss import TokenLoss, next_token_targets, token_loss
from gpt_sovits.gpt.model import GPT, GPTConfig

BUCKET_TOKENS = 50  # 2 s at 25 Hz: clips in a batch differ by little more than this

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class GPTClip:
    """One clip's features.

    clip_id: names the clip in errors
    phoneme_ids: (X,) int64; tokens: (Y,) int64, semantic tokens at 25 Hz
    bert_features: (bert_dim, X) float32, or None where the language has none
    """

    clip_id: str
    phoneme_ids: Tensor
    tokens: Tensor
    bert_features: Tensor | None = None


@dataclasses.dataclass(frozen=True)
class AdaptGPTOptions:
    """n_epochs, batch_size, save_every_epochs, n_threads: at least 1; the last epoch is always saved
    learning_rate: above 0; the one in use once `warmup_steps` (at least 0) optimiser steps have raised it from near 0
    weight_decay: at least 0, on matrices only; gradient_clip_norm: above 0, of the whole gradient
    device: "cpu" or "cuda"
    """

    n_epochs: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    gradient_clip_norm: float
    save_every_epochs: int
    seed: int
    n_threads: int
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("n_epochs", "batch_size", "save_every_epochs", "n_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"adapt_gpt: {name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "gradient_clip_norm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"adapt_gpt: {name} must be a finite number above 0, not {value}")
        for name in ("warmup_steps", "weight_decay"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"adapt_gpt: {name} must be a finite number of at least 0, not {value}")


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """One row of the learning curve. Losses are means over tokens, in nats; accuracies are shares of tokens whose
    true value is among the three most probable. held_out_* is None without held-out clips."""

    epoch: int
    n_steps: int  # optimiser steps since the beginning
    learning_rate: float  # of the epoch's last step
    train_loss: float
    train_top3_accuracy: float
    held_out_loss: float | None
    held_out_top3_accuracy: float | None
    is_saved: bool  # whether a checkpoint of this epoch is wanted (save_every_epochs, and the last one)


def adapt_gpt(
    config: GPTConfig,
    state: Mapping[str, Tensor],
    train_clips: Sequence[GPTClip],
    held_out_clips: Sequence[GPTClip],
    options: AdaptGPTOptions,
    resume_folder: Path,
    on_epoch: Callable[[int, GPT, EpochRecord], None],
) -> list[EpochRecord]:
    """Fine-tune the base weights `state` and return one record an epoch, those before an interruption included.

    on_epoch(epoch, model, record) is called after each epoch, counted from 1, before the epoch's state is stored. An
    interrupted run continues after the last stored epoch, so on_epoch sees each epoch at least once over all runs, and
    twice with the same weights where the interruption fell between. What it writes has to outlive an interruption: keep
    it beside `resume_folder` until the end. The state stays when training ends (`remove_training_state` forgets it).

    Raises ValueError for clips that cannot be trained on, TrainingDivergedError as soon as a loss or gradient is not
    finite, RuntimeError when `state` does not fit `config`.
    """
    if not train_clips:
        raise ValueError("adapt_gpt: no clips to train on; the features stage must keep at least one training clip")
    for clip in (*train_clips, *held_out_clips):
        _check(clip, config)
    with deterministic(options.seed, options.n_threads, options.device):
        model = GPT(config)
        model.load_state_dict(dict(state), strict=True)
        model.to(options.device)
        return _train(model, state, train_clips, held_out_clips, options, resume_folder, on_epoch)


def _train(
    model: GPT,
    base_state: Mapping[str, Tensor],
    train_clips: Sequence[GPTClip],
    held_out_clips: Sequence[GPTClip],
    options: AdaptGPTOptions,
    resume_folder: Path,
    on_epoch: Callable[[int, GPT, EpochRecord], None],
) -> list[EpochRecord]:
    optimizer = _optimizer(model, options)
    belongs_to = _fingerprint(model.config, base_state, train_clips, held_out_clips, options)
    progress = load_training_state(resume_folder, {"gpt": model}, {"gpt": optimizer}, belongs_to)
    records = [EpochRecord(**values) for values in progress["records"]] if progress else []
    if records:
        log.info("adapt_gpt continues after epoch %d of %d", records[-1].epoch, options.n_epochs)
    for epoch in range(len(records) + 1, options.n_epochs + 1):
        n_steps = records[-1].n_steps if records else 0
        train, n_steps = _train_epoch(model, optimizer, train_clips, options, epoch, n_steps)
        held_out = _held_out(model, held_out_clips, options, epoch, n_steps)
        record = EpochRecord(
            epoch=epoch,
            n_steps=n_steps,
            learning_rate=optimizer.param_groups[0]["lr"],
            train_loss=train[0],
            train_top3_accuracy=train[1],
            held_out_loss=held_out[0] if held_out else None,
            held_out_top3_accuracy=held_out[1] if held_out else None,
            is_saved=epoch % options.save_every_epochs == 0 or epoch == options.n_epochs,
        )
        on_epoch(epoch, model, record)
        records.append(record)
        progress = {"epoch": epoch, "records": [dataclasses.asdict(r) for r in records]}
        save_training_state(resume_folder, {"gpt": model}, {"gpt": optimizer}, progress, belongs_to)
    return records


def _train_epoch(
    model: GPT,
    optimizer: torch.optim.Optimizer,
    clips: Sequence[GPTClip],
    options: AdaptGPTOptions,
    epoch: int,
    n_steps: int,
) -> tuple[tuple[float, float], int]:
    """((mean loss, top-3 accuracy), optimiser steps so far)."""
    model.train()
    sums = _Sums()
    lengths = [len(clip.tokens) for clip in clips]
    for batch in length_buckets(lengths, options.batch_size, options.seed, epoch, BUCKET_TOKENS):
        n_steps += 1
        warmth = min(1.0, n_steps / options.warmup_steps) if options.warmup_steps else 1.0
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * warmth
        loss = _batch_loss(model, [clips[i] for i in batch], options.device)
        require_finite("adapt_gpt: the training loss", loss.total.item(), epoch, n_steps)
        optimizer.zero_grad(set_to_none=True)
        loss.mean.backward()
        norm = clip_grad_norm_(model.parameters(), options.gradient_clip_norm)
        require_finite("adapt_gpt: the gradient's norm", norm.item(), epoch, n_steps)
        optimizer.step()
        sums.add(loss)
    return sums.means(), n_steps


@torch.no_grad()
def _held_out(
    model: GPT, clips: Sequence[GPTClip], options: AdaptGPTOptions, epoch: int, n_steps: int
) -> tuple[float, float] | None:
    """(mean loss, top-3 accuracy), or None without clips; leaves the model in evaluation mode."""
    model.eval()
    if not clips:
        return None
    sums = _Sums()
    for start in range(0, len(clips), options.batch_size):
        sums.add(_batch_loss(model, clips[start : start + options.batch_size], options.device))
    loss, accuracy = sums.means()
    return require_finite("adapt_gpt: the held-out loss", loss, epoch, n_steps), accuracy


class _Sums:
    """Token losses of several batches, each token counting once."""

    def __init__(self) -> None:
        self.total, self.n_tokens, self.n_top3 = 0.0, 0, 0

    def add(self, loss: TokenLoss) -> None:
        self.total += loss.total.item()
        self.n_tokens += int(loss.n_tokens)
        self.n_top3 += int(loss.n_top3)

    def means(self) -> tuple[float, float]:
        return self.total / self.n_tokens, self.n_top3 / self.n_tokens


def _batch_loss(model: GPT, clips: Sequence[GPTClip], device: str) -> TokenLoss:
    def padded(sequences: list[Tensor]) -> tuple[Tensor, Tensor]:
        lengths = torch.tensor([len(s) for s in sequences], device=device)
        return pad_sequence(sequences, batch_first=True).to(device), lengths

    phoneme_ids, phoneme_lengths = padded([clip.phoneme_ids for clip in clips])
    tokens, token_lengths = padded([clip.tokens for clip in clips])
    bert = None
    if any(clip.bert_features is not None for clip in clips):
        bert = torch.zeros(len(clips), model.config.bert_dim, phoneme_ids.shape[1], device=device)
        for row, clip in zip(bert, clips, strict=True):
            if clip.bert_features is not None:
                row[:, : len(clip.phoneme_ids)] = clip.bert_features
    hidden = model(phoneme_ids, phoneme_lengths, tokens, token_lengths, bert)
    return token_loss(model.logits(hidden), next_token_targets(tokens, token_lengths, model.config.eos_token))


def _optimizer(model: GPT, options: AdaptGPTOptions) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]  # biases, norms and alphas have a meaning at their size
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.95))


def _fingerprint(
    config: GPTConfig,
    base_state: Mapping[str, Tensor],
    train_clips: Sequence[GPTClip],
    held_out_clips: Sequence[GPTClip],
    options: AdaptGPTOptions,
) -> str:
    values = {"config": config.to_dict(), "options": dataclasses.asdict(options)}
    return fingerprint(values, dict(_inputs(base_state, train_clips, held_out_clips)))


def _inputs(
    base_state: Mapping[str, Tensor], train_clips: Sequence[GPTClip], held_out_clips: Sequence[GPTClip]
) -> Iterator[tuple[str, Tensor]]:
    yield from ((f"base/{name}", tensor) for name, tensor in base_state.items())
    for split, clips in (("train", train_clips), ("held_out", held_out_clips)):
        for i, clip in enumerate(clips):
            for field in ("phoneme_ids", "tokens", "bert_features"):
                if getattr(clip, field) is not None:
                    yield f"{split}/{i:06d}/{field}", getattr(clip, field)


def _check(clip: GPTClip, config: GPTConfig) -> None:
    for name, ids, limit in (
        ("phoneme_ids", clip.phoneme_ids, config.phoneme_vocab_size),
        ("tokens", clip.tokens, config.eos_token),
    ):
        if ids.ndim != 1 or not 1 <= len(ids) <= config.max_positions:
            raise ValueError(
                f"clip {clip.clip_id}: {name} must be (1..{config.max_positions},), not {tuple(ids.shape)}"
            )
        if ids.min() < 0 or ids.max() >= limit:
            raise ValueError(
                f"clip {clip.clip_id}: {name} must be in [0, {limit}), found {int(ids.min())}..{int(ids.max())}; "
                "make the features again with this base model"
            )
    wanted = (config.bert_dim, len(clip.phoneme_ids))
    if clip.bert_features is not None and clip.bert_features.shape != wanted:
        raise ValueError(f"clip {clip.clip_id}: bert_features must be {wanted}, not {tuple(clip.bert_features.shape)}")
