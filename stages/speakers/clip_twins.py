"""Which clips hold the same sound, and which of them stay. Pure.

A clip in training that repeats a held-out one would make the loss on held-out clips too good. The split of a clip
follows from its own place and never moves when other clips come or go. So twins are not moved together. One of them
goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from stages.recordings.sound.twins import find_twins, linked_groups

COPY_SHARE = 0.9  # of both clips: two cuts of the same passage, whatever their gain or format
MIN_SHARE = 0.3  # of one clip, which the other must hold: two cuts of the same passage overlap by at least a part


class TwinClips(NamedTuple):
    """The clips that hold the same sound, by their positions.

    Attributes:
        links: pairs of which one clip holds a good part of the other. Of many copies of one sound, only some pairs are
            named.
        copies: every clip is in one of these groups, which hold the same sound as a whole.
    """

    links: list[tuple[int, int]]
    copies: list[tuple[int, ...]]


def find_twin_clips(fingerprints: Sequence[np.ndarray]) -> TwinClips:
    """Return which clips hold the same sound.

    Args:
        fingerprints: (n_words,) uint32 each, see stages/recordings/sound/fingerprint.py.
    """
    twins = [one for one in find_twins(fingerprints) if max(one.first_share, one.second_share) >= MIN_SHARE]
    whole = [(one.first, one.second) for one in twins if min(one.first_share, one.second_share) >= COPY_SHARE]
    return TwinClips([(one.first, one.second) for one in twins], linked_groups(whole, len(fingerprints)))


def twin_groups(twins: TwinClips) -> list[tuple[int, ...]]:
    """Return the groups of at least two clips that are linked, each in order."""
    return [group for group in linked_groups(twins.links, sum(map(len, twins.copies))) if len(group) > 1]


def surplus_clips(twins: TwinClips, preference: Callable[[int], tuple]) -> dict[int, int]:
    """Choose the clips that go, so that no two that stay hold the same sound, and no more go than must.

    Args:
        twins: which clips hold the same sound.
        preference: a key that is the smaller, the better a clip is. It differs for any two clips.

    Returns:
        For each clip that goes, the better one that stays.
    """
    best = [min(group, key=preference) for group in twins.copies]
    group_of = {clip: index for index, group in enumerate(twins.copies) for clip in group}
    linked: dict[int, set[int]] = {}
    for first, second in ((group_of[first], group_of[second]) for first, second in twins.links):
        if first != second:
            linked.setdefault(first, set()).add(second)
            linked.setdefault(second, set()).add(first)
    gone: dict[int, int] = {}
    stays: set[int] = set()
    for group in sorted(range(len(best)), key=lambda index: preference(best[index])):
        better = [best[other] for other in linked.get(group, ()) if other in stays]
        if not better:
            stays.add(group)
        keeper = min(better, key=preference) if better else best[group]
        gone |= {clip: keeper for clip in twins.copies[group] if clip != keeper}
    return gone
