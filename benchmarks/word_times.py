"""How well forced alignment by pocketsphinx and cross-attention by Whisper find the times of words.

    python -m benchmarks.word_times                          # the sample voice
    python -m benchmarks.word_times --recordings FOLDER      # metadata.csv and wavs/ as LJSpeech is published

No one has written down when each word of a recording is spoken. Two figures stand in for that:

- The difference of the two on every word. It is circular: it does not say which of them is wrong.
- The error where a time is known exactly. Sentences are cut where their sound begins and ends, and joined with pauses
  of digital silence and of a known length. The first word of a sentence starts where its pause ends, and the last word
  ends where the next pause starts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from gpt_sovits.text.english.phonemes import pronounce
from metrics.forced_alignment import AlignedWord, force_align
from metrics.judges.asr import load_transcriber
from stages.alignment.transcribe import spoken_words

Aligner = Callable[[np.ndarray, int, Sequence[str]], list[AlignedWord]]
MAX_SECONDS = 28.0  # of joined sentences, so that Whisper's window holds them
PAUSES = (0.2, 1.0)  # shortest and longest, in seconds
SOUND_DB = -40.0  # of a frame of 10 ms against the loudest, where a sentence begins and ends
LARGE_ERROR = 0.2  # seconds


class Sentence(NamedTuple):
    """A sentence without the silence around it.

    Attributes:
        words: as they are spoken.
        waveform: (n,) float32.
        sample_rate: in Hz.
    """

    words: list[str]
    waveform: np.ndarray
    sample_rate: int


class JoinedSentences(NamedTuple):
    """Sentences with pauses, and the exact borders of each: index of its first and last word, start and end in seconds.

    Attributes:
        words: of all sentences.
        waveform: (n,) float32.
        sample_rate: in Hz.
        borders: (first word, last word, start, end) of each sentence.
    """

    words: list[str]
    waveform: np.ndarray
    sample_rate: int
    borders: list[tuple[int, int, float, float]]


def read_sentences(folder: Path) -> Iterator[Sentence]:
    """Yield the recordings of a folder with metadata.csv and wavs/, cut where their sound begins and ends."""
    for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines():
        name, *_, text = line.split("|")
        path = next((folder / "wavs").glob(f"{name}.*"))
        waveform, sample_rate = soundfile.read(path, dtype="float32")
        yield Sentence(spoken_words(text, "en"), trimmed(waveform, sample_rate), sample_rate)


def trimmed(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return a waveform from its first to its last frame that is not SOUND_DB below the loudest."""
    frame = sample_rate // 100
    energy = np.square(waveform[: len(waveform) // frame * frame].reshape(-1, frame)).mean(axis=1)
    loud = np.flatnonzero(energy > energy.max() * 10 ** (SOUND_DB / 10))
    return waveform[loud[0] * frame : (loud[-1] + 1) * frame]


def join_sentences(sentences: Sequence[Sentence], seed: int = 0) -> Iterator[JoinedSentences]:
    """Join sentences with random pauses, as many as fit into MAX_SECONDS."""
    random = np.random.default_rng(seed)
    rate = sentences[0].sample_rate
    words, parts, borders, n = [], [], [], 0
    for sentence in [*sentences, None]:
        pause = np.zeros(round(random.uniform(*PAUSES) * rate), np.float32)
        if parts and (sentence is None or n + len(pause) + len(sentence.waveform) > MAX_SECONDS * rate):
            yield JoinedSentences(words, np.concatenate([*parts, pause]), rate, borders)
            words, parts, borders, n = [], [], [], 0
        if sentence is not None:
            start = n + len(pause)
            n = start + len(sentence.waveform)
            borders.append((len(words), len(words) + len(sentence.words) - 1, start / rate, n / rate))
            words, parts = words + sentence.words, [*parts, pause, sentence.waveform]


def border_errors(joined: Sequence[JoinedSentences], align: Aligner) -> np.ndarray:
    """Return (2, n_sentences): found less true start of the first words, and end of the last words, in seconds."""
    errors = []
    for item in joined:
        found = align(item.waveform, item.sample_rate, item.words)
        errors += [(found[a].start - start, found[b].end - end) for a, b, start, end in item.borders]
    return np.array(errors).T


def differences(sentences: Sequence[Sentence], one: Aligner, other: Aligner) -> np.ndarray:
    """Return (2, n_words): starts and ends of `other` less those of `one`, in seconds."""
    pairs = []
    for words, waveform, rate in sentences:
        pairs += zip(one(waveform, rate, words), other(waveform, rate, words), strict=True)
    return np.array([(b.start - a.start, b.end - a.end) for a, b in pairs]).T


def row(name: str, errors: np.ndarray) -> str:
    """Return a row of the table: bias, median and 90 % quantile of the absolute error, share of large errors."""
    sizes = np.abs(errors)
    return (
        f"| {name} | {np.median(errors):+.3f} | {np.median(sizes):.3f} | {np.quantile(sizes, 0.9):.3f} "
        f"| {(sizes > LARGE_ERROR).mean():.1%} |"
    )


def main() -> None:
    """Print the table for one folder of recordings."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.word_times", description=__doc__.partition("\n")[0])
    parser.add_argument("--recordings", type=Path, default=Path("data/1_recordings/sample"))
    parser.add_argument("--judge", default="faster-whisper-tiny.en")
    arguments = parser.parse_args()
    judge = load_transcriber(arguments.judge)
    aligners: dict[str, Aligner] = {
        "pocketsphinx": lambda waveform, rate, words: force_align(waveform, rate, words, pronounce),
        arguments.judge: lambda waveform, rate, words: judge.align_words(waveform, rate, words, "en"),
    }
    sentences = list(read_sentences(arguments.recordings))
    joined = list(join_sentences(sentences))
    print("| in seconds | median | median size | 90 % of sizes | above 0.2 |\n|---|---|---|---|---|")
    for side, errors in zip(("start", "end"), differences(sentences, *aligners.values()), strict=True):
        print(row(f"{arguments.judge} less pocketsphinx, {side} of {errors.size} words", errors))
    for name, align in aligners.items():
        before = time.process_time()
        found = border_errors(joined, align)
        took = time.process_time() - before
        for side, errors in zip(("start", "end"), found, strict=True):
            print(row(f"{name}, exact {side} of {errors.size} sentences", errors))
        print(f"{name}: {took / sum(len(j.waveform) / j.sample_rate for j in joined):.4f} s of CPU per second of audio")


if __name__ == "__main__":
    main()
