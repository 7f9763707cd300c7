"""Repair a clip whose sound speaks against some of its words: take the word heard, or cut the clip to the other words.

This runs in align's worker processes. What is repaired is a choice (`align.repair`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpt_sovits.audio import load_audio, to_mono
from metrics.normalize import normalize_text
from stages.alignment.clip_texts import clip_texts
from stages.alignment.disagreements import Doubt, Run
from stages.alignment.error_rates import text_error_rate
from stages.alignment.matching import WordTime, split_tokens
from stages.alignment.transcribe import loaded_judge, spoken_words
from stages.alignment.written_tokens import separator_of, written_tokens
from stages.clip_audio import TRIMMED
from stages.sections.data import Align
from stages.tables import AlignedClip

MIN_SECONDS = 1.0  # of a trimmed clip
PAUSE_SECONDS = 0.06  # a cut needs a pause of this length
PAUSE_DB = 10.0  # a pause is at least this much below the level of the clip,
FLOOR_DB = 6.0  # and at most this much above its quietest tenth
PADDING_SECONDS = 0.1  # sound that stays before the first and after the last word


@dataclass(frozen=True)
class Repair:
    """What was repaired.

    Attributes:
        row: the clip after it.
        runs: of the doubts that are no longer in it.
        span: what is left of its sound, from sample to sample, or None for all of it.
    """

    row: AlignedClip
    runs: tuple[Run, ...] = ()
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class _TimedToken:
    """A piece of a text, the normalised units in it, and when it is said in seconds."""

    written: str
    units: tuple[str, ...]
    words: tuple[WordTime, ...]


def repair_clip(path: Path, row: AlignedClip, doubts: Sequence[Doubt], asr: str, params: Align) -> Repair:
    """Repair a clip as far as params.repair allows and its words can be told apart.

    Args:
        path: its sound.
        row: the clip, with a text that is not a person's correction.
        doubts: where the sound speaks against its text, at least one.
        asr: name of the ASR judge.
        params: the section `align` of params.yaml.
    """
    repair = Repair(row)
    if "substitute" in params.repair:
        repair = _substitute(path, row, doubts, asr)
    rest = [one for one in doubts if one.run not in repair.runs]
    if "trim" in params.repair and rest:
        repair = _trim(path, repair, rest, asr, params)
    return repair


def _substitute(path: Path, row: AlignedClip, doubts: Sequence[Doubt], asr: str) -> Repair:
    """Put the word that was heard in the place of each single word that another single word was heard for."""
    tokens = _timed_tokens(row)
    owners = [index for index, token in enumerate(tokens) for _ in token.units]
    single = {
        owners[one.run.first]: one
        for one in doubts
        if owners
        and one.run.end - one.run.first == one.run.end_heard - one.run.first_heard == 1
        and len(tokens[owners[one.run.first]].units) == 1
    }
    if not single:
        return Repair(row)
    pieces = [
        _with_word(token.written, single[index].heard) if index in single else token.written
        for index, token in enumerate(tokens)
    ]
    text = separator_of(row.language).join(pieces)
    found = clip_texts([path], [row.seconds], [row.asr_text], text, row.language, asr).clips[0]
    if found.fault:
        return Repair(row)
    note = ", ".join(f"{one.heard!r} for {one.written!r}" for one in single.values())
    words = _clipped(found.times, row.seconds)
    new = row.model_copy(update={"text": text, "words": words, "repair": f"took {note}"})
    return Repair(_rescored(new), tuple(one.run for one in single.values()))


def _trim(path: Path, repair: Repair, doubts: Sequence[Doubt], asr: str, params: Align) -> Repair:
    """Cut a clip to the longest stretch of words that nothing speaks against, from pause to pause."""
    row = repair.row
    tokens = _timed_tokens(row)
    samples, sample_rate = load_audio(path)
    waveform = to_mono(samples)
    stretches = [
        found
        for first, end in _agreed(tokens, [one.run for one in doubts])
        if (found := _between_pauses(tokens, first, end, waveform, sample_rate))
    ]
    if not stretches:
        return repair
    first, end, start, stop = max(stretches, key=lambda one: (one[3] - one[2], -one[0]))
    seconds = (stop - start) / sample_rate
    if seconds < MIN_SECONDS:
        return repair
    heard = loaded_judge(asr).listen(waveform[start:stop], sample_rate, row.language).text
    text = separator_of(row.language).join(token.written for token in tokens[first:end])
    cut = start / sample_rate
    new = _rescored(
        row.model_copy(
            update={
                "path": f"{TRIMMED}/{row.clip_id}.flac",
                "seconds": seconds,
                "trimmed_seconds": round(cut, 6),
                "text": text,
                "asr_text": normalize_text(heard, row.language),
                "words": _clipped(
                    [(word, a - cut, b - cut) for token in tokens[first:end] for word, a, b in token.words], seconds
                ),
                "kept": True,
                "reason": "",
                "repair": "; ".join(
                    [*([row.repair] if row.repair else []), f"trimmed to {cut:.2f}-{stop / sample_rate:.2f} s"]
                ),
            }
        )
    )
    if new.cer is None or new.cer > params.max_cer:
        return repair
    return Repair(new, (*repair.runs, *(one.run for one in doubts)), (start, stop))


def _timed_tokens(row: AlignedClip) -> list[_TimedToken]:
    """Return the pieces of a clip's text, or nothing where a piece alone is not normalised as it is in the text."""
    if row.language == "en":
        words = [word for word, _, _ in row.words]
        tokens = split_tokens(row.text, words, lambda token: _spoken(token))
    else:
        tokens = written_tokens(row.text, row.language)
    timed, position = [], 0
    for token in tokens:
        n_words = len(token.spoken)
        units = tuple(normalize_text(token.written, row.language).split())
        timed.append(_TimedToken(token.written, units, row.words[position : position + n_words]))
        position += n_words
    units = [unit for token in timed for unit in token.units]
    is_whole = position == len(row.words) and units == normalize_text(row.text, row.language).split()
    return timed if is_whole and all(token.words for token in timed) else []


def _spoken(token: str) -> list[str]:
    try:
        return spoken_words(token, "en")
    except ValueError:  # cannot be spoken alone
        return []


def _agreed(tokens: Sequence[_TimedToken], runs: Sequence[Run]) -> list[tuple[int, int]]:
    """Return the stretches of tokens (first, end) without a doubted unit, and without a gap where one is missing."""
    wrong = {unit for run in runs for unit in range(run.first, run.end)}
    gaps = {run.first for run in runs if run.first == run.end}
    stretches: list[tuple[int, int]] = []
    unit = 0
    is_open = False
    for index, token in enumerate(tokens):
        units = range(unit, unit + len(token.units))
        unit += len(token.units)
        if not wrong.isdisjoint(units) or not gaps.isdisjoint(units[1:]):
            is_open = False
        elif is_open and units.start not in gaps:
            stretches[-1] = (stretches[-1][0], index + 1)
        else:
            stretches.append((index, index + 1))
            is_open = True
    return stretches


def _between_pauses(
    tokens: Sequence[_TimedToken], first: int, end: int, waveform: np.ndarray, sample_rate: int
) -> tuple[int, int, int, int] | None:
    """Return the longest part of a stretch that begins and ends in a pause: its tokens and samples, or None."""
    levels = _levels(waveform, sample_rate)
    begins = (
        (0, 0) if first == 0 else None,
        *(_pause(tokens, i, levels, sample_rate) for i in range(max(1, first), end)),
    )
    starts = [one for one in begins if one]
    stops = [
        one for i in range(first + 1, end + 1) if i < len(tokens) and (one := _pause(tokens, i, levels, sample_rate))
    ]
    if end == len(tokens):
        stops.append((end, len(waveform)))
    if not starts or not stops or starts[0][0] >= stops[-1][0]:
        return None
    padding = round(PADDING_SECONDS * sample_rate)
    (token, start), (token_end, stop) = starts[0], stops[-1]
    if token:
        start = max(start, round(tokens[token].words[0][1] * sample_rate) - padding)
    if token_end < len(tokens):
        stop = min(stop, round(tokens[token_end - 1].words[-1][2] * sample_rate) + padding)
    return token, token_end, start, stop


def _levels(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return (n,) the RMS level in dB around each step of a quarter of PAUSE_SECONDS, over PAUSE_SECONDS."""
    step = round(PAUSE_SECONDS / 4 * sample_rate)
    powers = np.square(waveform[: len(waveform) // step * step], dtype=np.float64).reshape(-1, step).mean(axis=1)
    return 10 * np.log10(np.convolve(powers, np.full(4, 0.25), mode="same") + 1e-12)


def _pause(tokens: Sequence[_TimedToken], index: int, levels: np.ndarray, sample_rate: int) -> tuple[int, int] | None:
    """Return (index, sample of the cut) if there is a pause before a token, not sooner than the middle of the last."""
    step = round(PAUSE_SECONDS / 4 * sample_rate)
    _, before, before_end = tokens[index - 1].words[-1]
    low = round((before + before_end) / 2 * sample_rate) // step
    high = max(low + 1, round((tokens[index].words[0][1] + PAUSE_SECONDS) * sample_rate) // step)
    quietest = low + int(np.argmin(levels[low:high])) if low < len(levels) else -1
    loudness = 10 * np.log10(np.mean(10 ** (levels / 10)))
    if quietest < 0 or levels[quietest] > min(loudness - PAUSE_DB, np.quantile(levels, 0.1) + FLOOR_DB):
        return None
    return index, quietest * step


def _with_word(written: str, word: str) -> str:
    """Return a piece of a text with another word between its signs, with a capital where it had one."""
    letters = [index for index, character in enumerate(written) if character.isalnum()]
    word = word.capitalize() if written[letters[0]].isupper() else word
    return written[: letters[0]] + word + written[letters[-1] + 1 :]


def _rescored(row: AlignedClip) -> AlignedClip:
    spoken = [word for word, *_ in row.words]
    return row.model_copy(update={"cer": text_error_rate(row.text, spoken, row.asr_text, row.language)})


def _clipped(times: Sequence[WordTime], seconds: float) -> tuple[WordTime, ...]:
    return tuple((word, *(min(max(round(time, 3), 0.0), seconds) for time in span)) for word, *span in times)
