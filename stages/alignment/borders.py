"""In which of two neighbouring clips the words at their border are said, where the ASR did not hear them. Pure.

A word at the border of two clips that the ASR misheard, or that a cut divides, has no place by what was heard. Without
this, it could stand in the text of the wrong clip unnoticed. So both clips are aligned as one with the words of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from stages.alignment.equal_blocks import equal_blocks
from stages.alignment.matching import Token, WordTime

MAX_UNHEARD = 10  # tokens at a border. More of them are another fault than a border
MIN_HEARD_SHARE = 0.5  # of what is heard in a clip that its text must have, or the text belongs to other speech
MIN_SIMILARITY = 0.5  # of letters, from which words were heard in another spelling


class Edge(NamedTuple):
    """The tokens at one end of a clip that the ASR did not hear, and the number of units that it heard instead."""

    n_tokens: int
    n_heard: int


class Edges(NamedTuple):
    """Both ends of a clip."""

    head: Edge
    tail: Edge


AlignPair = Callable[[int, list[str]], list[WordTime]]  # first of two clips, the words of both: times in both, joined


def settled_borders(
    shares: Sequence[Sequence[int]],
    tokens: Sequence[Token],
    units: Sequence[Sequence[str]],
    heard: Sequence[Sequence[str]],
    seconds: Sequence[float],
    align_pair: AlignPair,
) -> list[list[int]]:
    """Return the shares of the clips with the unheard tokens at each border where the sound has them.

    Args:
        shares: the indices of the tokens in each clip, of `tokens_by_clip`.
        tokens: of the transcript.
        units: the normalised units of each token.
        heard: the normalised units of what the ASR heard in each clip.
        seconds: length of each clip.
        align_pair: finds the times of words, or returns nothing where they do not fit the audio.
    """
    settled = [list(share) for share in shares]
    for left in range(len(settled) - 1):
        before, after = settled[left], settled[left + 1]
        if not before or not after or after[0] < before[-1]:
            continue
        first_edges = _unheard_edges(before, units, heard[left])
        second_edges = _unheard_edges(after, units, heard[left + 1])
        if first_edges is None or second_edges is None:
            continue
        n_tail = _without_place(first_edges.tail, second_edges.head)
        n_head = _without_place(second_edges.head, first_edges.tail)
        if not 1 <= n_tail + n_head <= MAX_UNHEARD:
            continue
        both = [*before, *after]
        times = align_pair(left, [word for index in both for word in tokens[index].spoken])
        if times:
            middles = _middles([tokens[index] for index in both], times)
            first, end = len(before) - n_tail, len(before) + n_head
            border = next((place for place in range(first, end) if middles[place] >= seconds[left]), end)
            settled[left], settled[left + 1] = both[:border], both[border:]
    return settled


def _without_place(edge: Edge, other: Edge) -> int:
    """Return how many tokens at an edge may belong to the clip beside it.

    These are 0 if at least as many words were heard there, and none at the other edge: they were misheard in place.
    """
    return 0 if edge.n_heard >= edge.n_tokens and not other.n_heard else edge.n_tokens


def _unheard_edges(share: Sequence[int], units: Sequence[Sequence[str]], heard: Sequence[str]) -> Edges | None:
    """Return what was not heard at both ends of a clip, or None where most was not."""
    written = [unit for index in share for unit in units[index]]
    owners = [place for place, index in enumerate(share) for _ in units[index]]
    blocks = equal_blocks(written, heard)
    if not blocks or sum(block.size for block in blocks) < MIN_HEARD_SHARE * len(heard):
        return None
    first, last = blocks[0], blocks[-1]
    end, end_heard = last.first + last.size, last.second + last.size
    n_head = 0 if _resemble(written[: first.first], heard[: first.second]) else owners[first.first]
    n_tail = 0 if _resemble(written[end:], heard[end_heard:]) else len(share) - 1 - owners[end - 1]
    return Edges(Edge(n_head, first.second), Edge(n_tail, len(heard) - end_heard))


def _resemble(written: Sequence[str], heard: Sequence[str]) -> bool:
    """Return whether the ASR heard some words in its own spelling ("i e", "ie")."""
    return Levenshtein.normalized_similarity("".join(written), "".join(heard)) >= MIN_SIMILARITY


def _middles(tokens: Sequence[Token], times: Sequence[WordTime]) -> list[float]:
    """Return the middle of the first word of each token. A token without a word has that of the token before it."""
    middles: list[float] = []
    place = 0
    for token in tokens:
        if token.spoken:
            _, start, end = times[place]
            middles.append((start + end) / 2)
        else:
            middles.append(middles[-1] if middles else 0.0)
        place += len(token.spoken)
    return middles
