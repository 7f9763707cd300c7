"""The recordings of benchmarks/failures.py, by set.

| set | speakers | text |
|---|---|---|
| LJSpeech | a reader | known |
| LibriSpeech a, LibriSpeech b | three readers each, harder recordings (test-other) | what Whisper hears, see below |
| sample | the speech synthesiser that is the sample voice | known |

LibriSpeech has no transcripts here, so the text is what Whisper hears in the undamaged recording. A false alarm by
words cannot occur there, and the tables leave those out. A recording is damaged only if pocketsphinx, which shares
nothing with Whisper, hears AGREED of the words alike, and can place the words in time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.failure_damages import MIN_WORDS, RATE, Speech
from benchmarks.failure_hearing import LANGUAGE, ROOT, hear
from gpt_sovits.audio import load_audio, to_mono
from gpt_sovits.text.english.phonemes import pronounce
from metrics.audio import to_rate
from metrics.errors import AlignmentError
from metrics.forced_alignment import force_align
from metrics.normalize import normalize_text
from metrics.wer import word_errors

WORD = re.compile(r"[A-Za-z']+")
TEXT_JUDGE, SECOND_JUDGE = "faster-whisper-tiny.en", "pocketsphinx"
AGREED = 0.3  # share of the words: pocketsphinx errs in 20-25 % of an ordinary reader's words, in 70 % of many of these
SECOND_SPEAKERS = ("2414", "2609", "3005")  # of LibriSpeech; the constants were chosen on the first three


@dataclass(frozen=True)
class SpeechSet:
    """Recordings under one name.

    Attributes:
        name: in the tables.
        is_tuning: whether the constants of metrics/failures.py were chosen on it.
        has_text: whether the text is known, and not heard by a judge.
        folders: one per speaker.
    """

    name: str
    is_tuning: bool
    has_text: bool
    folders: tuple[Path, ...]


def speech_sets() -> list[SpeechSet]:
    """Return the sets whose recordings are on this machine."""
    shared = Path(os.environ.get("VOXFOUNDRY_SHARED", ROOT.parent / "shared")) / "data"
    libri = sorted(folder for folder in (shared / "librispeech_speakers/test").glob("*") if folder.is_dir())
    first = tuple(folder for folder in libri if folder.name not in SECOND_SPEAKERS)
    second = tuple(folder for folder in libri if folder.name in SECOND_SPEAKERS)
    sets = (
        SpeechSet("LJSpeech", True, True, (shared / "ljspeech",)),
        SpeechSet("LibriSpeech a", True, False, first),
        SpeechSet("sample", False, True, (ROOT / "data/1_recordings/sample",)),
        SpeechSet("LibriSpeech b", False, False, second),
    )
    return [one for one in sets if one.folders and all(folder.is_dir() for folder in one.folders)]


def load_speeches(one: SpeechSet, n_damaged: int, n: int) -> list[Speech]:
    """Load a set's recordings of at least MIN_WORDS words.

    Args:
        one: the set.
        n_damaged: largest number of recordings with the times of their words, so that they can be damaged. Each speaker
            has the same share.
        n: largest number of recordings, per speaker.
    """
    share = -(-n_damaged // len(one.folders))
    return [speech for folder in one.folders for speech in _speaker_speeches(one, folder, share, n)]


def _speaker_speeches(one: SpeechSet, folder: Path, n_damaged: int, n: int) -> list[Speech]:
    texts = _known_texts(folder) if one.has_text else _heard_texts(folder)
    speeches = [Speech(one.name, text, waveform) for waveform, text in texts if len(WORD.findall(text)) >= MIN_WORDS][
        :n
    ]
    n_words = sum(len(normalize_text(speech.text, LANGUAGE).split()) for speech in speeches)
    pace = sum(len(speech.waveform) for speech in speeches) / RATE / max(1, n_words)
    aligned, rest = [], []
    for speech in speeches:
        known = replace(speech, pace=pace)
        is_wanted = len(aligned) < n_damaged and (one.has_text or _do_judges_agree(speech))
        with_words = _align_words(known) if is_wanted else known
        (aligned if with_words.words else rest).append(with_words)
    if len(aligned) == 1:  # no other recording with known times, whose words could leak
        aligned, rest = [], [replace(aligned[0], words=()), *rest]
    return _with_others(aligned) + _with_others(rest)


def _load_waveform(path: Path) -> np.ndarray:
    samples, sample_rate = load_audio(path)
    return to_rate(to_mono(samples), sample_rate, RATE)


def _known_texts(folder: Path) -> Iterator[tuple[np.ndarray, str]]:
    """Yield recordings and texts of a folder with metadata.csv (id, written, spoken) and wavs/."""
    for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines():
        name, _, text = line.split("|")
        yield _load_waveform(next((folder / "wavs").glob(f"{name}.*"))), text


def _heard_texts(folder: Path) -> Iterator[tuple[np.ndarray, str]]:
    """Yield recordings and what is heard in them, where that has no digits, which can be read in several ways."""
    for path in sorted(folder.glob("*.flac")):
        waveform = _load_waveform(path)
        text = hear(TEXT_JUDGE, waveform).text
        if not re.search(r"\d", text):
            yield waveform, text


def _do_judges_agree(speech: Speech) -> bool:
    second = hear(SECOND_JUDGE, speech.waveform).text
    return word_errors(*(normalize_text(text, LANGUAGE) for text in (speech.text, second))).rate <= 1 - AGREED


def _with_others(speeches: Sequence[Speech]) -> list[Speech]:
    """Give each speech the following one of the same speaker as its reference clip."""
    return [replace(speech, other=following) for speech, following in pairwise([*speeches, *speeches[:1]])]


def _align_words(speech: Speech) -> Speech:
    """Return the speech with the times of its words, or without where forced alignment fails."""
    try:
        words = force_align(speech.waveform, RATE, WORD.findall(speech.text), pronounce)
    except AlignmentError:
        return speech
    return replace(speech, words=tuple(words))
