"""Which clips hold the same sound, and which of them stay. Pure.

A clip in training that repeats a held-out one would make the loss on held-out clips too good. The split of a clip
follows from its own id and never moves when other clips come or go. So twins are not moved together. One of them goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from stages.recordings.sound.twins import find_twins, linked_groups

MIN_SHARE = 0.3  # of one clip, which the other must hold: two cuts of the same passage overlap by at least a part


def twin_links(fingerprints: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Return the pairs of clips of which one holds a good part of the other, by their positions."""
    return [
        (one.first, one.second)
        for one in find_twins(fingerprints)
        if max(one.first_share, one.second_share) >= MIN_SHARE
    ]


def twin_groups(links: Sequence[tuple[int, int]], n_clips: int) -> list[tuple[int, ...]]:
    """Return the groups of at least two clips that are linked, each in order."""
    return [group for group in linked_groups(links, n_clips) if len(group) > 1]


def surplus_clips(links: Sequence[tuple[int, int]], n_clips: int, preference: Callable[[int], tuple]) -> dict[int, int]:
    """Choose the clips that go, so that no two that stay are linked, and no more go than must.

    Args:
        links: pairs of clips that hold the same sound.
        n_clips: number of clips.
        preference: a key that is the smaller, the better a clip is. It differs for any two clips.

    Returns:
        For each clip that goes, the better one that stays.
    """
    twins = _twins_by_clip(links)
    gone: dict[int, int] = {}
    stays: set[int] = set()
    for clip in sorted(range(n_clips), key=preference):
        if better := [twin for twin in twins.get(clip, ()) if twin in stays]:
            gone[clip] = min(better, key=preference)
        else:
            stays.add(clip)
    return gone


def _twins_by_clip(links: Sequence[tuple[int, int]]) -> Mapping[int, set[int]]:
    twins: dict[int, set[int]] = {}
    for first, second in links:
        twins.setdefault(first, set()).add(second)
        twins.setdefault(second, set()).add(first)
    return twins
