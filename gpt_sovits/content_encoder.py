"""Speech to content features: what is said, frame by frame, 50 times a second.

The network is transformers' HubertModel, official (chinese-hubert-base) or small; only its sizes differ. What it says
is its last hidden state or, where the config names the architecture HubertForCTC, the square root of its head's
posteriors: a small encoder's hidden state tells the speaker, its posteriors tell the sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.weights.checkpoint import load_checkpoint, load_weights

if TYPE_CHECKING:
    from transformers import HubertForCTC, HubertModel

CONTENT_SAMPLE_RATE = 16000
POSTERIORS = "HubertForCTC"
SAMPLES_PER_FRAME = 320


def build_content_encoder(config: Mapping[str, Any]) -> HubertModel | HubertForCTC:
    """A network with random weights, in eval mode: a HubertModel, or a HubertForCTC if `architectures` names it.

    config: arguments of transformers.HubertConfig; what is left out has HuBERT-base's value
    Raises ValueError for an unknown key, or when the convolutions do not make 50 frames a second of 16 kHz.
    """
    from transformers import HubertConfig, HubertForCTC, HubertModel  # seconds to import, and only needed here

    known = set(HubertConfig().to_dict())
    if unknown := sorted(set(config) - known):
        raise ValueError(f"content encoder: unknown keys {unknown}; see transformers.HubertConfig")
    hubert = HubertConfig(**config)
    hubert.apply_spec_augment = False  # masking is for its own pre-training
    stride = prod(hubert.conv_stride)
    if stride != SAMPLES_PER_FRAME:
        raise ValueError(
            f"content encoder: the product of conv_stride {list(hubert.conv_stride)} is {stride}; it must be "
            f"{SAMPLES_PER_FRAME}, which makes 50 frames a second of {CONTENT_SAMPLE_RATE} Hz"
        )
    network = HubertForCTC if has_posteriors(config) else HubertModel
    return network(hubert).eval().requires_grad_(False)


def has_posteriors(config: Mapping[str, Any]) -> bool:
    return POSTERIORS in (config.get("architectures") or ())


def content_width(config: Mapping[str, Any]) -> int:
    """ssl_dim of what an encoder of this config says."""
    name, default = ("vocab_size", 32) if has_posteriors(config) else ("hidden_size", 768)  # transformers' defaults
    return config.get(name, default)


def load_content_encoder(folder: Path) -> HubertModel | HubertForCTC:
    """The content encoder in a checkpoint folder, in eval mode. Raises CheckpointError where it is not one."""
    config, state = load_checkpoint(folder, "content_encoder")
    encoder = build_content_encoder(config)
    load_weights(encoder, state, str(folder))
    return encoder


@torch.no_grad()
def extract_ssl_features(encoder: HubertModel | HubertForCTC, waveform: Tensor) -> Tensor:
    """Content features at exactly 50 Hz.

    waveform: (B, n) float32 in [-1, 1] at 16 kHz, all rows really n long, n at least 320
    returns:  (B, ssl_dim, n // 320) float32
    Frame k starts at sample 320 k, as in the official pipeline. The window is longer than a frame, so the samples are
    followed by as many zeros as the last frame needs; a rest of less than a frame at the end is left out.
    """
    if waveform.dim() != 2 or waveform.shape[1] < SAMPLES_PER_FRAME:
        raise ValueError(
            f"waveform has shape {tuple(waveform.shape)}; it must be (B, n) with at least {SAMPLES_PER_FRAME} samples"
        )
    n_frames = waveform.shape[1] // SAMPLES_PER_FRAME
    window, stride = 1, 1
    for kernel, step in zip(encoder.config.conv_kernel, encoder.config.conv_stride, strict=True):
        window += (kernel - 1) * stride
        stride *= step
    waveform = waveform[:, : n_frames * SAMPLES_PER_FRAME]
    said = encoder(F.pad(waveform, (0, max(0, window - SAMPLES_PER_FRAME))))
    features = said.logits.softmax(dim=2).sqrt() if "logits" in said else said.last_hidden_state
    assert features.shape[1] == n_frames, f"{features.shape[1]} frames of {waveform.shape[1]} samples"
    return features.transpose(1, 2).contiguous()
