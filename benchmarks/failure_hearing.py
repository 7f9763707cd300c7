"""What the judges hear and measure in an utterance, kept on the disk so that a second run of a benchmark is quick."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

import metrics.sound
from benchmarks.failure_damages import RATE, Speech
from metrics.failures import speech_failures
from metrics.judges.asr import load_transcriber
from metrics.judges.transcriber import Transcriber
from metrics.normalize import normalize_text
from metrics.sound import Sound, measure_sound

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache/failures"
LANGUAGE = "en"


class Hearing(NamedTuple):
    """What a judge heard, and the figures of the sound.

    Attributes:
        text: the words, not normalised.
        spoken_language: ISO 639 code, None where the judge cannot tell.
        sound: figures of the samples.
    """

    text: str
    spoken_language: str | None
    sound: Sound


@cache
def transcriber(name: str) -> Transcriber:
    """Load a judge once per process."""
    return load_transcriber(name)


def hear(asr: str, waveform: np.ndarray) -> Hearing:
    """Hear an utterance, or read what was heard in the same samples before.

    Args:
        asr: name of an ASR judge.
        waveform: (n,) float32 at RATE.
    """
    judge = transcriber(asr)
    key = hashlib.sha256(np.ascontiguousarray(waveform, np.float32).tobytes())
    key.update(f"{judge.name} {judge.version} {_sound_version()}".encode())
    path = CACHE / f"{key.hexdigest()[:32]}.json"
    if path.is_file():
        text, spoken_language, sound = json.loads(path.read_text(encoding="utf-8"))
        return Hearing(text, spoken_language, Sound(**sound))
    found = Hearing(
        judge.transcribe(waveform, RATE, LANGUAGE),
        judge.spoken_language(waveform, RATE),
        measure_sound(waveform, RATE),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps([found.text, found.spoken_language, found.sound._asdict()]), encoding="utf-8")
    partial.replace(path)
    return found


@cache
def _sound_version() -> str:
    return hashlib.sha256(Path(metrics.sound.__file__).read_bytes()).hexdigest()


def find_failures(asr: str, speech: Speech, waveform: np.ndarray) -> tuple[str, ...]:
    """Return the failures in (n,) float32 samples at RATE that should say the speech's text."""
    heard = hear(asr, waveform)
    reference = normalize_text(speech.text, LANGUAGE)
    return speech_failures(
        reference,
        normalize_text(heard.text, LANGUAGE),
        len(waveform) / RATE,
        len(reference.split()) * speech.pace,
        heard.sound,
        language=LANGUAGE,
        reference_clip_text=normalize_text(speech.other.text, LANGUAGE) if speech.other else "",
        spoken_language=heard.spoken_language,
    )
