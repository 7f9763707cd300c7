"""Where somebody speaks, by silero-vad as faster-whisper carries it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metrics.pocketsphinx_decoder import SAMPLE_RATE

# Spans for the times of words: a pause between words is at least this long, and the spans are not widened.
WORD_SPANS = {"threshold": 0.5, "min_speech_duration_ms": 50, "min_silence_duration_ms": 100, "speech_pad_ms": 0}


def speech_spans(waveform: np.ndarray, options: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of each span in which somebody speaks.

    Args:
        waveform: (n,) float32 at 16 kHz, about as loud as speech usually is.
        options: of silero-vad.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    spans = get_speech_timestamps(waveform, VadOptions(**options))
    return [(span["start"] / SAMPLE_RATE, span["end"] / SAMPLE_RATE) for span in spans]


def speech_only(waveform: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Return the spans of speech, joined. There may be no sample. It has the same arguments as `speech_spans`."""
    borders = [[round(time * SAMPLE_RATE) for time in span] for span in speech_spans(waveform, options)]
    return np.concatenate([waveform[:0], *(waveform[start:end] for start, end in borders)])
