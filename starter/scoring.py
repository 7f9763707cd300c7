"""Two ASR judges and a speaker judge, as the evaluation of the base uses them.

Whisper counts the word errors that the gate reads. pocketsphinx finds out a voice that only Whisper understands, whose
encoder the base shares.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from metrics.judges.asr import load_transcriber
from metrics.judges.speaker import SpeakerJudge, cosine, load_speaker_judge
from metrics.judges.transcriber import Transcriber
from metrics.normalize import normalize_text
from metrics.wer import word_errors
from starter.store import SAMPLE_RATE, Utterance

ASR_JUDGES = {"wer": "faster-whisper-tiny.en", "wer_pocketsphinx": "pocketsphinx"}  # by the column of a table
SPEAKER_JUDGE = "ecapa_small"
N_PROCESSES = 2


@dataclass(frozen=True)
class Judges:
    """The judges. The ASR judges run in other processes, and recordings are embedded once.

    Attributes:
        pool: Runs the ASR judges.
        speaker: Embeds speech.
    """

    pool: Executor
    speaker: SpeakerJudge
    _embeddings: dict[str, np.ndarray] = field(default_factory=dict)

    def word_error_rates(self, waveforms: Sequence[np.ndarray], texts: Sequence[str]) -> dict[str, float]:
        """Return the errors per word over all utterances by each of ASR_JUDGES.

        Args:
            waveforms: (n_samples,) float32 at 16 kHz, one per text.
            texts: What should be said.
        """
        jobs = [(judge, waveform) for judge in ASR_JUDGES.values() for waveform in waveforms]
        heard = iter(list(self.pool.map(transcribe, jobs)))
        rates = {}
        for column in ASR_JUDGES:
            counts = [word_errors(normalize_text(text), next(heard)) for text in texts]
            rates[column] = sum(c.errors for c in counts) / sum(c.n_reference for c in counts)
        return rates

    def embed(self, utterance: Utterance) -> np.ndarray:
        """Return the (D,) speaker embedding of a recording."""
        key = f"{utterance.voice}/{utterance.name}"
        if key not in self._embeddings:
            self._embeddings[key] = self.speaker.embed(to_float(utterance), SAMPLE_RATE)
        return self._embeddings[key]

    def cosine_of(self, waveform: np.ndarray, recordings: Sequence[Utterance]) -> float:
        """Return the cosine of (n,) float32 at 16 kHz to the mean embedding of recordings. Silence has 0."""
        try:
            embedding = self.speaker.embed(waveform, SAMPLE_RATE)
        except ValueError:  # the judge hears nobody, who is nobody's likeness
            return 0.0
        return cosine(embedding, unit_mean([self.embed(one) for one in recordings]))


def unit_mean(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean direction of (D,) embeddings, of unit norm."""
    mean = np.mean(embeddings, axis=0)
    return mean / np.linalg.norm(mean)


@cache
def _transcriber(name: str) -> Transcriber:
    """Load an ASR judge once per process, because that takes seconds."""
    return load_transcriber(name)


def transcribe(job: tuple[str, np.ndarray]) -> str:
    """Return the normalised words that a judge, by name, hears in (n,) float32 at 16 kHz."""
    name, waveform = job
    return normalize_text(_transcriber(name).transcribe(waveform, SAMPLE_RATE, "en"))


def to_float(utterance: Utterance) -> np.ndarray:
    """Return the waveform as (n_samples,) float32 in [-1, 1]."""
    return utterance.waveform.astype(np.float32) / 32768


def relative_similarity(similarity: float, floor: float, ceiling: float) -> float:
    """Return where a similarity lies between other speakers, 0, and the speaker's recordings, 1."""
    return (similarity - floor) / (ceiling - floor) if ceiling != floor else float("nan")


@contextmanager
def load_judges() -> Iterator[Judges]:
    """Load the judges for a block of code."""
    # spawned, because a fork of a process in which torch and Whisper run threads may hang
    with ProcessPoolExecutor(N_PROCESSES, multiprocessing.get_context("spawn")) as pool:
        yield Judges(pool, load_speaker_judge(SPEAKER_JUDGE))
