"""Divide a text where its clip is split. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.judges.word_times import WITHOUT_SPACES

WordTime = tuple[str, float, float]
REACH = 40  # characters within which the next spoken word is looked for in the text


def cut_text(text: str, words: Sequence[WordTime], *, at: float, language: str) -> tuple[str, str]:
    """Return the parts of a text before and after a time.

    Words are looked for in the order in which they are spoken. Where a word is written in another way than it is
    spoken ("14"), the cut is at the next word that is found, or at the share of the words before it.

    Args:
        text: the text of the clip.
        words: (word, start, end) as spoken, in seconds.
        at: where the clip is split, in seconds.
        language: ISO 639 code of the text.
    """
    n_before = sum((start + end) / 2 < at for _, start, end in words)
    if n_before in (0, len(words)):
        return ("", text) if not n_before else (text, "")
    lowered = text.lower() if len(text.lower()) == len(text) else text
    place, missed = 0, False
    for word, _, _ in words[:n_before]:
        found = lowered.find(word.lower(), place, place + REACH + len(word))
        missed = found < 0
        place = place if missed else found + len(word)
    if missed:
        found = lowered.find(words[n_before][0].lower(), place, place + REACH)
        place = found if found > 0 else max(place, round(len(text) * n_before / len(words)))
    place = _end_of_token(text, place, language=language)
    return text[:place].strip(), text[place:].strip()


def join_texts(first: str, second: str, *, language: str) -> str:
    """Return the text of two clips that are joined."""
    return ("" if language in WITHOUT_SPACES else " ").join(part for part in (first, second) if part)


def _end_of_token(text: str, place: int, *, language: str) -> int:
    """Return where the written word at a place ends, with the signs that follow it."""
    if place and text[place - 1].isspace():
        return place
    while place < len(text) and not text[place].isspace():
        if language in WITHOUT_SPACES and text[place].isalnum():
            break
        place += 1
    return place
