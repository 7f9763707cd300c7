"""Which recordings or clips hold the same sound, told from their fingerprints. Pure.

Words that occur in two of them vote for a pair and an offset. The pairs are then compared bit by bit. The time grows
with the number of words, not with the number of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

N_NEIGHBOURS = 4  # places of the same word that vote with each other: more would make many copies quadratic
MIN_WORDS = 32  # half a second that both are not silent in
MAX_BIT_ERRORS = 0.25  # share: the same sound has up to 0.13, other sound of the same speaker 0.36 and more


class Twins(NamedTuple):
    """Two fingerprints that hold the same sound.

    Attributes:
        first: index of one.
        second: index of the other, above `first`.
        offset: word of `first` at which `second` begins, negative where it begins earlier.
        first_share: share of the words of `first` that `second` holds too, 0 to 1. Silence does not count.
        second_share: the same of `second`.
    """

    first: int
    second: int
    offset: int
    first_share: float
    second_share: float


def find_twins(fingerprints: Sequence[np.ndarray]) -> list[Twins]:
    """Return the pairs that hold the same sound where they overlap, in order.

    Args:
        fingerprints: (n_words,) uint32 each, see fingerprint.py.
    """
    found = []
    for first, second, offsets in _candidates(fingerprints):
        compared = [_compare(fingerprints[first], fingerprints[second], offset) for offset in offsets]
        errors, n_words, offset = min(compared, key=lambda one: (one[0], -one[1], one[2]))
        if n_words >= MIN_WORDS and errors <= MAX_BIT_ERRORS:
            shares = (n_words / np.count_nonzero(fingerprints[one]) for one in (first, second))
            found.append(Twins(first, second, offset, *(round(float(share), 4) for share in shares)))
    return found


def _candidates(fingerprints: Sequence[np.ndarray]) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return (first, second, offsets) of the pairs that share a word, in order.

    The offsets are those around the one that most words vote for.
    """
    lengths = [len(words) for words in fingerprints]
    words = np.concatenate([np.zeros(0, np.uint32), *fingerprints])
    owners = np.repeat(np.arange(len(lengths)), lengths)
    places = np.concatenate([np.zeros(0, int), *(np.arange(length) for length in lengths)])
    heard = np.flatnonzero(words)
    order = heard[np.argsort(words[heard], kind="stable")]
    votes = []
    for step in range(1, N_NEIGHBOURS + 1):
        one, other = order[:-step], order[step:]
        agree = (words[one] == words[other]) & (owners[one] != owners[other])
        one, other = one[agree], other[agree]  # sorted stably, so the owner of `one` is the lower
        votes.append(np.stack([owners[one], owners[other], places[one] - places[other]], axis=1))
    pairs: dict[tuple[int, int], dict[int, int]] = {}
    unique, counts = np.unique(np.concatenate(votes), axis=0, return_counts=True)
    for (first, second, offset), count in zip(unique.tolist(), counts.tolist(), strict=True):
        pairs.setdefault((first, second), {})[offset] = count
    return [(first, second, _best_offsets(counted)) for (first, second), counted in sorted(pairs.items())]


def _best_offsets(counts: dict[int, int]) -> tuple[int, ...]:
    """Return the offset with the most votes and its neighbours, where a shift by half a word splits the votes."""
    best = max(counts, key=lambda offset: (sum(counts.get(offset + step, 0) for step in (-1, 0, 1)), -offset))
    return (best - 1, best, best + 1)


def _compare(first: np.ndarray, second: np.ndarray, offset: int) -> tuple[float, int, int]:
    """Return the share of bits that differ, the number of words compared, and the offset."""
    start, end = max(0, offset), min(len(first), offset + len(second))
    if end <= start:
        return 1.0, 0, offset
    one, other = first[start:end], second[start - offset : end - offset]
    heard = (one != 0) & (other != 0)
    n_words = int(np.count_nonzero(heard))
    errors = np.bitwise_count(one[heard] ^ other[heard]).sum()
    return float(errors / (32 * n_words)) if n_words else 1.0, n_words, offset


def linked_groups(links: Sequence[tuple[int, int]], n_items: int) -> list[tuple[int, ...]]:
    """Return the groups of items that are linked, each in order, sorted by their first items.

    An item without a link is a group of its own.
    """
    first, second = np.array(links, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links), bool), (first, second)), shape=(n_items, n_items))
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for item, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(item)
    return [tuple(group) for group in groups.values()]
