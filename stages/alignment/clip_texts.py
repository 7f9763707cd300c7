"""The texts of one recording's clips: the transcript, a part of it, or what the ASR heard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stages.alignment.matching import WordTime, assign_tokens, split_tokens
from stages.alignment.transcribe import spoken_words, word_times

ALIGNMENT_FAILED = "alignment failed: the words do not fit the audio"


class ClipText(NamedTuple):
    """The text of one clip with the time of each spoken word, or the reason why it cannot be used."""

    text: str
    times: Sequence[WordTime]
    fault: str = ""


def clip_texts(
    paths: Sequence[Path], seconds: Sequence[float], asr_texts: Sequence[str], transcript: str | None, language: str
) -> list[ClipText]:
    """Find the texts of one recording's clips.

    A single clip has the whole transcript. Of several clips, each has the words that forced alignment of the
    transcript over the joined clips puts into it. Without a transcript, each has what the ASR heard.

    This runs in a worker process, so it imports nothing heavy.

    Args:
        paths: file of each clip, in order.
        seconds: length of each clip.
        asr_texts: what the ASR heard in each clip.
        transcript: what is said in the recording, None where it is not known.
        language: ISO 639 code of the recording.
    """
    if transcript is None:
        return [_timed_text(path, text, language) for path, text in zip(paths, asr_texts, strict=True)]
    if len(paths) == 1:
        return [_timed_text(paths[0], transcript, language)]
    words, fault = _spoken_words(transcript, language)
    times = word_times(paths, words) if words else []
    if not times:
        return [ClipText("", [], fault or ALIGNMENT_FAILED) for _ in paths]
    tokens = split_tokens(transcript, words, lambda token: _spoken_words(token, language)[0])
    return [ClipText(*share) for share in assign_tokens(tokens, times, seconds)]


def _timed_text(path: Path, text: str, language: str) -> ClipText:
    words, fault = _spoken_words(text, language)
    times = word_times([path], words) if words else []
    return ClipText(text, times, fault or ("" if times else ALIGNMENT_FAILED))


def _spoken_words(text: str, language: str) -> tuple[list[str], str]:
    """Return the words and, where there are none, the reason."""
    try:
        return spoken_words(text, language), ""
    except ValueError as error:
        return [], f"text cannot be spoken: {error}"
