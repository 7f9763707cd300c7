"""Which words of a transcript are spoken in which clip, and which clips are held out of training. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from stages.alignment.equal_blocks import equal_and_different, equal_blocks
from stages.tables import Clip

WordTime = tuple[str, float, float]  # word, start, end in seconds

MIN_HELD_OUT = 2  # clips, of at least MANY_CLIPS
MANY_CLIPS = 10


class Token(NamedTuple):
    """A piece of the transcript between spaces as written, and the words it is spoken as ("5%": five percent)."""

    written: str
    spoken: tuple[str, ...]


def split_tokens(text: str, words: Sequence[str], spoken_words: Callable[[str], list[str]]) -> list[Token]:
    """Split a transcript into tokens that hold all of its spoken words, in order.

    A token that is not spoken (a dash) joins the one before it.

    Args:
        text: the transcript as written.
        words: the words it is spoken as.
        spoken_words: returns the words that a token is spoken as when it stands alone. In its sentence it may be
            spoken differently ("No. 5", "St. James", "PM"), so these only show where each of `words` belongs.
    """
    written = text.split()
    guesses = [(word.lower(), index) for index, token in enumerate(written) for word in spoken_words(token)]
    shares: list[list[str]] = [[] for _ in written]
    blocks = equal_blocks([word for word, _ in guesses], [word.lower() for word in words])
    for guess, guess_end, first, end in equal_and_different(blocks, len(guesses), len(words)):
        for offset, word in enumerate(words[first:end]):
            # one word per guess as far as the guesses reach, the remaining words to the last guess
            nearest = min(guess + offset, max(guess_end, 1) - 1)
            shares[guesses[nearest][1] if guesses else 0].append(word)
    tokens: list[Token] = []
    for token, share in zip(written, shares, strict=True):
        if not share and tokens:
            tokens[-1] = tokens[-1]._replace(written=f"{tokens[-1].written} {token}")
        else:
            tokens.append(Token(token, tuple(share)))
    return tokens


def held_out_clips(clips: Sequence[Clip], share: float) -> set[str]:
    """Choose the clips that training never sees: those whose recording and place in it hash to less than `share`.

    The place is the whole second that the clip starts in, and the recording's id is a hash of its bytes. So the choice
    for one clip does not depend on the other clips: not on their number, and not on where they are cut. There are
    exceptions, so that there is always something to train on and something to validate on:

    - at least two of ten or more clips, and one of two or more, are held out (those with the smallest hashes),
    - at most half of the clips are held out,
    - a single clip is used for training.

    Args:
        clips: the clips to choose from, in any order.
        share: between 0 and 1.

    Returns:
        The ids of the clips that are held out.
    """
    ranked = sorted(clips, key=lambda clip: (_hash(clip), clip.recording_id, clip.start))
    n_hashed = sum(_hash(clip) < share for clip in ranked)
    n_min = MIN_HELD_OUT if len(ranked) >= MANY_CLIPS else 1
    return {clip.clip_id for clip in ranked[: min(max(n_hashed, n_min), len(ranked) // 2)]}


def _hash(clip: Clip) -> float:
    """Return a number in [0, 1). A place to the millisecond would change with segment.padding_seconds."""
    place = f"{clip.recording_id}-{int(clip.start):04d}"
    return int.from_bytes(hashlib.sha256(place.encode()).digest()[:6], "big") / 2**48
