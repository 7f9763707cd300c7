"""In which clip each token of a transcript is said, by what the ASR heard in the clips. Pure.

Cross-attention sees 30 s at once, so a long recording cannot be aligned in one go. The ASR has heard every clip, and
most of its words are right: they are the anchors. The words between two anchors of one clip are in that clip. Only a
run of words between the anchors of different clips is open, and is settled by the sound.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from stages.alignment.equal_blocks import equal_blocks

MIN_ANCHOR_UNITS = 2  # a single equal character is often a coincidence


class OpenRun(NamedTuple):
    """Neighbouring tokens of which it is not known in which clip they are said.

    Attributes:
        first: index of the first token.
        end: index behind the last token.
        first_clip: clip of the token before them.
        last_clip: clip of the token after them.
    """

    first: int
    end: int
    first_clip: int
    last_clip: int


def anchored_clips(tokens: Sequence[Sequence[str]], heard: Sequence[Sequence[str]]) -> list[int | None]:
    """Return the clip of each token that the ASR heard as it is written, and None for the others.

    Args:
        tokens: the normalised units of each token.
        heard: the normalised units of what the ASR heard in each clip.

    Returns:
        One entry per token. The clips never go back.
    """
    owners = [index for index, units in enumerate(tokens) for _ in units]
    places = [clip for clip, units in enumerate(heard) for _ in units]
    clips: list[int | None] = [None] * len(tokens)
    if not owners or not places:
        return clips
    written, sounds = ([unit for part in parts for unit in part] for parts in (tokens, heard))
    for block in equal_blocks(written, sounds):
        if block.size >= MIN_ANCHOR_UNITS:
            for offset in range(block.size):
                token = owners[block.first + offset]
                clips[token] = places[block.second + offset] if clips[token] is None else clips[token]
    return clips


def place_tokens(clips: Sequence[int | None], n_clips: int) -> tuple[list[int], list[OpenRun]]:
    """Return a clip for each token, and the runs for which it is a guess.

    Args:
        clips: of `anchored_clips`.
        n_clips: clips of the recording.
    """
    placed: list[int] = []
    runs: list[OpenRun] = []
    for index, clip in enumerate(clips):
        if clip is not None:
            first = len(placed)
            before = placed[-1] if placed else 0
            if first < index and before != clip:
                runs.append(OpenRun(first, index, before, clip))
            placed += [before] * (index - first) + [clip]
    if len(placed) < len(clips):
        before = placed[-1] if placed else 0
        if before != n_clips - 1:
            runs.append(OpenRun(len(placed), len(clips), before, n_clips - 1))
        placed += [before] * (len(clips) - len(placed))
    return placed, runs


def places_by_length(n_tokens: int, seconds: Sequence[float]) -> list[int]:
    """Spread tokens over clips in proportion to their lengths, where nothing better is known.

    Args:
        n_tokens: how many.
        seconds: length of each clip.

    Returns:
        The index of the clip of each token.
    """
    ends = list(accumulate(seconds))
    return [bisect_left(ends, (index + 0.5) / n_tokens * ends[-1]) for index in range(n_tokens)]
