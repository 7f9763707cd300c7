"""A stand-in for a multilingual speech recogniser: it looks up what it hears in the tables of tests/data/languages.

It cannot recognise speech. It exists because no recogniser of zh, ja, ko and yue is small enough for CI.

- The recordings of the tables are found in any audio that holds them, cut, levelled, resampled or joined, by matched
  filtering. The answer is what the table says that a recogniser hears: homophones in Chinese, lost particles in
  Japanese, other spaces in Korean, other spellings in Cantonese, digits in all of them.
- Untrained weights make sounds that nobody understands. Such an utterance is found by its samples among the files that
  evaluate writes, and its file's name says which prompt it should be. The answer is the table's, as if it were spoken
  well. So the error rates of a test are those of the tables, while all other figures are measured on the sound.
- All other audio holds no words.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
from ruamel.yaml import YAML
from scipy.signal import correlate

from metrics.errors import AlignmentError
from metrics.forced_alignment import AlignedWord
from metrics.judges.transcriber import Transcription, audible_waveform, check_language

NAME = "stand-in"
SCORES = Path("data/6_scores")  # where evaluate writes, relative to the project
MATCHING_RATE = 4000  # Hz, enough to tell recordings apart
MIN_CORRELATION = 0.8
MIN_OVERLAP_SECONDS = 0.5
EDGE_SECONDS = 0.25  # speech this near to the end of a sentence is heard to its end
LIKELY, UNLIKELY = 0.9, 0.05  # probabilities of a word that is heard, and of another


class Sentence(NamedTuple):
    """A recording of the tables.

    Attributes:
        language: its ISO 639 code.
        text: its transcript.
        heard: what the recogniser answers.
        waveform: (n,) float32 at MATCHING_RATE.
    """

    language: str
    text: str
    heard: str
    waveform: np.ndarray


class Found(NamedTuple):
    """A sentence, or a part of one, in other audio. Times are in seconds."""

    sentence: Sentence
    start: float
    end: float
    text: str
    heard: str


class StandInTranscriber:
    """See the module's text.

    Args:
        folder: holds LANGUAGE.yaml and LANGUAGE/SENTENCE.ogg.
    """

    name = NAME
    version = "1 of the tests"

    def __init__(self, folder: Path) -> None:
        tables = {path.stem: _read_yaml(path) for path in sorted(folder.glob("*.yaml"))}
        self.languages = tuple(tables)
        self._sentences = [
            Sentence(
                language,
                row["text"],
                row.get("heard", row["text"]),
                _at_matching_rate(*_read(folder / language, row["id"])),
            )
            for language, table in tables.items()
            for row in table["sentences"]
        ]
        self._prompts = {
            (language, row["id"]): row.get("heard", row["text"])
            for language, table in tables.items()
            for row in table["prompts"]
        }

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard. See Transcriber."""
        return self.listen(waveform, sample_rate, language).text

    def listen(self, waveform: np.ndarray, sample_rate: int, language: str) -> Transcription:
        """Return the words heard, or why there are none. See Transcriber."""
        check_language(self, language)
        if audible_waveform(waveform, sample_rate) is None:
            return Transcription("", "it is silent, or shorter than 0.1 s")
        text = " ".join(one.heard for one in self._find(waveform, sample_rate)) or self._prompt(waveform, language)
        return Transcription(text, "" if text else "it holds no recording that the stand-in knows")

    def align_words(
        self, waveform: np.ndarray, sample_rate: int, words: Sequence[str], language: str
    ) -> list[AlignedWord]:
        """Spread the words over the sentences that are heard, by their number of characters. See Transcriber."""
        check_language(self, language)
        found = self._find(waveform, sample_rate)
        if not found or not words:
            raise AlignmentError("the stand-in hears no recording that it knows")
        heard = _core("".join(one.heard for one in found))
        # 1. Share the text out to the sentences by their number of characters.
        lengths = np.array([max(len(_core(word)), 0.01) for word in words], dtype=float)
        ends = np.cumsum(lengths) / lengths.sum()
        starts = ends - lengths / lengths.sum()
        borders = np.cumsum([0, *(len(_core(one.text)) for one in found)]) / sum(len(_core(one.text)) for one in found)
        places = np.searchsorted(borders[1:-1], (starts + ends) / 2)
        # 2. Within a sentence, each character takes the same time.
        aligned = []
        for word, share, place in zip(words, np.stack([starts, ends], axis=1), places, strict=True):
            sentence = found[place]
            start, end = np.interp(share, borders[place : place + 2], (sentence.start, sentence.end))
            probability = LIKELY if _core(word) in heard else UNLIKELY
            aligned.append(AlignedWord(word, float(start), float(end), probability))
        return aligned

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """Return the language of the first recording that is heard. See Transcriber."""
        found = self._find(waveform, sample_rate)
        return found[0].sentence.language if found else None

    def _find(self, waveform: np.ndarray, sample_rate: int) -> list[Found]:
        """Return the sentences in this audio in the order of time."""
        if audible_waveform(waveform, sample_rate) is None:
            return []
        audio = _at_matching_rate(waveform, sample_rate)
        found = (_find_sentence(sentence, audio) for sentence in self._sentences)
        return sorted((one for one in found if one), key=lambda one: one.start)

    def _prompt(self, waveform: np.ndarray, language: str) -> str:
        """Return what is heard in a synthesised prompt or in a recording's resynthesis, an empty text for others."""
        path = _file_of(waveform)
        if path is None:
            return ""
        stem = path.stem.rpartition("-")[0]
        if path.parent.name == "resynthesis":
            recording = path.parent.parent / "recordings" / f"{stem}.flac"
            return " ".join(one.heard for one in self._find(*soundfile.read(recording, dtype="float32")))
        return self._prompts.get((language, stem), "")


def _find_sentence(sentence: Sentence, audio: np.ndarray) -> Found | None:
    known = sentence.waveform
    correlation = correlate(audio, known, mode="full", method="fft")
    lag = int(np.abs(correlation).argmax()) - (len(known) - 1)  # of the sentence's start in the audio
    first, last = max(lag, 0), min(lag + len(known), len(audio))
    if last - first < MIN_OVERLAP_SECONDS * MATCHING_RATE:
        return None
    a, b = audio[first:last], known[first - lag : last - lag]
    if a @ b < MIN_CORRELATION * max(np.sqrt((a @ a) * (b @ b)), 1e-9):
        return None
    edge = EDGE_SECONDS * MATCHING_RATE
    begin = 0.0 if first - lag < edge else (first - lag) / len(known)
    end = 1.0 if lag + len(known) - last < edge else (last - lag) / len(known)
    text, heard = (_part(whole, begin, end) for whole in (sentence.text, sentence.heard))
    return Found(sentence, first / MATCHING_RATE, last / MATCHING_RATE, text, heard) if heard else None


def _part(text: str, begin: float, end: float) -> str:
    """Return the part of a text between two shares of its length, 0 to 1."""
    return text[round(begin * len(text)) : round(end * len(text))].strip()


def _file_of(waveform: np.ndarray) -> Path | None:
    """Return the file of this utterance among those that evaluate writes, the newest first."""
    files = [path for path in SCORES.rglob("*.flac") if path.parent.name != "recordings"]
    for path in sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        if soundfile.info(path).frames == len(waveform):
            samples, _ = soundfile.read(path, dtype="float32")
            if np.allclose(samples, waveform, atol=1e-4):
                return path
    return None


def _read(folder: Path, name: str) -> tuple[np.ndarray, int]:
    return soundfile.read(folder / f"{name}.ogg", dtype="float32")


def _read_yaml(path: Path) -> dict:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def _at_matching_rate(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    return soxr.resample(waveform, sample_rate, MATCHING_RATE)


@lru_cache(maxsize=1024)
def _core(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
