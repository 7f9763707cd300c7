"""The texts of one recording's clips: the transcript, a part of it, or what the ASR heard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metrics.normalize import normalize_text
from stages.alignment.anchoring import tokens_by_clip
from stages.alignment.borders import settled_borders
from stages.alignment.cross_attention import NOT_ALIGNED, align_tokens_of, shared_texts, timed_text
from stages.alignment.matching import Token, WordTime, split_tokens
from stages.alignment.transcribe import (
    check_speakable,
    gives_probabilities,
    heard_word_times,
    loaded_judge,
    log_probability,
    spoken_words,
    word_times,
)
from stages.alignment.unheard_edges import with_unheard_edges
from stages.alignment.written_tokens import written_tokens

FORCED = ("en",)  # the languages that pocketsphinx aligns, whose times are better (benchmarks/word_times.py)
ALIGNMENT_FAILED = f"{NOT_ALIGNED}: the words do not fit the audio"


class ClipText(NamedTuple):
    """The text of one clip with the time of each spoken word, or the reason why it cannot be used."""

    text: str
    times: Sequence[WordTime]
    fault: str = ""


class Passage(NamedTuple):
    """Words of a transcript that are said in no clip, and the clips that are said before and after them.

    Attributes:
        text: as written.
        before: index of a clip of the recording, None at its beginning.
        after: index of a clip, None at its end.
    """

    text: str
    before: int | None
    after: int | None


class RecordingTexts(NamedTuple):
    """The text of each clip of a recording, and what of the transcript is in none."""

    clips: list[ClipText]
    unused: list[Passage]


def clip_texts(
    paths: Sequence[Path],
    seconds: Sequence[float],
    asr_texts: Sequence[str],
    transcript: str | None,
    language: str,
    asr: str,
) -> RecordingTexts:
    """Find the texts of one recording's clips.

    A single clip has the whole transcript. Of several clips, each has the part that the ASR heard in it (English:
    stages/alignment/anchoring.py, other languages: heard_places.py). Without a transcript, each has what the ASR heard.

    This runs in a worker process, so it imports nothing heavy.

    Args:
        paths: file of each clip, in order.
        seconds: length of each clip.
        asr_texts: what the ASR heard in each clip.
        transcript: what is said in the recording, None where it is not known.
        language: ISO 639 code of the recording.
        asr: name of the ASR judge.
    """
    if language not in FORCED:
        return RecordingTexts(_attended_texts(paths, seconds, asr_texts, transcript, language, asr), [])
    if transcript is None:
        texts = [_timed_text(path, text, language, asr) for path, text in zip(paths, asr_texts, strict=True)]
        return RecordingTexts(texts, [])
    if len(paths) == 1:
        return RecordingTexts([_timed_text(paths[0], transcript, language, asr)], [])
    words, fault = _spoken_words(transcript, language)
    if not words:
        return RecordingTexts([ClipText("", [], fault or ALIGNMENT_FAILED) for _ in paths], [])
    tokens = split_tokens(transcript, words, lambda token: _spoken_words(token, language)[0])
    units = [normalize_text(token.written, language).split() for token in tokens]
    heard = [normalize_text(text, language).split() for text in asr_texts]
    shares = tokens_by_clip(units, heard, seconds)
    shares = settled_borders(
        shares,
        tokens,
        units,
        heard,
        seconds,
        lambda left, words: word_times(paths[left : left + 2], words, as_recorded=True),
    )
    if gives_probabilities(loaded_judge(asr)):
        shares = with_unheard_edges(
            shares,
            units,
            lambda clip, share: log_probability(
                paths[clip], [unit for index in share for unit in units[index]], asr, language
            ),
        )
    texts = [
        _timed_tokens(path, [tokens[index] for index in share], language, asr)
        for path, share in zip(paths, shares, strict=True)
    ]
    return RecordingTexts(texts, unused_passages([token.written for token in tokens], shares))


def unused_passages(tokens: Sequence[str], shares: Sequence[Sequence[int]]) -> list[Passage]:
    """Return the runs of tokens that are in no clip.

    Args:
        tokens: of the transcript, as written.
        shares: the indices of the tokens in each clip.
    """
    clip_of = {index: clip for clip, share in enumerate(shares) for index in share}
    passages: list[Passage] = []
    run: list[str] = []
    before: int | None = None
    for index, token in enumerate([*tokens, ""]):
        clip = clip_of.get(index)
        if clip is None and index < len(tokens):
            run.append(token)
            continue
        if run:
            passages.append(Passage(" ".join(run), before, clip))
        run, before = [], clip
    return passages


def _attended_texts(
    paths: Sequence[Path],
    seconds: Sequence[float],
    asr_texts: Sequence[str],
    transcript: str | None,
    language: str,
    asr: str,
) -> list[ClipText]:
    """Return what `clip_texts` does, with times from the ASR's cross-attention."""
    align_tokens = align_tokens_of(paths, loaded_judge(asr), language)
    if transcript is None:
        tokens = [written_tokens(text, language) for text in asr_texts]
        found = [timed_text([clip], share, language, align_tokens) for clip, share in enumerate(tokens)]
        return [_with_fault(ClipText(*text), language) for text in found]
    if fault := _speech_fault(transcript, language):
        return [ClipText(transcript if len(paths) == 1 else "", [], fault) for _ in paths]
    tokens = written_tokens(transcript, language)
    if not tokens:
        return [ClipText(transcript if len(paths) == 1 else "", [], ALIGNMENT_FAILED) for _ in paths]
    return [ClipText(*text) for text in shared_texts(tokens, asr_texts, seconds, language, align_tokens)]


def _with_fault(found: ClipText, language: str) -> ClipText:
    return found._replace(fault=_speech_fault(found.text, language) or found.fault)


def _speech_fault(text: str, language: str) -> str:
    """Return why a text cannot be spoken, or an empty text."""
    try:
        check_speakable(text, language)
    except ValueError as error:
        return f"text cannot be spoken: {error}"
    return ""


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
