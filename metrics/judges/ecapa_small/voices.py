"""Makes more voices of the training clips, and asks the teacher who each of them sounds like.

A clip at another speed has another pitch and other formants. Formants alone are moved in the spectral envelope. Both
together give voices of the same text that differ as people do. The teacher hears every one of them undamaged and whole,
so that the student learns what a crop in a bad recording would have sounded like.
"""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soxr
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from metrics.judges.ecapa_small.data import Speaker, read_mono
from metrics.judges.ecapa_small.files import save_atomic

N_WORKERS = 2  # clips are independent of each other, so the result does not depend on it
N_FFT, HOP_LENGTH = 1024, 256  # at 16 kHz
N_ENVELOPE = 32  # cepstral coefficients of the envelope: 2 ms, shorter than any pitch period of speech
MAX_GAIN = 10.0  # of one frequency bin, 20 dB

Teacher = Callable[[np.ndarray, int], np.ndarray]


def move_formants(waveform: np.ndarray, factor: float) -> np.ndarray:
    """Stretch the spectral envelope along the frequency axis and keep pitch and timing.

    Args:
        waveform: (n,) float32 at 16 kHz.
        factor: 1.1 makes every formant 10 % higher, as a shorter vocal tract does.

    Returns:
        (n,) float32.
    """
    window = torch.hann_window(N_FFT)
    spectrum = torch.stft(torch.from_numpy(waveform), N_FFT, HOP_LENGTH, window=window, return_complex=True)
    cepstrum = torch.fft.irfft(spectrum.abs().clamp_min(1e-5).log(), dim=0)  # (N_FFT, n_frames)
    cepstrum[N_ENVELOPE : N_FFT - N_ENVELOPE + 1] = 0
    envelope = torch.fft.rfft(cepstrum, dim=0).real  # (n_bins, n_frames), log amplitude
    position = torch.arange(len(envelope)) / factor
    below = position.floor().clamp_max(len(envelope) - 2).long()
    weight = (position - below).clamp_max(1.0)[:, None]
    moved = envelope[below] * (1 - weight) + envelope[below + 1] * weight
    gain = (moved - envelope).exp().clamp(1 / MAX_GAIN, MAX_GAIN)
    return torch.istft(spectrum * gain, N_FFT, HOP_LENGTH, window=window, length=len(waveform)).numpy()


def make_variant(waveform: np.ndarray, sample_rate: int, speed: float, formants: float) -> Tensor:
    """Return (m,) int16 samples of another voice that reads the same text.

    Args:
        waveform: (n,) float32 in [-1, 1].
        sample_rate: in Hz.
        speed: factor on the speed, and with it on pitch and formants.
        formants: further factor on the formants alone.
    """
    # at `speed`, n samples last n / speed, so they are resampled as if recorded at speed * rate
    changed = waveform if speed == 1.0 else soxr.resample(waveform, sample_rate * speed, sample_rate)
    changed = changed if formants == 1.0 else move_formants(changed.astype(np.float32), formants)
    return torch.from_numpy((np.clip(changed, -1, 1) * 32767).astype(np.int16))


def make_speakers(
    files: list[Path], variants: tuple[tuple[float, float], ...], sample_rate: int, teacher: Teacher
) -> list[Speaker]:
    """Read every file in every variant, and embed each with the teacher.

    Args:
        files: one clip per speaker.
        variants: (speed, formants) of each, see make_variant.
        sample_rate: in Hz.
        teacher: maps (n,) float32 and its sample rate to (D,) float32.
    """

    def variants_of(path: Path) -> list[Speaker]:
        torch.set_num_threads(1)
        waveform, speakers = read_mono(path, sample_rate), []
        for speed, formants in variants:
            samples = make_variant(waveform, sample_rate, speed, formants)
            target = torch.from_numpy(teacher(samples.numpy().astype(np.float32) / 32768, sample_rate))
            speakers.append(Speaker(f"{path.stem.split('-')[0]}@{speed:g},{formants:g}", samples, target))
        return speakers

    with ThreadPoolExecutor(N_WORKERS) as pool:
        return [speaker for speakers in pool.map(variants_of, files) for speaker in speakers]


def load_or_make_speakers(
    path: Path, files: list[Path], variants: tuple[tuple[float, float], ...], sample_rate: int, teacher: Teacher
) -> list[Speaker]:
    """Return make_speakers' result, which is kept in a file for a run that is stopped and continued.

    Args:
        path: the file, about 0.4 MB per speaker and variant.
        files: see make_speakers.
        variants: see make_speakers.
        sample_rate: see make_speakers.
        teacher: see make_speakers.
    """
    key = hashlib.sha256(json.dumps([[file.name for file in files], variants, sample_rate]).encode()).hexdigest()
    if path.is_file():
        with safe_open(path, framework="pt") as file:
            if json.loads(file.metadata()["made"])["key"] == key:
                names, tensors = json.loads(file.metadata()["made"])["names"], load_file(path)
                samples = tensors["samples"].split(tensors["lengths"].tolist())
                return [Speaker(*row) for row in zip(names, samples, tensors["targets"], strict=True)]
    speakers = make_speakers(files, variants, sample_rate, teacher)
    tensors = {
        "samples": torch.cat([speaker.samples for speaker in speakers]),
        "lengths": torch.tensor([len(speaker.samples) for speaker in speakers]),
        "targets": torch.stack([speaker.target for speaker in speakers]),
    }
    made = json.dumps({"key": key, "names": [speaker.name for speaker in speakers]})
    save_atomic(tensors, path, {"made": made})
    return speakers
