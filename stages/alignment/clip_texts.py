"""The text of one recording's clips: the transcript, its share of it, or what the ASR heard; kept or rejected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stages.alignment.matching import WordTime, share_out, tokens_of
from stages.alignment.transcribe import spoken_words, word_times

ALIGNMENT_FAILED = "alignment failed: the words do not fit the audio"


class ClipText(NamedTuple):
    """The text of one clip with the time of each spoken word in it, or why it has none."""

    text: str
    times: Sequence[WordTime]
    fault: str = ""


def clip_texts(
    paths: Sequence[Path], seconds: Sequence[float], heard: Sequence[str], transcript: str | None, language: str
) -> list[ClipText]:
    """The texts of one recording's clips. Runs in a worker process, so it imports nothing heavy.

    paths, seconds, heard: of each clip, in order: its file, its length and what the ASR heard
    A single clip has the whole transcript; of several, each has the words that forced alignment of the transcript over
    the joined clips puts into it; without a transcript, each has what the ASR heard.
    """
    if transcript is None:
        return [_timed(path, text, language) for path, text in zip(paths, heard, strict=True)]
    if len(paths) == 1:
        return [_timed(paths[0], transcript, language)]
    words, fault = _spoken(transcript, language)
    times = word_times(paths, words) if words else []
    if not times:
        return [ClipText("", [], fault or ALIGNMENT_FAILED) for _ in paths]
    tokens = tokens_of(transcript, words, lambda token: _spoken(token, language)[0])
    return [ClipText(*share) for share in share_out(tokens, times, seconds)]


def _timed(path: Path, text: str, language: str) -> ClipText:
    words, fault = _spoken(text, language)
    times = word_times([path], words) if words else []
    return ClipText(text, times, fault or ("" if times else ALIGNMENT_FAILED))


def _spoken(text: str, language: str) -> tuple[list[str], str]:
    """(words, why there are none)."""
    try:
        return spoken_words(text, language), ""
    except ValueError as error:
        return [], f"text cannot be spoken: {error}"
