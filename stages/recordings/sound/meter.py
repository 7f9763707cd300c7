"""Everything that is measured on the mono sound of a recording, in one pass over its blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stages.recordings.sound.bandwidth import BandwidthMeter
from stages.recordings.sound.clipping import ClippingMeter
from stages.recordings.sound.fingerprint import FingerprintMeter
from stages.recordings.sound.loudness import LoudnessMeter
from stages.recordings.sound.music import MusicMeter
from stages.recordings.sound.reverberation import ReverberationMeter
from stages.recordings.sound.snr import SnrMeter
from stages.recordings.sound.spectra import HOP_SECONDS, NarrowReader, SpectrumReader, band_powers

CHUNK_FRAMES = 4096  # 65 s: levels are smoothed and compared with the noise within a chunk
THIRDS_HZ = 100.0 * 2 ** (np.arange(20) / 3)  # edges of bands of a third of an octave, 100 Hz to 8 kHz
FIRST_OCTAVE_THIRD, N_OCTAVES = 4, 4  # octaves from 250 Hz to 4 kHz, in which rooms and speech both have energy


class SoundFigures(NamedTuple):
    """Figures of a recording. The fields are those of stages.tables.Recording. None: too little sound to measure."""

    loudness_lufs: float | None
    snr_db: float | None
    bandwidth_hz: int | None
    reverberation_seconds: float | None
    longest_clipping: int
    music_share: float | None


class SoundMeter:
    """Measures mono sound that comes in blocks, in memory that hardly grows with its length."""

    def __init__(self, sample_rate: int) -> None:
        """Start with no samples, of a rate in Hz."""
        hop = max(1, round(HOP_SECONDS * sample_rate))
        self._spectra, self._narrow = SpectrumReader(2 * hop, hop), NarrowReader(sample_rate)
        bin_hz = sample_rate * self._spectra.bin_share
        edges = THIRDS_HZ[sample_rate / 2 >= THIRDS_HZ]
        self._edges = np.round(edges / bin_hz).astype(int)
        self._bands: list[np.ndarray] = []  # (n_frames, n_bands) of the chunk that is not complete
        self._n_frames = 0
        self._clipping, self._loudness = ClippingMeter(), LoudnessMeter(bin_hz, self._spectra.n_bins, sample_rate)
        self._bandwidth = BandwidthMeter(bin_hz, sample_rate)
        self._snr, self._reverberation = SnrMeter(np.diff(self._edges)), ReverberationMeter()
        self._music, self._fingerprint = MusicMeter(), FingerprintMeter()

    def add(self, samples: np.ndarray) -> None:
        """Take the next (n,) float32. An offset does not matter."""
        self._clipping.add(samples)
        self._add_narrow(self._narrow.read(samples))
        power = self._spectra.read(samples)
        self._loudness.add(power)
        self._bandwidth.add(power)
        self._bands.append(band_powers(power, self._edges))
        self._n_frames += len(power)
        if self._n_frames >= CHUNK_FRAMES:
            bands = np.concatenate(self._bands)
            n_whole = len(bands) // CHUNK_FRAMES * CHUNK_FRAMES
            for start in range(0, n_whole, CHUNK_FRAMES):
                self._add_chunk(bands[start : start + CHUNK_FRAMES])
            self._bands, self._n_frames = [bands[n_whole:]], len(bands) - n_whole

    def finish(self) -> tuple[SoundFigures, np.ndarray]:
        """Return the figures and the fingerprint, see fingerprint.py. Nothing can be added afterwards."""
        self._add_narrow(self._narrow.read(np.zeros(0, np.float32), last=True))
        if self._n_frames:
            self._add_chunk(np.concatenate(self._bands))
        figures = SoundFigures(
            loudness_lufs=self._loudness.result(),
            snr_db=self._snr.result(),
            bandwidth_hz=self._bandwidth.result(),
            reverberation_seconds=self._reverberation.result(),
            longest_clipping=self._clipping.result(),
            music_share=self._music.result(),
        )
        return figures, self._fingerprint.result()

    def _add_narrow(self, power: np.ndarray) -> None:
        self._music.add(power)
        self._fingerprint.add(power)

    def _add_chunk(self, bands: np.ndarray) -> None:
        self._snr.add(bands)
        thirds = bands[:, FIRST_OCTAVE_THIRD : FIRST_OCTAVE_THIRD + 3 * N_OCTAVES]
        n_whole = thirds.shape[1] // 3
        self._reverberation.add(thirds[:, : 3 * n_whole].reshape(len(thirds), n_whole, 3).sum(axis=2))
