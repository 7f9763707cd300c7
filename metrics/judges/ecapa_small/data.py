"""Training clips of the small ECAPA: read once, kept as 16-bit samples, cut into random crops."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Generator, Tensor

TRAIN_FOLDER = Path("data/librispeech_speakers/train")
TEST_FOLDER = Path("data/librispeech_speakers/test")


@dataclass(frozen=True)
class Speaker:
    """One class of the training: a person in one variant of the voice."""

    name: str
    samples: Tensor  # (n,) int16 at 16 kHz
    target: Tensor  # (D,) the teacher's embedding of the whole clip


def read_mono(path: Path, sample_rate: int) -> np.ndarray:
    """Read (n,) float32 samples in [-1, 1] at sample_rate Hz, averaged over channels."""
    waveform, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = waveform.mean(axis=1)
    return mono if rate == sample_rate else soxr.resample(mono, rate, sample_rate, quality="HQ").astype(np.float32)


def train_files(shared: Path) -> list[Path]:
    """Return one FLAC file per speaker, sorted by speaker number.

    Raises:
        FileNotFoundError: the folder holds no file.
    """
    files = sorted((shared / TRAIN_FOLDER).glob("*.flac"), key=lambda path: (int(path.stem.split("-")[0]), path.name))
    if not files:
        raise FileNotFoundError(
            f"{shared / TRAIN_FOLDER} holds no .flac file; it must hold one LibriSpeech train-clean-100 clip "
            "of each speaker, named SPEAKER-CHAPTER-UTTERANCE.flac; name the folder above data/ with --shared DIR"
        )
    return files


def crop(samples: Tensor, n_samples: int, start: int) -> Tensor:
    """Return (n_samples,) float samples in [-1, 1]. A clip that is too short is repeated.

    Args:
        samples: (n,) int16.
        n_samples: length of the crop.
        start: first sample of the crop.
    """
    if len(samples) < n_samples:
        samples = samples.repeat(-(-n_samples // len(samples)))
    return samples[start : start + n_samples].float() / 32768


def random_crops(speakers: list[Speaker], labels: Tensor, n_samples: int, generator: Generator) -> Tensor:
    """Draw one random crop of each label's clip.

    Args:
        speakers: the classes.
        labels: (B,) indices into `speakers`.
        n_samples: length of a crop.
        generator: source of randomness.

    Returns:
        (B, n_samples) float in [-1, 1].
    """
    positions = torch.rand(len(labels), generator=generator)
    crops = []
    for label, position in zip(labels.tolist(), positions.tolist(), strict=True):
        samples = speakers[label].samples
        crops.append(crop(samples, n_samples, int(position * max(0, len(samples) - n_samples))))
    return torch.stack(crops)
