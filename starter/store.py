"""A corpus on disk: one file of samples and one line per utterance.

The samples are read by memory map, so that 10 hours of speech need hardly any memory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from starter.phones import NUMBER_OF, SILENCE

SAMPLE_RATE = 16000


@dataclass(frozen=True)
class Utterance:
    """One piece of speech with what is known about it.

    Attributes:
        name: Unique within the corpus.
        voice: The voice or speaker.
        text: Empty where the text is unknown.
        waveform: (n_samples,) int16 at 16 kHz.
        phones: (phone, its end in seconds) in order. Empty where the phones are unknown.
    """

    name: str
    voice: str
    text: str
    waveform: np.ndarray
    phones: list[tuple[str, float]]

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.waveform) / SAMPLE_RATE

    def labels(self, n_frames: int, frame_seconds: float) -> np.ndarray:
        """Return (n_frames,) int64: the number of the phone at the middle of each frame."""
        ends = np.array([end for _, end in self.phones])
        numbers = np.array([NUMBER_OF[phone] for phone, _ in self.phones] + [NUMBER_OF[SILENCE]])
        middles = (np.arange(n_frames) + 0.5) * frame_seconds
        return numbers[np.searchsorted(ends, middles, side="right")]


def resample_16k(waveform: np.ndarray, rate: int) -> np.ndarray:
    """Return (n_samples,) int16 at 16 kHz of a waveform, (n,) float in [-1, 1] at `rate` Hz."""
    if rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, rate, SAMPLE_RATE)
    return np.round(np.clip(waveform, -1, 1) * 32767).astype(np.int16)


def write_corpus(folder: Path, utterances: Iterable[Utterance]) -> None:
    """Replace the folder by a corpus of these utterances. An interrupted call leaves no incomplete corpus."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    offset, n = 0, 0
    with (part / "samples.i16").open("wb") as samples, (part / "utterances.jsonl").open("w", encoding="utf-8") as rows:
        for one in utterances:
            samples.write(one.waveform.astype("<i2").tobytes())
            row = {"name": one.name, "voice": one.voice, "text": one.text, "offset": offset, "n": len(one.waveform)}
            row["phones"] = [[phone, round(end, 4)] for phone, end in one.phones]
            rows.write(json.dumps(row) + "\n")
            offset += len(one.waveform)
            n += 1
            if n % 500 == 0:
                print(f"{folder.name}: {n} utterances, {offset / SAMPLE_RATE / 3600:.2f} h", flush=True)
    print(f"{folder.name}: {n} utterances, {offset / SAMPLE_RATE / 3600:.2f} h", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)


def read_corpus(folder: Path) -> list[Utterance]:
    """Return the utterances of a corpus. Their waveforms are views of a memory map.

    Raises:
        FileNotFoundError: The folder does not hold a complete corpus.
    """
    if not (folder / "utterances.jsonl").is_file():
        raise FileNotFoundError(f"{folder} does not hold a corpus; run `make starter`, which writes it")
    samples = np.memmap(folder / "samples.i16", dtype="<i2", mode="r")
    return [
        Utterance(
            row["name"],
            row["voice"],
            row["text"],
            samples[row["offset"] : row["offset"] + row["n"]],
            [(phone, end) for phone, end in row["phones"]],
        )
        for row in map(json.loads, (folder / "utterances.jsonl").read_text(encoding="utf-8").splitlines())
    ]
