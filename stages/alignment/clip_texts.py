"""The texts of one recording's clips: the transcript, a part of it, or what the ASR heard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metrics.normalize import normalize_text
from stages.alignment.anchoring import place_tokens
from stages.alignment.matching import Token, WordTime, split_tokens
from stages.alignment.transcribe import heard_word_times, spoken_words, word_times

ALIGNMENT_FAILED = "alignment failed: the words do not fit the audio"


class ClipText(NamedTuple):
    """The text of one clip with the time of each spoken word, or the reason why it cannot be used."""

    text: str
    times: Sequence[WordTime]
    fault: str = ""


def clip_texts(
    paths: Sequence[Path],
    seconds: Sequence[float],
    asr_texts: Sequence[str],
    transcript: str | None,
    language: str,
    asr: str,
) -> list[ClipText]:
    """Find the texts of one recording's clips.

    A single clip has the whole transcript. Of several clips, each has the part that the ASR heard in it, see
    stages/alignment/anchoring.py. Without a transcript, each has what the ASR heard.

    This runs in a worker process, so it imports nothing heavy.

    Args:
        paths: file of each clip, in order.
        seconds: length of each clip.
        asr_texts: what the ASR heard in each clip.
        transcript: what is said in the recording, None where it is not known.
        language: ISO 639 code of the recording.
        asr: name of the ASR judge.
    """
    if transcript is None:
        return [_timed_text(path, text, language, asr) for path, text in zip(paths, asr_texts, strict=True)]
    if len(paths) == 1:
        return [_timed_text(paths[0], transcript, language, asr)]
    words, fault = _spoken_words(transcript, language)
    if not words:
        return [ClipText("", [], fault or ALIGNMENT_FAILED) for _ in paths]
    tokens = split_tokens(transcript, words, lambda token: _spoken_words(token, language)[0])
    shares = place_tokens(
        [normalize_text(token.written, language).split() for token in tokens],
        [normalize_text(text, language).split() for text in asr_texts],
        seconds,
    )
    return [
        _timed_tokens(path, [tokens[index] for index in share], language, asr)
        for path, share in zip(paths, shares, strict=True)
    ]


def _timed_tokens(path: Path, tokens: Sequence[Token], language: str, asr: str) -> ClipText:
    if not tokens:
        return ClipText("", [])
    return _timed_words(
        path,
        " ".join(token.written for token in tokens),
        [word for token in tokens for word in token.spoken],
        language,
        asr,
    )


def _timed_text(path: Path, text: str, language: str, asr: str) -> ClipText:
    words, fault = _spoken_words(text, language)
    return (
        ClipText(text, [], fault or ALIGNMENT_FAILED) if not words else _timed_words(path, text, words, language, asr)
    )


def _timed_words(path: Path, text: str, words: Sequence[str], language: str, asr: str) -> ClipText:
    """Time words by forced alignment, else by the ASR, which also aligns words that do not quite fit the sound."""
    times = word_times([path], words) or heard_word_times(path, words, asr, language)
    return ClipText(text, times, "" if times else ALIGNMENT_FAILED)


def _spoken_words(text: str, language: str) -> tuple[list[str], str]:
    """Return the words and, where there are none, the reason."""
    try:
        return spoken_words(text, language), ""
    except ValueError as error:
        return [], f"text cannot be spoken: {error}"
