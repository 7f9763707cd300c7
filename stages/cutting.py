"""Where to cut a recording into clips. Pure: positions in, positions out, all in samples at one rate.

Speech regions are joined into the fewest clips that fit, at pauses such as a speaker makes inside a sentence. A region
that is too long for one clip is split at its quietest point. Speech that is too short for a clip takes more of the
silence around it, and is returned as lost where there is none.
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
    """What a clip may be like. All fields are in samples.

    `longest` must be at least twice `shortest` plus twice `padding`.
    """

    shortest: int  # of a clip
    longest: int  # of a clip
    padding: int  # kept before and after speech, where the pause is long enough for both neighbours
    longest_pause: int  # a longer pause always ends a clip, or the voice would learn to stall
    n_samples: int  # of the recording, or where the part of it that is cut ends
    first_sample: int = 0  # where that part begins


def cut(speech: Sequence[Span], levels: np.ndarray, frame_length: int, limits: Limits) -> tuple[list[Span], list[Span]]:
    """Cut speech into clips.

    Args:
        speech: regions in order that do not overlap.
        levels: (n_frames,) level of each frame, in any unit that rises with loudness.
        frame_length: samples per frame.
        limits: what a clip may be like.

    Returns:
        The clips in order, which do not overlap and are `shortest` to `longest` long, and the speech that is too short
        for a clip. Together they cover every region of `speech`.

    Raises:
        ValueError: the limits leave no room for speech.
    """
    room = limits.longest - 2 * limits.padding
    if room < 2 * limits.shortest:
        raise ValueError(
            f"clips of {limits.shortest} to {limits.longest} samples leave no room for {limits.padding} samples of "
            "padding on both sides; lower segment.padding_seconds or raise segment.max_clip_seconds"
        )
    pieces = [
        piece for region in speech for piece in _split_region(region, levels, frame_length, limits.shortest, room)
    ]
    clips, lost = [], []
    around = _widest_spans(pieces, limits)
    for first, end in _group_pieces(pieces, around, limits, room):
        clip = _padded_clip(pieces[first].start, pieces[end - 1].end, around[first].start, around[end - 1].end, limits)
        if clip:
            clips.append(clip)
        else:
            lost.append(Span(pieces[first].start, pieces[end - 1].end))
    return clips, lost


def _split_region(region: Span, levels: np.ndarray, frame_length: int, shortest: int, room: int) -> list[Span]:
    """Split a region into pieces of `shortest` to `room` samples at its quietest frames."""
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


def _widest_spans(pieces: Sequence[Span], limits: Limits) -> list[Span]:
    """Return how far each piece may be widened: to the middle of the pauses around it, or to the recording's ends."""
    starts = [limits.first_sample, *((before.end + after.start + 1) // 2 for before, after in pairwise(pieces))]
    ends = [*((before.end + after.start) // 2 for before, after in pairwise(pieces)), limits.n_samples]
    return [Span(start, end) for start, end in zip(starts, ends, strict=False)]


def _padded_clip(start: int, end: int, earliest: int, latest: int, limits: Limits) -> Span | None:
    """Widen speech by its padding and, where it is short, by more on both sides. Return None if it does not fit."""
    start, end = max(start - limits.padding, earliest), min(end + limits.padding, latest)
    lacking = limits.shortest - (end - start)
    if lacking > 0:
        if latest - earliest < limits.shortest:
            return None
        before = min(start - earliest, max(lacking // 2, lacking - (latest - end)))
        start, end = start - before, end + lacking - before
    return Span(start, end)


def _group_pieces(pieces: Sequence[Span], around: Sequence[Span], limits: Limits, room: int) -> list[tuple[int, int]]:
    """Return runs [first, end) of pieces that share a clip.

    The order of preference is: least speech lost, then fewest clips, then longest pauses at the cuts. This is dynamic
    programming over the end of the last run. A run is bounded by `room`, so the time is linear in the number of pieces.
    """
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # for the first n pieces: (samples lost, clips, -pauses cut at)
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
            if _padded_clip(start, stop, around[first].start, around[end - 1].end, limits):
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
