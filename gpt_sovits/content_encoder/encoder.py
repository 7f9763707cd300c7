"""Speech to content features: what is spoken, 50 frames per second.

The config's `architectures` names the network and what the features are:

    HubertModel        transformers' HuBERT, official (chinese-hubert-base) or small: its last hidden state
    HubertForCTC       the same with a head: the square root of its phone posteriors
    WhisperPosteriors  a frozen Whisper with a head (whisper.py): the square root of its phone posteriors, and beside
                       them, where the head has a melody_weight, the melody (melody.py)

The hidden state of a small encoder describes the speaker. Its posteriors describe the sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.content_encoder.melody import N_MELODY
from gpt_sovits.content_encoder.whisper import WhisperHeadConfig, WhisperPosteriors
from gpt_sovits.weights.checkpoint import load_checkpoint, load_weights

if TYPE_CHECKING:
    from transformers import HubertForCTC, HubertModel

CONTENT_SAMPLE_RATE = 16000
HUBERT_HEAD, WHISPER_HEAD = "HubertForCTC", "WhisperPosteriors"
SAMPLES_PER_FRAME = 320

ContentEncoder: TypeAlias = "HubertModel | HubertForCTC | WhisperPosteriors"


def build_content_encoder(config: Mapping[str, Any]) -> ContentEncoder:
    """Build a content encoder, in eval mode. What is trained here has random weights.

    Args:
        config: For WhisperPosteriors the fields of WhisperHeadConfig, else arguments of transformers.HubertConfig, of
            which missing ones have the value of HuBERT base.

    Raises:
        ValueError: If a key is unknown, or the convolutions do not make 50 frames per second at 16 kHz.
        CheckpointError: The package with Whisper's weights is not installed, or was changed.
    """
    if _names(config, WHISPER_HEAD):
        return WhisperPosteriors(WhisperHeadConfig.from_dict(config)).eval().requires_grad_(False)
    return _build_hubert(config).eval().requires_grad_(False)


def _build_hubert(config: Mapping[str, Any]) -> HubertModel | HubertForCTC:
    from transformers import HubertConfig, HubertForCTC, HubertModel  # takes seconds, and only HuBERT needs it

    known = set(HubertConfig().to_dict())
    if unknown := sorted(set(config) - known):
        raise ValueError(f"content encoder: unknown keys {unknown}; use those of transformers.HubertConfig")
    hubert = HubertConfig(**config)
    hubert.apply_spec_augment = False  # masking is for the pre-training of HuBERT
    stride = prod(hubert.conv_stride)
    if stride != SAMPLES_PER_FRAME:
        raise ValueError(
            f"content encoder: the product of conv_stride {list(hubert.conv_stride)} is {stride}; it must be "
            f"{SAMPLES_PER_FRAME}, which makes 50 frames per second at {CONTENT_SAMPLE_RATE} Hz"
        )
    return HubertForCTC(hubert) if _names(config, HUBERT_HEAD) else HubertModel(hubert)


def has_posteriors(config: Mapping[str, Any]) -> bool:
    """Return whether the features of an encoder with this config are posteriors."""
    return _names(config, HUBERT_HEAD) or _names(config, WHISPER_HEAD)


def _names(config: Mapping[str, Any], architecture: str) -> bool:
    return architecture in (config.get("architectures") or ())


def content_width(config: Mapping[str, Any]) -> int:
    """Return ssl_dim, the width of the features of an encoder with this config."""
    name, default = ("vocab_size", 32) if has_posteriors(config) else ("hidden_size", 768)  # transformers' defaults
    return config.get(name, default) + (N_MELODY if config.get("melody_weight") else 0)


def load_content_encoder(folder: Path) -> ContentEncoder:
    """Load the content encoder of a checkpoint folder, in eval mode. Raises CheckpointError if it is another kind."""
    config, state = load_checkpoint(folder, "content_encoder")
    encoder = build_content_encoder(config)
    load_weights(encoder, state, str(folder))
    return encoder


@torch.no_grad()
def extract_ssl_features(encoder: ContentEncoder, waveform: Tensor) -> Tensor:
    """Return content features at exactly 50 Hz.

    Frame k starts at sample 320 k, as in the official pipeline. A rest of less than a frame at the end is dropped.

    Args:
        encoder: A content encoder in eval mode.
        waveform: (B, n) float32 in [-1, 1] at 16 kHz, n at least 320. No row is padded.

    Returns:
        (B, ssl_dim, n // 320) float32.
    """
    if waveform.dim() != 2 or waveform.shape[1] < SAMPLES_PER_FRAME:
        raise ValueError(
            f"waveform has shape {tuple(waveform.shape)}; it must be (B, n) with at least {SAMPLES_PER_FRAME} samples"
        )
    n_frames = waveform.shape[1] // SAMPLES_PER_FRAME
    waveform = waveform[:, : n_frames * SAMPLES_PER_FRAME]
    if isinstance(encoder, WhisperPosteriors):
        features = encoder.features(waveform)
    else:
        features = _hubert_features(encoder, waveform)
    assert features.shape[1] == n_frames, f"{features.shape[1]} frames of {waveform.shape[1]} samples"
    return features.transpose(1, 2).contiguous()


def _hubert_features(encoder: HubertModel | HubertForCTC, waveform: Tensor) -> Tensor:
    """Return (B, T, ssl_dim) of (B, 320 T) samples. The window of the last frame is filled up with zeros."""
    window, stride = 1, 1
    for kernel, step in zip(encoder.config.conv_kernel, encoder.config.conv_stride, strict=True):
        window += (kernel - 1) * stride
        stride *= step
    output = encoder(F.pad(waveform, (0, max(0, window - SAMPLES_PER_FRAME))))
    return output.logits.softmax(dim=2).sqrt() if "logits" in output else output.last_hidden_state
