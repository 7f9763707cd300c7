"""The texts of one recording's clips in the languages that pocketsphinx cannot align, by the ASR's cross-attention.

This runs in align's worker processes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpt_sovits.audio import load_audio, to_mono
from metrics.errors import AlignmentError
from metrics.forced_alignment import AlignedWord
from metrics.judges.transcriber import Transcriber
from metrics.judges.word_times import MAX_SECONDS
from metrics.normalize import normalize_text
from stages.alignment.heard_places import OpenRun, anchored_clips, place_tokens, places_by_length
from stages.alignment.matching import Token, WordTime
from stages.alignment.written_tokens import separator_of

NOT_ALIGNED = "alignment failed"
AlignTokens = Callable[[Sequence[int], Sequence[Token]], list[AlignedWord]]  # indices of clips, their tokens


class AlignedText(NamedTuple):
    """The text of one clip and the time of each token, or why there are no times."""

    text: str
    times: list[WordTime]
    fault: str = ""


def align_tokens_of(paths: Sequence[Path], judge: Transcriber, language: str) -> AlignTokens:
    """Return a function that aligns tokens over some of the clips, joined.

    Args:
        paths: file of each clip of a recording.
        judge: an ASR that gives word times.
        language: ISO 639 code.
    """

    def align_tokens(clips: Sequence[int], tokens: Sequence[Token]) -> list[AlignedWord]:
        audio = [load_audio(paths[clip]) for clip in clips]
        waveform = np.concatenate([to_mono(samples) for samples, _ in audio])
        words = ["".join(token.written.split()) for token in tokens]
        return judge.align_words(waveform, audio[0][1], words, language)

    return align_tokens


def shared_texts(
    tokens: Sequence[Token],
    heard: Sequence[str],
    seconds: Sequence[float],
    language: str,
    align_tokens: AlignTokens,
) -> list[AlignedText]:
    """Give each clip of a recording its part of the transcript with times.

    Args:
        tokens: the transcript.
        heard: what the ASR heard in each clip, not normalised.
        seconds: length of each clip.
        language: ISO 639 code.
        align_tokens: see `align_tokens_of`.
    """
    clips, runs = [0] * len(tokens), []
    if len(seconds) > 1:
        units = [normalize_text(token.written, language).split() for token in tokens]
        anchors = anchored_clips(units, [normalize_text(text, language).split() for text in heard])
        clips, runs = place_tokens(anchors, len(seconds))
    for run in runs:
        clips[run.first : run.end] = _settle(run, clips, tokens, seconds, align_tokens)
    shares: list[list[Token]] = [[] for _ in seconds]
    for token, clip in zip(tokens, clips, strict=True):
        shares[clip].append(token)
    return [timed_text([clip], share, language, align_tokens) for clip, share in enumerate(shares)]


def timed_text(clips: Sequence[int], tokens: Sequence[Token], language: str, align_tokens: AlignTokens) -> AlignedText:
    """Return the text of some tokens with their times in some clips, joined."""
    text = separator_of(language).join(token.written for token in tokens).strip()
    try:
        aligned = align_tokens(clips, tokens) if tokens else []
    except AlignmentError as error:
        return AlignedText(text, [], f"{NOT_ALIGNED}: {error}")
    return AlignedText(
        text, [(token.spoken[0], word.start, word.end) for token, word in zip(tokens, aligned, strict=True)]
    )


def _settle(
    run: OpenRun, clips: Sequence[int], tokens: Sequence[Token], seconds: Sequence[float], align_tokens: AlignTokens
) -> list[int]:
    """Return the clips of an open run: where the sound says, or by length where that is too long to be aligned."""
    window = range(run.first_clip, run.last_clip + 1)
    lengths = [seconds[clip] for clip in window]
    # the tokens of the clips on both sides go with them, because the sound of these is in the window too
    first = bisect_left(clips, run.first_clip, 0, run.first)
    end = bisect_right(clips, run.last_clip, run.end)
    if sum(lengths) <= MAX_SECONDS:
        try:
            aligned = align_tokens(window, tokens[first:end])
        except AlignmentError:
            aligned = []
        if aligned:
            starts = [0.0, *accumulate(lengths)]
            middles = ((word.start + word.end) / 2 for word in aligned[run.first - first : run.end - first])
            return [window[min(bisect_right(starts, middle) - 1, len(window) - 1)] for middle in middles]
    return [window[index] for index in places_by_length(run.end - run.first, lengths)]
