"""Long recordings cut into clips at silences, by loudness only, as upstream's data preparation does.

Use it to get the clips that upstream would make. The segment stage does not use it. It finds speech with silero-vad,
which is not misled by breath, hum or a quiet speaker.
Source of the rules: GPT-SoVITS, tools/slicer2.py `Slicer` (openvpi's audio-slicer).
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

BLOCK_FRAMES = 4096  # levels per block, which bounds the memory for recordings of hours


class SlicerConfig(BaseModel):
    """Settings: what counts as silence, and where it is cut. The defaults are those of upstream's web page."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    threshold_db: float = Field(-34.0, le=0, description="anything quieter is silence, in dB of full scale (RMS)")
    min_length_ms: int = Field(4000, gt=0, description="length at which a clip may be cut")
    min_interval_ms: int = Field(300, gt=0, description="shorter silences are not cut")
    hop_ms: int = Field(10, gt=0, description="step of the levels, and of the positions of cuts")
    max_silence_kept_ms: int = Field(500, gt=0, description="silence that stays on either side of a longer one")

    @model_validator(mode="after")
    def _check_order(self) -> SlicerConfig:
        if not self.min_length_ms >= self.min_interval_ms >= self.hop_ms:
            raise ValueError(
                f"min_length_ms {self.min_length_ms} must be at least min_interval_ms {self.min_interval_ms}, "
                f"and that at least hop_ms {self.hop_ms}"
            )
        if self.max_silence_kept_ms < self.hop_ms:
            raise ValueError(f"max_silence_kept_ms {self.max_silence_kept_ms} must be at least hop_ms {self.hop_ms}")
        return self


def slice_at_silence(
    waveform: np.ndarray, sample_rate: int, config: SlicerConfig | None = None
) -> list[tuple[int, int]]:
    """Cut a recording into clips at its silences.

    A recording without a silence to cut at is one clip. Of a silent recording at most the first moments are left.

    Args:
        waveform: (n,) float in [-1, 1], n at least 1.
        sample_rate: In Hz.
        config: None for the defaults.

    Returns:
        The clips as [start, stop) in samples, in order and without overlap.

    Raises:
        ValueError: If the waveform has another shape, or a hop is shorter than a sample.
    """
    if waveform.ndim != 1 or len(waveform) == 0:
        raise ValueError(
            f"waveform has shape {waveform.shape}; it must be (n,) with at least one sample, so mix it to mono"
        )
    config = config or SlicerConfig()
    hop = round(sample_rate * config.hop_ms / 1000)
    if hop < 1:
        raise ValueError(f"hop_ms {config.hop_ms} is less than a sample at {sample_rate} Hz; increase it")
    interval = sample_rate * config.min_interval_ms / 1000
    levels = _levels(waveform, min(round(interval), 4 * hop), hop)
    keep = round(sample_rate * config.max_silence_kept_ms / 1000 / hop)
    min_length, min_interval = round(sample_rate * config.min_length_ms / 1000 / hop), round(interval / hop)

    removed: list[tuple[int, int]] = []
    clip_start = 0
    for start, stop in _runs(levels < 10 ** (config.threshold_db / 20)):
        if stop == len(levels):  # the recording ends in silence
            if stop - start >= min_interval:
                removed.append((_quietest(levels, start, min(start + keep, stop)), stop))
            continue
        is_leading = start == 0 and stop > keep
        if is_leading or (stop - start >= min_interval and stop - clip_start >= min_length):
            left, right = _remove(levels, start, stop, keep)
            removed.append((0 if start == 0 else left, right))
            clip_start = right
    return _clips(removed, len(levels), hop, len(waveform))


def _levels(waveform: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Return the RMS of the window around each hop, with zeros beyond the ends: (1 + n // hop,)."""
    padded = np.pad(waveform.astype(np.float32, copy=False), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    blocks = [
        np.sqrt(np.square(frames[i : i + BLOCK_FRAMES]).mean(axis=1)) for i in range(0, len(frames), BLOCK_FRAMES)
    ]
    return np.concatenate(blocks)


def _runs(silent: np.ndarray) -> list[tuple[int, int]]:
    """Return [start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], silent, [False]))))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _quietest(levels: np.ndarray, first: int, last: int) -> int:
    """Return the first frame with the lowest level in first..last, both included."""
    return first + int(levels[first : last + 1].argmin())


def _remove(levels: np.ndarray, start: int, stop: int, keep: int) -> tuple[int, int]:
    """Return the part of the silence [start, stop) to remove: none at the quietest frame, or between two if long."""
    if stop - start <= keep:
        quietest = _quietest(levels, start, stop)
        return quietest, quietest
    left, right = _quietest(levels, start, start + keep), _quietest(levels, stop - keep, stop)
    if stop - start <= 2 * keep:
        middle = _quietest(levels, stop - keep, start + keep)
        return min(left, middle), max(right, middle)
    return left, right


def _clips(removed: list[tuple[int, int]], n_frames: int, hop: int, n_samples: int) -> list[tuple[int, int]]:
    """Return the clips between the removed frames, in samples."""
    starts = [0, *(right for _, right in removed)]
    stops = [*(left for left, _ in removed), n_frames]
    clips = [(start * hop, min(stop * hop, n_samples)) for start, stop in zip(starts, stops, strict=True)]
    return [(start, stop) for start, stop in clips if stop > start]
