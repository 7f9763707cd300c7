"""Which channel of a recording is the voice, and what its samples show: offset, level, clipping, talkers.

A mix of channels that differ sounds worse than one of them: it is quieter where their phases are opposed and hollow
where one lags behind the other. So the mean is taken where the channels agree, and else the loudest channel.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from metrics.sound import FULL_SCALE, decibels
from stages.recordings.decoding import mean_of_channels

FRAME_SECONDS = 0.05
MIN_CORRELATION = 0.95  # of channels that agree: the same sound, encoded or recorded twice
OPPOSITE_CORRELATION = -0.5
SILENT_POWER = 1e-4  # relative to the loudest channel: what one microphone hears of another's cable
ACTIVE_POWER = 1e-3  # relative to a loud frame: speech, and not the pauses in it
LOUD_PERCENTILE = 95
SILENCE_DBFS = -70.0  # frames up to this level never count for the level of a recording
GATE = 0.1  # relative to the mean power of the other frames: 10 dB below it is a pause
TALKER_POWER = 4.0  # a channel whose talker speaks is that much louder than each other one: 6 dB
MIN_TALKER_SHARE = 0.1  # of the active frames, in which a talker speaks alone

Relation = Literal["single", "agree", "differ", "opposite phase", "silent channels", "several talkers"]


class MonoMix(NamedTuple):
    """How mono sound is made from the channels of a recording. The fields are those of stages.tables.Recording."""

    channel: int | None  # counted from 1; None for the mean of all
    channels: Relation
    dc_offset: float  # subtracted from that channel
    full_scale: float  # at least 1: the peak of a float file that exceeds 1, by which samples are divided


class Levels(NamedTuple):
    """Figures of the mono sound, in dB relative to full scale and as a share of the samples."""

    level_dbfs: float
    clipped_share: float


class ChannelMeter:
    """Sums over the blocks of one recording, in memory that is small against the samples."""

    def __init__(self, sample_rate: int, n_channels: int, *, is_float: bool) -> None:
        """Start with no samples.

        Args:
            sample_rate: in Hz.
            n_channels: at least 1.
            is_float: whether samples beyond 1.0 have lost nothing.
        """
        self.n_samples = 0
        self._is_float = is_float
        self._frame_length = max(1, round(FRAME_SECONDS * sample_rate))
        self._rest = np.zeros((n_channels + 1, 0))  # samples of a frame that is not complete
        self._sums = np.zeros(n_channels + 1)  # of each channel and of their mean
        self._products = np.zeros((n_channels + 1, n_channels + 1))
        self._frames: list[np.ndarray] = []  # (2, n_channels + 1, n_frames): sums, and sums of squares
        self._full_scale = 1.0
        self._n_clipped = np.zeros(n_channels, np.int64)

    def add(self, block: np.ndarray) -> None:
        """Add (n, n_channels) float32."""
        self.n_samples += len(block)
        # channel by channel in memory: numpy is ten times slower where the innermost axis has two numbers
        channels = np.ascontiguousarray(block.T)
        self._count_clipped(channels)
        samples = np.vstack([channels, mean_of_channels(block)], dtype=np.float64)
        self._sums += samples.sum(axis=1)
        self._products += samples @ samples.T
        samples = np.concatenate([self._rest, samples], axis=1)
        n_frames = samples.shape[1] // self._frame_length
        self._rest = samples[:, n_frames * self._frame_length :]
        whole = samples[:, : n_frames * self._frame_length]
        self._frames.append(_frame_sums(whole.reshape(len(samples), n_frames, self._frame_length)))

    def mix(self) -> MonoMix:
        """Return how the recording becomes mono."""
        means = self._sums / self.n_samples
        covariance = self._products / self.n_samples - np.outer(means, means)
        channel, relation = self._choose(covariance[:-1, :-1])
        return MonoMix(
            channel=channel,
            channels=relation,
            dc_offset=round(float(means[-1 if channel is None else channel - 1]), 6),
            full_scale=self._full_scale,
        )

    def levels(self, mix: MonoMix) -> Levels:
        """Return the figures of the mono sound. They are rounded, so that the last bit of a sum does not matter."""
        index = -1 if mix.channel is None else mix.channel - 1
        power = _gated_power(self._frame_powers()[index], 10 ** (SILENCE_DBFS / 10) * mix.full_scale**2)
        n_clipped = self._n_clipped.max() if mix.channel is None else self._n_clipped[index]
        return Levels(
            level_dbfs=decibels(math.sqrt(power) / mix.full_scale),
            clipped_share=round(float(n_clipped / self.n_samples), 6),
        )

    def _count_clipped(self, channels: np.ndarray) -> None:
        """Count the samples at full scale. In a float file beyond it, count those that are equal to the peak so far."""
        channels = np.abs(channels)
        peak = float(channels.max(initial=0.0))
        if self._is_float and peak > self._full_scale:
            self._n_clipped[:] = 0
            self._full_scale = peak
        threshold = FULL_SCALE if self._full_scale == 1.0 else self._full_scale
        self._n_clipped += np.count_nonzero(channels >= threshold, axis=1)

    def _frame_powers(self) -> np.ndarray:
        """Return (n_channels + 1, n_frames): the mean square of each frame without the constant offset."""
        frames, length = np.concatenate(self._frames, axis=2), self._frame_length
        if not frames.shape[2]:
            frames, length = _frame_sums(self._rest[:, None]), self.n_samples
        sums, squares = frames
        means = self._sums[:, None] / self.n_samples
        return np.maximum(0.0, (squares - 2 * means * sums) / length + means**2)

    def _choose(self, covariance: np.ndarray) -> tuple[int | None, Relation]:
        """Return the channel, and how the channels relate."""
        powers = covariance.diagonal()
        if len(powers) == 1:
            return None, "single"
        loudest = int(powers.argmax())
        if powers[loudest] <= 0.0:
            return None, "agree"
        sounding = powers > SILENT_POWER * powers[loudest]
        correlations = covariance[loudest, sounding] / np.sqrt(powers[sounding] * powers[loudest])
        if (correlations >= MIN_CORRELATION).all():
            return (None, "agree") if sounding.all() else (loudest + 1, "silent channels")
        if _count_talkers(self._frame_powers()[:-1]) > 1:
            return loudest + 1, "several talkers"
        return loudest + 1, "opposite phase" if correlations.min() <= OPPOSITE_CORRELATION else "differ"


def _frame_sums(frames: np.ndarray) -> np.ndarray:
    """Return the sums and the sums of squares: (n, n_frames, length) -> (2, n, n_frames)."""
    return np.stack([frames.sum(axis=2), np.einsum("ijk,ijk->ij", frames, frames)])


def _gated_power(powers: np.ndarray, silence: float) -> float:
    """Return the mean of those of (n_frames,) powers that are not silent, as ITU-R BS.1770 gates them.

    Frames up to `silence` are left out, then those more than GATE below the mean of the rest. If all are silent, all
    count.
    """
    sounding = powers[powers > silence]
    if not len(sounding):
        return float(powers.mean())
    return float(sounding[sounding > GATE * sounding.mean()].mean())


def _count_talkers(powers: np.ndarray) -> int:
    """Return on how many channels somebody speaks while the others are much quieter.

    Args:
        powers: (n_channels, n_frames) of frames.
    """
    loudest = powers.max(axis=0)
    active = powers[:, loudest > ACTIVE_POWER * np.percentile(loudest, LOUD_PERCENTILE)]
    if not active.size:
        return 0
    ordered = np.sort(active, axis=0)
    alone = active.argmax(axis=0)[ordered[-1] > TALKER_POWER * ordered[-2]]
    shares = np.bincount(alone, minlength=len(powers)) / active.shape[1]
    return int((shares >= MIN_TALKER_SHARE).sum())
