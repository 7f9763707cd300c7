"""Utterances under the judges: audio files in, one score row each out, spread over processes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from gpt_sovits.audio import load_audio, to_mono
from metrics.asr import Transcriber, load_transcriber
from metrics.failures import speech_failures
from metrics.normalize import normalize_text, normalizer_of, without_unit_spaces
from metrics.scores import Judges, UtteranceScore
from metrics.speaker import SpeakerJudge, cosine, load_speaker_judge
from metrics.wer import character_errors, word_errors
from stages.parallel import Map
from stages.profiles import Profile, judge_weights


@dataclass(frozen=True)
class Utterance:
    """What is to be judged."""

    prompt_id: str
    category: str
    seed: int
    text: str  # what was to be said
    audio: Path
    shown_as: str  # the path that goes into the row
    expected_seconds: float
    prompt_text: str = ""  # what the reference clip says: it must not leak into the speech


def judges_of(profile: Profile, language: str) -> Judges:
    """Names and versions of the judges that a profile picks, and of the normaliser of the language."""
    asr, speaker = _judges(profile.asr, profile.speaker)
    normalizer = normalizer_of(language)
    return Judges(
        asr=asr.name,
        asr_version=asr.version,
        speaker=speaker.name,
        speaker_version=speaker.version,
        normalizer=normalizer.name,
        normalizer_version=normalizer.version,
    )


def judge(
    utterances: Sequence[Utterance], centroid: np.ndarray, profile: Profile, language: str, workers: Map
) -> list[UtteranceScore]:
    """One row an utterance, in their order, whatever the number of workers.

    centroid: (D,) float32, unit norm: the voice's mean speaker embedding
    """
    one = partial(_judge_one, centroid=centroid, asr_name=profile.asr, speaker_name=profile.speaker, language=language)
    return list(workers(one, utterances))


def _judge_one(
    utterance: Utterance, centroid: np.ndarray, asr_name: str, speaker_name: str, language: str
) -> UtteranceScore:
    asr, speaker = _judges(asr_name, speaker_name)
    samples, sample_rate = load_audio(utterance.audio)
    waveform = to_mono(samples)
    reference = normalize_text(utterance.text, language)
    hypothesis = normalize_text(asr.transcribe(waveform, sample_rate), language)
    words = word_errors(reference, hypothesis)
    characters = character_errors(*(without_unit_spaces(text, language) for text in (reference, hypothesis)))
    seconds = len(waveform) / sample_rate
    try:
        with _one_thread():
            similarity = cosine(speaker.embed(waveform, sample_rate), centroid)
    except ValueError:  # silence, or too short for a speaker to be heard: not measurable, which no bar accepts
        similarity = None
    return UtteranceScore(
        prompt_id=utterance.prompt_id,
        category=utterance.category,
        seed=utterance.seed,
        reference=reference,
        hypothesis=hypothesis,
        word_errors=words.errors,
        n_words=words.n_reference,
        char_errors=characters.errors,
        n_chars=characters.n_reference,
        similarity=similarity,
        seconds=seconds,
        duration_ratio=seconds / utterance.expected_seconds,
        failures=speech_failures(
            reference,
            hypothesis,
            seconds,
            utterance.expected_seconds,
            level_dbfs(waveform),
            normalize_text(utterance.prompt_text, language) if utterance.prompt_text else "",
        ),
        audio=utterance.shown_as,
        audio_sha256=hashlib.sha256(utterance.audio.read_bytes()).hexdigest(),
    )


def level_dbfs(waveform: np.ndarray) -> float:
    """RMS level in dB relative to full scale; -120 for silence."""
    rms = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if waveform.size else 0.0
    return 20 * math.log10(max(rms, 1e-6))


@lru_cache(maxsize=1)
def _judges(asr_name: str, speaker_name: str) -> tuple[Transcriber, SpeakerJudge]:
    """The judges of this process: loaded once."""
    return (
        load_transcriber(asr_name, judge_weights(asr_name)),
        load_speaker_judge(speaker_name, judge_weights(speaker_name)),
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums depend on the number of threads: with one, a score does not depend on which process judged."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
