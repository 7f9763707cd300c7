"""Which words of a transcript were spoken in which clip, and which clips training never sees. Pure."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import NamedTuple

WordTime = tuple[str, float, float]  # word, start, end in seconds

MIN_HELD_OUT = 2  # clips, where there are enough to spare
ENOUGH_TO_SPARE = 10


class Token(NamedTuple):
    """A piece of the transcript between spaces, as written, and the words it is spoken as ("5%": five percent)."""

    written: str
    spoken: tuple[str, ...]


def tokens_of(text: str, words: Sequence[str], spoken_words: Callable[[str], list[str]]) -> list[Token]:
    """The transcript's tokens with all its spoken `words` among them, in order.

    spoken_words: what a token is spoken as when it stands alone. In its sentence it may be spoken otherwise ("No. 5",
    "St. James", "PM"), so these only tell where each of `words` belongs.
    A token that is not spoken (a dash) joins the one before it.
    """
    written = text.split()
    guesses = [(word.lower(), index) for index, token in enumerate(written) for word in spoken_words(token)]
    shares: list[list[str]] = [[] for _ in written]
    matcher = SequenceMatcher(None, [word for word, _ in guesses], [word.lower() for word in words], autojunk=False)
    for _, guess, guess_end, first, end in matcher.get_opcodes():
        for offset, word in enumerate(words[first:end]):
            # one for one as far as the guesses reach, the rest to the last of them
            nearest = min(guess + offset, max(guess_end, 1) - 1)
            shares[guesses[nearest][1] if guesses else 0].append(word)
    tokens: list[Token] = []
    for token, share in zip(written, shares, strict=True):
        if not share and tokens:
            tokens[-1] = tokens[-1]._replace(written=f"{tokens[-1].written} {token}")
        else:
            tokens.append(Token(token, tuple(share)))
    return tokens


def share_out(
    tokens: Sequence[Token], times: Sequence[WordTime], seconds: Sequence[float]
) -> list[tuple[str, list[WordTime]]]:
    """The text and the word times of each clip, given the word times in the clips joined end to end.

    times: one for each spoken word of `tokens`, in order
    seconds: length of each clip
    A token belongs to the clip in which the middle of its first word falls, and its words are kept within that clip.
    """
    assert len(times) == sum(len(token.spoken) for token in tokens), (len(times), tokens)
    starts = [0.0, *accumulate(seconds)]
    clips: list[tuple[list[str], list[WordTime]]] = [([], []) for _ in seconds]
    position = 0
    index = 0
    for token in tokens:
        spoken = times[position : position + len(token.spoken)]
        position += len(token.spoken)
        if spoken:  # an unspoken token at the very start stays with the first clip
            _, start, end = spoken[0]
            index = min(bisect_right(starts, (start + end) / 2) - 1, len(clips) - 1)
        texts, words = clips[index]
        texts.append(token.written)
        for word, start, end in spoken:
            limited = (min(max(time - starts[index], 0.0), seconds[index]) for time in (start, end))
            words.append((word, *(round(time, 3) for time in limited)))
    return [(" ".join(texts), words) for texts, words in clips]


def held_out(clip_ids: Sequence[str], share: float) -> set[str]:
    """The clips that no training sees: those whose id hashes below `share`, so that no other clip changes the choice.

    The id begins with a hash of the recording's bytes. Where that gives fewer than two of at least ten clips (or none
    of at least two), the clips of smallest hash are taken; where it gives more than half, only the half of smallest
    hash. So there is never nothing to validate on and never nothing to train on, except with a single clip: it trains.
    """
    ranked = sorted(clip_ids, key=_hash)
    n_wanted = sum(_hash(clip_id) < share for clip_id in ranked)
    least = MIN_HELD_OUT if len(ranked) >= ENOUGH_TO_SPARE else 1
    return set(ranked[: min(max(n_wanted, least), len(ranked) // 2)])


def _hash(clip_id: str) -> float:
    """A number in [0, 1)."""
    return int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:6], "big") / 2**48
