"""The small ECAPA-TDNN and its features: speech at 16 kHz in, one speaker embedding out.

Source: Desplanques et al. 2020, arxiv.org/abs/2005.07143. The network is speechbrain's ECAPA_TDNN class.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
import torchaudio
from safetensors.torch import load_file
from torch import Tensor, nn

from metrics.judges.ecapa_small.config import (
    CONFIG_FILE,
    REMOVED_MEANS,
    WEIGHTS_FILE,
    EcapaConfig,
    FeatureConfig,
    ModelConfig,
    load_config,
)
from metrics.judges.speechbrain_import import import_speechbrain

TARGET_RMS = 0.05  # about -26 dBFS, the level of LibriSpeech; recordings are brought to it
LOG_FLOOR = 1e-6  # mel power of silence at that level; below it there is only quantisation noise


def log_mel_features(config: FeatureConfig) -> Callable[[Tensor], Tensor]:
    """Return the feature function.

    It maps waveforms (B, n_samples) float in [-1, 1] at config.sample_rate Hz to (B, n_frames, n_mels) float: natural
    log power, normalised in level, without the mean that config.removed_mean names.
    """
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate=config.sample_rate,
        n_fft=config.n_fft,
        win_length=config.win_length,
        hop_length=config.hop_length,
        f_min=config.min_frequency_hz,
        f_max=config.max_frequency_hz,
        n_mels=config.n_mels,
        window_fn=torch.hamming_window,
    )

    def features(waveforms: Tensor) -> Tensor:
        rms = waveforms.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-8)
        log_mel = (mel(waveforms * (TARGET_RMS / rms)) + LOG_FLOOR).log().transpose(1, 2)  # (B, n_frames, n_mels)
        return log_mel - log_mel.mean(dim=REMOVED_MEANS[config.removed_mean], keepdim=True)

    return features


def build_model(config: ModelConfig, n_mels: int) -> nn.Module:
    """Build the untrained network, which maps features (B, n_frames, n_mels) to (B, 1, embedding_size)."""
    import_speechbrain()
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    return ECAPA_TDNN(
        n_mels,
        lin_neurons=config.embedding_size,
        channels=list(config.channels),
        kernel_sizes=list(config.kernel_sizes),
        dilations=list(config.dilations),
        attention_channels=config.attention_channels,
        res2net_scale=config.res2net_scale,
        se_channels=config.se_channels,
        groups=[1] * len(config.channels),
    )


def load_trained(folder: Path) -> tuple[EcapaConfig, nn.Module]:
    """Load the trained network in evaluation mode. It computes in float32 and is stored in float16.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the weights are not those of config.json.
    """
    config, path = load_config(folder), folder / WEIGHTS_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, the weights of the small ECAPA judge; restore it from git or train it with "
            "`python -m metrics.judges.ecapa_small.train --shared DIR --out metrics/judges/ecapa_small`"
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != config.weights_sha256:
        raise ValueError(
            f"{path}: sha256 {found} is not weights_sha256 = {config.weights_sha256!r} of {CONFIG_FILE}; "
            "restore both files from git or train again"
        )
    model = build_model(config.model, config.features.n_mels)
    weights = {name: t.float() if t.is_floating_point() else t for name, t in load_file(path).items()}
    model.load_state_dict(weights, strict=True)
    return config, model.eval()
