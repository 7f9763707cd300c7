"""Whether speech has a voice and a melody, measured by pitch.

A decoder that does not know the melody of an utterance speaks the mean of all melodies, which has none: the speech is
hoarse or whispered. Speech recognisers understand it all the same, so a word error rate does not show it.
"""

from __future__ import annotations

from collections.abc import Sequence

import librosa
import numpy as np

SAMPLE_RATE, HOP, WINDOW = 16000, 160, 1024
LOWEST_HZ, HIGHEST_HZ = 60.0, 450.0


def pitch_of(waveform: np.ndarray) -> np.ndarray:
    """Return the pitch of every 10 ms in semitones above LOWEST_HZ, NaN where there is none, by pYIN (Mauch 2014).

    Args:
        waveform: (n_samples,) float in [-1, 1] at 16 kHz.

    Returns:
        (n_samples // 160 + 1,).
    """
    hertz, is_voiced, _ = librosa.pyin(
        waveform.astype(np.float32),
        fmin=LOWEST_HZ,
        fmax=HIGHEST_HZ,
        sr=SAMPLE_RATE,
        frame_length=WINDOW,
        hop_length=HOP,
    )
    return np.where(is_voiced, 12 * np.log2(np.where(is_voiced, hertz, LOWEST_HZ) / LOWEST_HZ), np.nan)


def melody_scores(waveforms: Sequence[np.ndarray], recordings: Sequence[np.ndarray]) -> dict[str, float]:
    """Return how much of the speech has a pitch, and how far the pitch moves.

    Args:
        waveforms: Speech, each (n_samples,) float at 16 kHz.
        recordings: A recording of the same text and speaker for each.

    Returns:
        `voiced` is the share of frames with a pitch, as a ratio to that of the recordings. `semitones` is the standard
        deviation of the pitch within an utterance, the mean over those with a pitch, NaN where none has one.
    """
    pitches = [pitch_of(waveform) for waveform in waveforms]
    voiced = [float(np.mean(~np.isnan(pitch))) for pitch in pitches]
    real = [float(np.mean(~np.isnan(pitch_of(recording)))) for recording in recordings]
    moves = [float(np.nanstd(pitch)) for pitch, share in zip(pitches, voiced, strict=True) if share > 0]
    return {
        "voiced": float(np.mean(voiced) / np.mean(real)) if any(real) else float("nan"),
        "semitones": float(np.mean(moves)) if moves else float("nan"),
    }
