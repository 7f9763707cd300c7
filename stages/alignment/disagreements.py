"""Where the text of a clip and what the ASR heard disagree, and how much the sound speaks against the text there.

The ASR mishears some words of right texts, so a difference alone says little. The text with the words in question is
given to the ASR, and so is the text with what it heard instead. A word that was never said makes the sound far less
probable. A rare name that the ASR merely spells in its own way does not.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from gpt_sovits.audio import load_audio, to_mono
from gpt_sovits.text.english.phonemes import pronounce
from metrics.errors import AlignmentError
from metrics.judges.transcriber import AlignedWord
from metrics.normalize import normalize_text
from metrics.wer import word_operations
from stages.alignment.transcribe import LEAST_PROBABLE, gives_probabilities, loaded_judge, spoken_words
from stages.tables import AlignedClip

# Nothing follows the last word, so words that are missing at the end change no other probability. This stands for that
# of the end of the text while somebody speaks on. Whisper gives it for no text that is given to it.
END_DOUBT = 8.0
# The text with missing words put in has more words, each of whose probabilities lowers that of the whole. Of 71 words
# taken out of LJSpeech without noise, 6 had a doubt of 2.4 to 5. In its right texts, no word more was heard than is
# written.
MISSING_DOUBT = 3.0
# Phones by which what was heard must be longer than what is written, if a word is to be missing beside a wrong one
MISSING_PHONES = 3


class Run(NamedTuple):
    """Neighbouring units in which two texts differ: those from first to end, and from first_heard to end_heard.

    A unit is a word, or a character where the language is counted in characters.
    """

    first: int
    end: int
    first_heard: int
    end_heard: int


class Doubt(NamedTuple):
    """A run in which a clip's text differs from what was heard.

    Attributes:
        run: where it is in the normalised text and in what was heard.
        written: the units of the text.
        heard: the units that the ASR heard.
        start: in seconds within the clip.
        end: in seconds within the clip.
        doubt: how much more probable the sound is with what was heard than with what is written: difference of the
            natural logarithms, and a constant where words are missing.
    """

    run: Run
    written: str
    heard: str
    start: float
    end: float
    doubt: float


def differing_runs(text: Sequence[str], heard: Sequence[str]) -> list[Run]:
    """Return the runs in which a text and what was heard differ, in order.

    Args:
        text: the units of the text, at least one.
        heard: the units that the ASR heard.
    """
    runs: list[Run] = []
    place = place_heard = 0
    was_equal = True
    for operation in word_operations(" ".join(text), " ".join(heard)):
        start, start_heard = place, place_heard
        place += operation.op != "insert"
        place_heard += operation.op != "delete"
        is_equal = operation.op == "equal"
        if not is_equal and was_equal:
            runs.append(Run(start, place, start_heard, place_heard))
        elif not is_equal:
            runs[-1] = runs[-1]._replace(end=place, end_heard=place_heard)
        was_equal = is_equal
    return runs


def find_disagreements(path: Path, clip: AlignedClip, asr: str, language: str) -> list[Doubt]:
    """Return every run in which a clip's text differs from what was heard, with how much the sound speaks against it.

    This runs in a worker process.

    Args:
        path: the clip.
        clip: its row, with a text and with what the ASR heard.
        asr: name of the ASR judge.
        language: ISO 639 code of the clip.

    Returns:
        Nothing where the judge gives words no probability, or cannot align what it heard.
    """
    text, heard = normalize_text(clip.text, language).split(), clip.asr_text.split()
    runs = [
        run
        for run in (differing_runs(text, heard) if text != heard else [])
        if not sound_alike(text[run.first : run.end], heard[run.first_heard : run.end_heard], language)
    ]
    judge = loaded_judge(asr)
    if not runs or not gives_probabilities(judge):
        return []
    samples, sample_rate = load_audio(path)
    waveform = to_mono(samples)

    def aligned(words: list[str]) -> list[AlignedWord]:
        return judge.align_words(waveform, sample_rate, words, language) if words else []

    found = []
    try:
        as_heard = aligned(heard)
        for run in runs:
            as_written = aligned([*heard[: run.first_heard], *text[run.first : run.end], *heard[run.end_heard :]])
            bias = _missing_doubt(run, text, heard, language)
            places = [run_times(run, text, clip)] if run.first < run.end else []
            if bias:  # the words that are missing have no other place
                places += [(word.start, word.end) for word in as_heard[run.first_heard : run.end_heard]]
            start, end = min(start for start, _ in places), max(end for _, end in places)
            found.append(
                Doubt(
                    run=run,
                    written=" ".join(text[run.first : run.end]),
                    heard=" ".join(heard[run.first_heard : run.end_heard]),
                    start=start,
                    end=end,
                    doubt=round(_log_probability(as_heard) - _log_probability(as_written) + bias, 3),
                )
            )
    except AlignmentError:
        return []
    return found


def _log_probability(words: Sequence[AlignedWord]) -> float:
    return sum(math.log(max(word.probability or 0.0, LEAST_PROBABLE)) for word in words)


def _missing_doubt(run: Run, text: Sequence[str], heard: Sequence[str], language: str) -> float:
    """Return what is added to the doubt of a run in which words are missing, else 0."""
    if not lacks_words(text[run.first : run.end], heard[run.first_heard : run.end_heard], language):
        return 0.0
    n_more = run.end_heard - run.first_heard - 1 if run.first == run.end else 0
    return (END_DOUBT if run.end == len(text) else MISSING_DOUBT) + n_more * MISSING_DOUBT


def sound_alike(written: Sequence[str], heard: Sequence[str], language: str) -> bool:
    """Return whether two texts differ in their spelling alone ("teapot", "t pot"). Known for English only."""
    sounds = _phones(written, language), _phones(heard, language)
    return bool(sounds[0]) and sounds[0] == sounds[1]


def lacks_words(written: Sequence[str], heard: Sequence[str], language: str) -> bool:
    """Return whether more was heard than is written: "in" where "and form" is heard lacks a word.

    Beside a wrong word this is known for English only.
    """
    if not written:
        return True
    sounds = _phones(written, language), _phones(heard, language)
    return all(sounds) and len(sounds[1]) >= len(sounds[0]) + MISSING_PHONES


def _phones(words: Sequence[str], language: str) -> list[str]:
    """Return the phones of words, or none where they cannot be told."""
    if language != "en" or not words:
        return []
    try:
        return [phone.rstrip("012") for word in spoken_words(" ".join(words), language) for phone in pronounce(word)]
    except ValueError:  # cannot be spoken
        return []


def run_times(run: Run, text: Sequence[str], clip: AlignedClip) -> tuple[float, float]:
    """Return where the words of a run are in the clip, in seconds, or the gap between the words around them.

    The timed words are those that are spoken ("five"), the text's are normalised (5), so words without an equal are
    placed by those around them.
    """
    spoken = [word.lower() for word, _, _ in clip.words]
    blocks = SequenceMatcher(None, text, spoken, autojunk=False).get_matching_blocks()
    timed = {block.a + i: clip.words[block.b + i] for block in blocks for i in range(block.size)}
    inside = [timed[index] for index in range(run.first, run.end) if index in timed]
    if len(inside) == run.end - run.first > 0:
        return inside[0][1], inside[-1][2]
    known = sorted(timed)
    before, after = bisect_left(known, run.first) - 1, bisect_left(known, run.end)
    start = timed[known[before]][2] if before >= 0 else 0.0
    end = timed[known[after]][1] if after < len(known) else clip.seconds
    return start, max(start, end)


def wrong_units(doubts: Sequence[Doubt]) -> int:
    """Return how many words (or characters) of a clip's text are wrong or added, and how many it lacks.

    A wrong word counts once, whatever number of words was heard instead.
    """
    return sum(len((one.written or one.heard).split()) for one in doubts)
