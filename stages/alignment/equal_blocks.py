"""The equal passages of two long texts, in their order, in time that grows with the length of the texts. Pure.

difflib compares every occurrence of a common word with every other, so three hours of speech would take 300 times as
long as ten minutes. Here, equal runs of a few units are found by a dictionary. The longest chain of them that goes
forward in both texts divides the texts into short pieces, and difflib compares those. A piece that is long in both
texts has no run in common, so nothing in it belongs together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

SEED_UNITS = 4  # equal neighbours that are seldom a coincidence
MAX_OCCURRENCES = 40  # of a run in one text. One that is more frequent (a refrain) says little about its place
MAX_PIECE = 40_000  # comparisons in a piece: 200 units of each text, or 7 missing sentences beside 250 units


class Block(NamedTuple):
    """Equal neighbours: `size` units from `first` in the one text and from `second` in the other."""

    first: int
    second: int
    size: int


def equal_blocks(first: Sequence[str], second: Sequence[str]) -> list[Block]:
    """Return the equal passages of two texts. Both their places go up, and no two of them touch in both texts.

    Args:
        first: the units of the one text.
        second: the units of the other text.
    """
    pairs: list[tuple[int, int]] = []
    chain = [*_chained_units(first, second), (len(first), len(second))]
    left, right = 0, 0
    for next_left, next_right in chain:
        pairs += _pairs_of_piece(first, second, (left, next_left), (right, next_right))
        if next_left < len(first):
            pairs.append((next_left, next_right))
        left, right = next_left + 1, next_right + 1
    return _blocks(pairs)


def equal_and_different(blocks: Sequence[Block], n_first: int, n_second: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield all parts of two texts in order, equal and different ones: start and end in the first and in the second.

    Args:
        blocks: of `equal_blocks`.
        n_first: units of the first text.
        n_second: units of the second text.
    """
    first = second = 0
    for block in [*blocks, Block(n_first, n_second, 0)]:
        if block.first > first or block.second > second:
            yield first, block.first, second, block.second
        first, second = block.first + block.size, block.second + block.size
        if block.size:
            yield block.first, first, block.second, second


def common_runs(first: Sequence[str], second: Sequence[str]) -> list[Block]:
    """Return the longest runs of at least SEED_UNITS units that two texts have in common, wherever they are.

    They go up in the first text, where they do not overlap. In the second text they may be in any order.

    Args:
        first: the units of the one text.
        second: the units of the other text.
    """
    blocks: list[Block] = []
    growing: dict[int, Block] = {}  # by the place in the second text at which their next seed would be
    before = -1
    for place, others in seeds(first, second):
        if place != before + 1:
            blocks.extend(growing.values())
            growing = {}
        before = place
        grown = {}
        for other in others:
            block = growing.pop(other, None)
            grown[other + 1] = block._replace(size=block.size + 1) if block else Block(place, other, SEED_UNITS)
        blocks.extend(growing.values())
        growing = grown
    return _without_overlap([*blocks, *growing.values()])


def _without_overlap(blocks: Sequence[Block]) -> list[Block]:
    """Return the longest of the blocks that overlap in the first text, in order."""
    taken: set[int] = set()
    chosen = []
    for block in sorted(blocks, key=lambda one: (-one.size, one.first, one.second)):
        units = range(block.first, block.first + block.size)
        if taken.isdisjoint(units):
            taken |= set(units)
            chosen.append(block)
    return sorted(chosen)


def seeds(first: Sequence[str], second: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
    """Yield each place in the first text where SEED_UNITS units are equal to some in the second, with their places.

    A run that either text has more than MAX_OCCURRENCES times is left out. So at most MAX_OCCURRENCES places come per
    unit of the first text.
    """
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for run in _runs(first):
        counts[run] += 1
    for place, run in enumerate(_runs(second)):
        if run in counts:
            places[run].append(place)
    for place, run in enumerate(_runs(first)):
        if run in places and max(counts[run], len(places[run])) <= MAX_OCCURRENCES:
            yield place, places[run]


def _runs(text: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(text[offset:] for offset in range(SEED_UNITS)), strict=False)


def _chained_units(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of equal units in the longest chain of seeds that goes forward in both texts.

    Source: Hunt and Szymanski, A fast algorithm for computing longest common subsequences, 1977.
    """
    ends: list[int] = []  # place in the second text at which the best chain of each length ends
    links: list[tuple[int, int, int]] = []  # place in both texts, and the link before
    last: list[int] = []  # link at which the best chain of each length ends
    for place, others in seeds(first, second):
        for other in reversed(others):  # so that no link follows another of the same place
            length = bisect_left(ends, other)
            links.append((place, other, last[length - 1] if length else -1))
            if length == len(ends):
                ends.append(other)
                last.append(len(links) - 1)
            else:
                ends[length], last[length] = other, len(links) - 1
    pairs: list[tuple[int, int]] = []
    link = last[-1] if last else -1
    while link >= 0:
        place, other, link = links[link]
        for offset in reversed(range(SEED_UNITS)):
            if not pairs or (place + offset < pairs[-1][0] and other + offset < pairs[-1][1]):
                pairs.append((place + offset, other + offset))
    return pairs[::-1]


def _pairs_of_piece(
    first: Sequence[str], second: Sequence[str], span: tuple[int, int], other_span: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the pairs of equal units in a part of both texts, or none where it is too long in both."""
    (start, end), (other_start, other_end) = span, other_span
    if not 0 < (end - start) * (other_end - other_start) <= MAX_PIECE:
        return []
    matcher = SequenceMatcher(None, first[start:end], second[other_start:other_end], autojunk=False)
    return [
        (start + block.a + offset, other_start + block.b + offset)
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    ]


def _blocks(pairs: Sequence[tuple[int, int]]) -> list[Block]:
    blocks: list[Block] = []
    for first, second in pairs:
        if blocks and (first, second) == (blocks[-1].first + blocks[-1].size, blocks[-1].second + blocks[-1].size):
            blocks[-1] = blocks[-1]._replace(size=blocks[-1].size + 1)
        else:
            blocks.append(Block(first, second, 1))
    return blocks
