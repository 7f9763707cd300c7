"""The speaker judge ge2e: the GE2E encoder of the package Resemblyzer, a second opinion and the small ECAPA's teacher.

Source: Wan et al. 2018, arxiv.org/abs/1710.10467. Resemblyzer (Apache-2.0) carries trained weights. Only its weights
file is used, found through the metadata of the package and checked by its hash. No code of the package is run, so its
requirement webrtcvad, which must be compiled, is not needed.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metrics.errors import JudgeUnavailableError
from metrics.judges.speaker_input import SAMPLE_RATE, audible_speech

PACKAGE = "Resemblyzer"
WEIGHTS_IN_PACKAGE = "resemblyzer/pretrained.pt"
INSTALL = "pip install --no-deps Resemblyzer==0.1.4"
WEIGHTS_SHA256 = {"0.1.4": "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"}  # by package version

N_MELS, N_FFT, HOP_LENGTH = 40, 400, 160
HIDDEN_SIZE = 256  # of the LSTM and of the embedding
TARGET_RMS = 10 ** (-30 / 20)  # -30 dBFS, the level that the encoder was trained at
WINDOW_FRAMES = 160  # 1.6 s, the length that the encoder was trained on
STEP_FRAMES = 77  # 1.3 windows per second, as in the package
MIN_COVERAGE = 0.75  # share of a last window that must be speech rather than padding


class Ge2eEncoder(nn.Module):
    """The GE2E network: three LSTM layers, then a linear layer. The names of its weights are the package's."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(N_MELS, HIDDEN_SIZE, num_layers=3, batch_first=True)
        self.linear = nn.Linear(HIDDEN_SIZE, HIDDEN_SIZE)

    def forward(self, mels: Tensor) -> Tensor:
        """Return the (B, HIDDEN_SIZE) unit-norm, non-negative embeddings of mel windows (B, n_frames, N_MELS)."""
        _, (hidden, _) = self.lstm(mels)
        return F.normalize(F.relu(self.linear(hidden[-1])))


def mel_windows(waveform: np.ndarray) -> Tensor:
    """Cut an utterance into the windows that the encoder hears.

    Args:
        waveform: (n,) float32 at SAMPLE_RATE, not silent. Its level does not matter.

    Returns:
        (n_windows, WINDOW_FRAMES, N_MELS) float32 mel power. A clip shorter than a window is followed by silence.
    """
    from librosa.feature import melspectrogram

    levelled = waveform * (TARGET_RMS / np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    n_frames = -(-(len(waveform) + 1) // HOP_LENGTH)
    starts = list(range(0, max(1, n_frames - WINDOW_FRAMES + STEP_FRAMES + 1), STEP_FRAMES))
    covered = (len(waveform) - starts[-1] * HOP_LENGTH) / (WINDOW_FRAMES * HOP_LENGTH)
    if covered < MIN_COVERAGE and len(starts) > 1:
        starts.pop()
    end = (starts[-1] + WINDOW_FRAMES) * HOP_LENGTH
    padded = np.pad(levelled.astype(np.float32), (0, max(0, end - len(levelled))))
    mel = melspectrogram(y=padded, sr=SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS)
    frames = torch.from_numpy(mel.T.astype(np.float32))  # (n_frames, N_MELS)
    return torch.stack([frames[start : start + WINDOW_FRAMES] for start in starts])


@torch.inference_mode()
def embed_utterance(encoder: Ge2eEncoder, waveform: np.ndarray) -> np.ndarray:
    """Return the (HIDDEN_SIZE,) float32 unit-norm mean of the embeddings of an utterance's windows.

    Args:
        encoder: the trained network.
        waveform: (n,) float32 at SAMPLE_RATE, not silent.
    """
    return F.normalize(encoder(mel_windows(waveform)).mean(dim=0), dim=0).numpy()


def weights_file() -> tuple[str, Path]:
    """Return the version of the installed package and the path of its weights.

    Raises:
        JudgeUnavailableError: the package is not installed, or this version is not known.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise JudgeUnavailableError(
            f"judge ge2e needs the package {PACKAGE}, which is not installed; run `{INSTALL}`"
        ) from None
    if package.version not in WEIGHTS_SHA256:
        raise JudgeUnavailableError(
            f"judge ge2e knows the weights of {PACKAGE} {', '.join(WEIGHTS_SHA256)}, and version {package.version} "
            f"is installed; run `{INSTALL}`"
        )
    return package.version, Path(str(package.locate_file(WEIGHTS_IN_PACKAGE)))


def load_encoder(path: Path, sha256: str) -> Ge2eEncoder:
    """Load the trained network in evaluation mode.

    Args:
        path: the weights file, a torch checkpoint.
        sha256: what its hash must be. It is checked before the file is read.

    Raises:
        JudgeUnavailableError: the file is missing or another one.
    """
    if not path.is_file():
        raise JudgeUnavailableError(f"judge ge2e: {path} is missing from the installed package; run `{INSTALL}`")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise JudgeUnavailableError(
            f"judge ge2e: {path} has sha256 {found}, and the published file has {sha256}; "
            f"run `{INSTALL} --force-reinstall`"
        )
    weights = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    encoder = Ge2eEncoder()
    # the loss of the teacher's own training has two further weights
    encoder.load_state_dict({name: t for name, t in weights.items() if not name.startswith("similarity_")})
    return encoder.eval()


class Ge2e:
    """The GE2E encoder of Resemblyzer as a speaker judge."""

    name = "ge2e"

    def __init__(self) -> None:
        version, path = weights_file()
        self._encoder = load_encoder(path, WEIGHTS_SHA256[version])
        self.version = f"{PACKAGE} {version} {WEIGHTS_SHA256[version][:12]}"

    def embed(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the speaker embedding of an utterance. See metrics.judges.speaker.SpeakerJudge."""
        return embed_utterance(self._encoder, audible_speech(waveform, sample_rate))
