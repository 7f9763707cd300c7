"""The order in which clips are learned from: batches of similar length, and batches that make one step.

A batch is a list of places. Place j stands for clip j % n of n clips: where clips occur several times in an epoch, each
occurrence has a place, and so random numbers, of its own.
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
UPSTREAM_FRAME_BOUNDS = (32, *range(300, 2000, 100))  # of SoVITS' buckets, 50 frames a second


class StepGroup(NamedTuple):
    batches: list[list[int]]
    steps: bool  # whether the optimiser steps after them


def epoch_order(n: int, seed: int, epoch: int) -> list[int]:
    """The indices 0..n-1, shuffled by (seed, epoch) alone: a resumed epoch sees the order it would have seen."""
    generator = torch.Generator().manual_seed(derive_seed("order", seed, epoch))
    return torch.randperm(n, generator=generator).tolist()


def length_buckets(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int, bucket_width: int
) -> list[list[int]]:
    """Batches of indices of similar length, so that little is padded; every index occurs once.

    Inside a bucket of `bucket_width` length units the order is shuffled, and so are the batches, both by (seed, epoch).
    """
    if batch_size < 1 or bucket_width < 1:
        raise ValueError(f"batch_size ({batch_size}) and bucket_width ({bucket_width}) must be at least 1")
    shuffled = epoch_order(len(lengths), seed, epoch)
    by_length = sorted(shuffled, key=lambda i: lengths[i] // bucket_width)  # stable: the shuffle survives in a bucket
    batches = [by_length[i : i + batch_size] for i in range(0, len(by_length), batch_size)]
    return [batches[i] for i in epoch_order(len(batches), derive_seed("batches", seed), epoch)]


def upstream_gpt_batches(seconds: Sequence[float], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Upstream's batches of the GPT: buckets of 2 s in which clips are shuffled, cut into batches without regard to
    the buckets' borders; the batches are shuffled. epoch: counted from 1."""
    n_places = _upstream_places(len(seconds))
    batch_size = max(min(batch_size, n_places // 4), 1)
    chance = random.Random(epoch - 1 + seed)  # noqa: S311 - upstream's kind of generator; nothing is secret
    places = sorted(range(n_places), key=lambda j: seconds[j % len(seconds)])
    in_order: list[int] = []
    for _, bucket in groupby(places, key=lambda j: int(seconds[j % len(seconds)] // UPSTREAM_BUCKET_SECONDS)):
        shuffled = list(bucket)
        chance.shuffle(shuffled)
        in_order += shuffled
    batches = [in_order[i : i + batch_size] for i in range(0, n_places, batch_size)]
    chance.shuffle(batches)
    return batches


def upstream_sovits_batches(n_frames: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Upstream's batches of SoVITS: no batch has clips of two buckets, each bucket is filled up by repetition.

    Clips of at most 32 or more than 1900 frames are in no batch; epoch: counted from 1.
    """
    n_clips, n_places = len(n_frames), _upstream_places(len(n_frames))
    generator = torch.Generator().manual_seed(derive_seed("upstream buckets", seed, epoch))
    buckets: dict[int, list[int]] = {}
    for j in torch.randperm(n_places, generator=generator).tolist():
        bucket = bisect_left(UPSTREAM_FRAME_BOUNDS, n_frames[j % n_clips])
        if 0 < bucket < len(UPSTREAM_FRAME_BOUNDS):
            buckets.setdefault(bucket, []).append(j)
    batches: list[list[int]] = []
    for bucket in sorted(buckets):
        members = buckets[bucket]
        n_filled = -(-len(members) // batch_size) * batch_size
        # a repeated clip gets a place beyond all others
        filled = [members[i % len(members)] + i // len(members) * n_places for i in range(n_filled)]
        batches += [filled[i : i + batch_size] for i in range(0, n_filled, batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def _upstream_places(n_clips: int) -> int:
    return n_clips if n_clips >= UPSTREAM_LEAST_CLIPS else n_clips * max(2, UPSTREAM_LEAST_CLIPS // n_clips)


def step_groups(batches: list[list[int]], n: int) -> list[StepGroup]:
    """n batches a step; the last step takes what is left."""
    return [StepGroup(batches[i : i + n], True) for i in range(0, len(batches), n)]


def upstream_step_groups(batches: list[list[int]], n: int = 4) -> list[StepGroup]:
    """Upstream's GPT steps where a batch's number, counted from 0, is a multiple of n above 0: n + 1 batches make an
    epoch's first step, n each other one. What is left does not step: its gradient waits for the next epoch."""
    ends = [0, *range(n + 1, len(batches) + 1, n)]
    groups = [StepGroup(batches[start:end], True) for start, end in pairwise(ends)]
    left = batches[ends[-1] :]
    return [*groups, StepGroup(left, False)] if left else groups
