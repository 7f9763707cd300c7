"""From the tokens of a recogniser to the words of a text: when each is spoken, and how probable it is. Pure.

A tokeniser cuts a text without regard to its words: a Han character may be three tokens, and one token may be two
characters. Everything here counts in bytes of UTF-8, in which both tokens and words have exact borders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from metrics.errors import AlignmentError
from metrics.forced_alignment import AlignedWord

WITHOUT_SPACES = ("zh", "ja", "yue")  # written without spaces between words, so a word is a character here
MAX_SECONDS = 30.0  # of Whisper's window
MAX_TEXT_TOKENS = 440  # of Whisper's 448 places for text, less its marks of start, language, task and end


class WrittenText(NamedTuple):
    """A text as a recogniser writes it.

    Attributes:
        text: the words joined as the language writes them, with the space in front that Whisper writes.
        borders: one more than there are words. Word i is bytes borders[i] to borders[i + 1], its space included.
    """

    text: str
    borders: tuple[int, ...]


class TokenTimes(NamedTuple):
    """When the tokens of a text are spoken.

    Attributes:
        n_bytes: length of each token in bytes of UTF-8.
        times: (n_tokens + 1,) in seconds. Token i is spoken from times[i] to times[i + 1].
        probabilities: of each token, given the audio and the tokens before it, 0 to 1.
    """

    n_bytes: Sequence[int]
    times: Sequence[float]
    probabilities: Sequence[float]


def written_text(words: Sequence[str], language: str) -> WrittenText:
    """Join words as a language writes them.

    Args:
        words: words in English and Korean. Characters in Chinese, Cantonese and Japanese, among which a Latin word or
            a number is one entry. Punctuation belongs to the entry before it.
        language: ISO 639 code.

    Raises:
        AlignmentError: there is no word, or one is empty or has a space in it.
    """
    if not words:
        raise AlignmentError("no words to align; the text must have at least one")
    for word in words:
        if not word or word.split() != [word]:
            raise AlignmentError(f"cannot align the word {word!r}; a word is not empty and has no space in it")
    parts = []
    for index, word in enumerate(words):
        if language in WITHOUT_SPACES:
            has_space = index > 0 and _ends_latin(words[index - 1]) and _starts_latin(word)
        else:
            has_space = True
        parts.append(" " * has_space + word)
    borders = np.cumsum([0, *(len(part.encode()) for part in parts)])
    return WrittenText("".join(parts), tuple(borders.tolist()))


def _starts_latin(word: str) -> bool:
    return word[0].isascii() and word[0].isalnum()


def _ends_latin(word: str) -> bool:
    return word[-1].isascii()


def word_times(words: Sequence[str], written: WrittenText, tokens: TokenTimes, seconds: float) -> list[AlignedWord]:
    """Return the time and the probability of each word.

    Inside a token, time passes evenly over its bytes. The probability of a word is the product of those of its tokens,
    without tokens of punctuation alone, which are not spoken. A token that reaches into several words counts for each.

    Args:
        words: as given to `written_text`.
        written: its result.
        tokens: of `written.text`.
        seconds: length of the audio. Times are at most that.

    Returns:
        One AlignedWord per word, in order, of which none starts before the one before it ends.
    """
    token_borders = np.cumsum([0, *tokens.n_bytes])
    assert token_borders[-1] == written.borders[-1], (token_borders[-1], written)
    times = np.interp(written.borders, token_borders, np.clip(np.maximum.accumulate(tokens.times), 0.0, seconds))
    text = written.text.encode()
    is_spoken = [_is_spoken(text[first:end]) for first, end in pairwise(token_borders)]
    aligned = []
    for index, word in enumerate(words):
        first, end = written.borders[index : index + 2]
        first_token = int(np.searchsorted(token_borders, first, side="right")) - 1
        end_token = int(np.searchsorted(token_borders, end, side="left"))
        own = (tokens.probabilities[token] for token in range(first_token, end_token) if is_spoken[token])
        probability = min(math.prod(own), 1.0)
        aligned.append(AlignedWord(word, float(times[index]), float(times[index + 1]), probability))
    return aligned


def within_speech(words: Sequence[AlignedWord], spans: Sequence[tuple[float, float]]) -> list[AlignedWord]:
    """Cut the pauses off the words.

    Cross-attention gives the pause before a word to that word. A word has no pause inside, so it keeps the part of its
    time that is in one span of speech: the one that it shares most time with. A word outside all spans stays as it is.

    Args:
        words: in order.
        spans: (start, end) in seconds in which somebody speaks, in order.
    """
    cut = []
    for word in words:
        shared = [(max(word.start, start), min(word.end, end)) for start, end in spans]
        start, end = max(shared, key=lambda part: part[1] - part[0], default=(0.0, 0.0))
        cut.append(replace(word, start=start, end=end) if end > start else word)
    return cut


def _is_spoken(token: bytes) -> bool:
    """Return whether a token has a letter or a digit, or a part of a character, which may be one."""
    try:
        return any(character.isalnum() for character in token.decode())
    except UnicodeDecodeError:
        return True


def check_fits(seconds: float, n_tokens: int) -> None:
    """Raise AlignmentError where an audio or its text is longer than Whisper's window.

    Args:
        seconds: length of the audio.
        n_tokens: length of the text.
    """
    if seconds > MAX_SECONDS:
        raise AlignmentError(
            f"{seconds:.1f} s of audio are longer than the {MAX_SECONDS:.0f} s that Whisper aligns at once; cut it"
        )
    if n_tokens > MAX_TEXT_TOKENS:
        raise AlignmentError(
            f"a text of {n_tokens} tokens does not fit {seconds:.1f} s of audio; Whisper aligns at most "
            f"{MAX_TEXT_TOKENS} at once"
        )
