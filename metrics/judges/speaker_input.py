"""What every speaker judge does to a waveform first."""

import numpy as np

from metrics.audio import checked_waveform, is_silent, to_rate

SAMPLE_RATE = 16_000  # of every speaker judge
MIN_SECONDS = 0.3  # about one syllable; on less, the cosine depends more on the sound than on the speaker


def audible_speech(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the waveform as (m,) float32 at SAMPLE_RATE.

    Args:
        waveform: (n,) float32 in [-1, 1].
        sample_rate: in Hz.

    Raises:
        ValueError: no speaker can be heard: silence, less than MIN_SECONDS, NaN or infinity.
    """
    waveform = checked_waveform(waveform, sample_rate)
    seconds = len(waveform) / sample_rate
    if seconds < MIN_SECONDS:
        raise ValueError(
            f"{seconds:.2f} s of audio is too short to hear a speaker; at least {MIN_SECONDS} s are needed"
        )
    if is_silent(waveform):
        raise ValueError(f"{seconds:.2f} s of silence, in which no speaker can be heard")
    return to_rate(waveform, sample_rate, SAMPLE_RATE)
