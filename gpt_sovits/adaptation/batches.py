"""The order in which clips are trained on: which clips make a batch, and which batches make a step.

A batch is a list of slots. Slot j stands for clip j % n of n clips. A clip that occurs several times in an epoch has a
separate slot, and thus separate random numbers, for each occurrence.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import torch

from gpt_sovits.determinism import derive_seed

UPSTREAM_LEAST_CLIPS = 100  # upstream repeats a shorter list of clips
UPSTREAM_BUCKET_SECONDS = 2.0
UPSTREAM_FRAME_BOUNDS = (32, *range(300, 2000, 100))  # of the SoVITS's buckets, 50 frames per second


class StepGroup(NamedTuple):
    """The batches whose gradients are added up before the optimiser steps."""

    batches: list[list[int]]
    has_step: bool  # False: the optimiser does not step after them, their gradient is kept


def epoch_order(n: int, seed: int, epoch: int) -> list[int]:
    """Return the indices 0..n-1, shuffled by (seed, epoch) alone, so that a resumed epoch has the same order."""
    generator = torch.Generator().manual_seed(derive_seed("order", seed, epoch))
    return torch.randperm(n, generator=generator).tolist()


def length_buckets(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int, bucket_width: int
) -> list[list[int]]:
    """Return batches of indices of similar length, so that little is padded. Every index occurs once.

    Args:
        lengths: length of each clip.
        batch_size: clips per batch, at least 1.
        seed: seed of the shuffling.
        epoch: the epoch, which changes the shuffling too.
        bucket_width: length units per bucket, at least 1. The order in a bucket and that of the batches are shuffled.
    """
    if batch_size < 1 or bucket_width < 1:
        raise ValueError(f"batch_size ({batch_size}) and bucket_width ({bucket_width}) must be at least 1")
    shuffled = epoch_order(len(lengths), seed, epoch)
    by_length = sorted(shuffled, key=lambda i: lengths[i] // bucket_width)  # stable: the shuffle survives in a bucket
    batches = [by_length[i : i + batch_size] for i in range(0, len(by_length), batch_size)]
    return [batches[i] for i in epoch_order(len(batches), derive_seed("batches", seed), epoch)]


def upstream_gpt_batches(seconds: Sequence[float], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return upstream's batches for the GPT.

    Clips are shuffled inside buckets of 2 s. The batches may straddle two buckets, and are shuffled too.

    Args:
        seconds: length of each clip.
        batch_size: clips per batch, at most a quarter of all slots.
        seed: seed of the shuffling.
        epoch: the epoch, counted from 1.
    """
    n_slots = _n_upstream_slots(len(seconds))
    batch_size = max(min(batch_size, n_slots // 4), 1)
    chance = random.Random(epoch - 1 + seed)  # noqa: S311 - upstream's kind of generator; nothing is secret
    slots = sorted(range(n_slots), key=lambda j: seconds[j % len(seconds)])
    in_order: list[int] = []
    for _, bucket in groupby(slots, key=lambda j: int(seconds[j % len(seconds)] // UPSTREAM_BUCKET_SECONDS)):
        shuffled = list(bucket)
        chance.shuffle(shuffled)
        in_order += shuffled
    batches = [in_order[i : i + batch_size] for i in range(0, n_slots, batch_size)]
    chance.shuffle(batches)
    return batches


def upstream_sovits_batches(n_frames: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return upstream's batches for the SoVITS.

    A batch has clips of one bucket only, and each bucket is filled up by repetition. Clips of at most 32 or more than
    1900 frames are left out.

    Args:
        n_frames: length of each clip.
        batch_size: clips per batch.
        seed: seed of the shuffling.
        epoch: the epoch, counted from 1.
    """
    n_clips, n_slots = len(n_frames), _n_upstream_slots(len(n_frames))
    generator = torch.Generator().manual_seed(derive_seed("upstream buckets", seed, epoch))
    buckets: dict[int, list[int]] = {}
    for j in torch.randperm(n_slots, generator=generator).tolist():
        bucket = bisect_left(UPSTREAM_FRAME_BOUNDS, n_frames[j % n_clips])
        if 0 < bucket < len(UPSTREAM_FRAME_BOUNDS):
            buckets.setdefault(bucket, []).append(j)
    batches: list[list[int]] = []
    for bucket in sorted(buckets):
        members = buckets[bucket]
        n_filled = -(-len(members) // batch_size) * batch_size
        # A repeated clip gets a slot beyond all others
        filled = [members[i % len(members)] + i // len(members) * n_slots for i in range(n_filled)]
        batches += [filled[i : i + batch_size] for i in range(0, n_filled, batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def _n_upstream_slots(n_clips: int) -> int:
    return n_clips if n_clips >= UPSTREAM_LEAST_CLIPS else n_clips * max(2, UPSTREAM_LEAST_CLIPS // n_clips)


def step_groups(batches: list[list[int]], n: int) -> list[StepGroup]:
    """Return groups of n batches per step. The last step takes what is left."""
    return [StepGroup(batches[i : i + n], True) for i in range(0, len(batches), n)]


def upstream_step_groups(batches: list[list[int]], n: int = 4) -> list[StepGroup]:
    """Return upstream's groups for the GPT.

    Upstream steps after each batch whose number, counted from 0, is a positive multiple of n. So the first step of an
    epoch takes n + 1 batches, each other step n. The batches that are left do not step, and their gradient is kept for
    the next epoch.
    """
    ends = [0, *range(n + 1, len(batches) + 1, n)]
    groups = [StepGroup(batches[start:end], True) for start, end in pairwise(ends)]
    left = batches[ends[-1] :]
    return [*groups, StepGroup(left, False)] if left else groups
