"""Where to cut a recording into clips. Pure: positions in, positions out, all in samples at one rate.

Speech regions are joined into the fewest clips that fit, at pauses that a speaker makes inside a sentence; a region too
long for one clip is split at its quietest point; speech too short for a clip takes more of the silence around it, and
is handed back where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Span(NamedTuple):
    """Samples [start, end) of a recording."""

    start: int
    end: int


class Limits(NamedTuple):
    """All in samples. `longest` must be at least twice `shortest` plus twice `padding`."""

    shortest: int  # of a clip
    longest: int  # of a clip
    padding: int  # kept before and after speech, where the pause is long enough for both neighbours
    longest_pause: int  # a longer one always ends a clip: the voice would learn to stall
    n_samples: int  # of the recording


def cut(speech: Sequence[Span], levels: np.ndarray, frame_length: int, limits: Limits) -> tuple[list[Span], list[Span]]:
    """Clips and the speech that fits into none.

    speech: regions in order that do not overlap
    levels: (n_frames,) level of each frame of `frame_length` samples, in any rising unit
    returns: clips in order, each from `shortest` to `longest` and none overlapping; and the speech that is too short
        for a clip. The two together cover every region of `speech`
    """
    room = limits.longest - 2 * limits.padding
    if room < 2 * limits.shortest:
        raise ValueError(
            f"clips of {limits.shortest} to {limits.longest} samples leave no room for {limits.padding} samples of "
            "padding on both sides; lower segment.padding_seconds or raise segment.max_clip_seconds"
        )
    pieces = [piece for region in speech for piece in _split(region, levels, frame_length, limits.shortest, room)]
    clips, lost = [], []
    around = _around(pieces, limits.n_samples)
    for first, end in _grouped(pieces, around, limits, room):
        clip = _clip(pieces[first].start, pieces[end - 1].end, around[first].start, around[end - 1].end, limits)
        if clip:
            clips.append(clip)
        else:
            lost.append(Span(pieces[first].start, pieces[end - 1].end))
    return clips, lost


def _split(region: Span, levels: np.ndarray, frame_length: int, shortest: int, room: int) -> list[Span]:
    """A region in pieces of at most `room` samples, cut at the quietest frames; no piece is below `shortest`."""
    pieces = []
    while region.end - region.start > room:
        # not in the first half, or there would be many short pieces; not so late that the rest is too short
        earliest, latest = region.start + room // 2, min(region.start + room, region.end - shortest)
        frames = np.arange(-(-earliest // frame_length), latest // frame_length + 1)
        frames = frames[frames < len(levels)]
        cut_at = int(frames[np.argmin(levels[frames])]) * frame_length if len(frames) else latest
        pieces.append(Span(region.start, cut_at))
        region = Span(cut_at, region.end)
    return [*pieces, region]


def _around(pieces: Sequence[Span], n_samples: int) -> list[Span]:
    """How far each piece may be widened: to the middle of the pause before and after it, or the recording's ends."""
    starts = [0, *((before.end + after.start + 1) // 2 for before, after in pairwise(pieces))]
    ends = [*((before.end + after.start) // 2 for before, after in pairwise(pieces)), n_samples]
    return [Span(start, end) for start, end in zip(starts, ends, strict=False)]


def _clip(start: int, end: int, earliest: int, latest: int, limits: Limits) -> Span | None:
    """Speech [start, end) with its padding and, where it is short, more on both sides; None if there is no room."""
    start, end = max(start - limits.padding, earliest), min(end + limits.padding, latest)
    lacking = limits.shortest - (end - start)
    if lacking > 0:
        if latest - earliest < limits.shortest:
            return None
        before = min(start - earliest, max(lacking // 2, lacking - (latest - end)))
        start, end = start - before, end + lacking - before
    return Span(start, end)


def _grouped(pieces: Sequence[Span], around: Sequence[Span], limits: Limits, room: int) -> list[tuple[int, int]]:
    """Runs [first, end) of pieces that share a clip: least speech lost, then fewest clips, then longest pauses cut.

    Dynamic programming over the end of the last run; a run is bounded by `room`, so this is linear in the pieces.
    """
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # of the first n pieces: samples lost, clips, minus pauses cut at
    starts: list[int] = []  # where the last run of the best grouping of the first n + 1 pieces begins
    for end in range(1, len(pieces) + 1):
        choices = []
        for first in range(end - 1, -1, -1):
            if first < end - 1 and (
                pieces[end - 1].end - pieces[first].start > room
                or pieces[first + 1].start - pieces[first].end > limits.longest_pause
            ):
                break
            lost, n_clips, pauses = best[first]
            pause = pieces[first].start - pieces[first - 1].end if first else 0
            start, stop = pieces[first].start, pieces[end - 1].end
            if _clip(start, stop, around[first].start, around[end - 1].end, limits):
                choices.append((lost, n_clips + 1, pauses - pause, first))
            else:
                choices.append((lost + stop - start, n_clips, pauses - pause, first))
        *figures, first = min(choices)
        best.append(tuple(figures))
        starts.append(first)
    groups, end = [], len(pieces)
    while end:
        groups.append((starts[end - 1], end))
        end = starts[end - 1]
    return groups[::-1]
