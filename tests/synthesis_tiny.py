"""A tiny voice for all tests of the synthesis: random networks with the real symbol table."""

from __future__ import annotations

import torch
from sovits_tiny import TINY, tiny_sovits

from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.speaker_encoder import SpeakerEncoderConfig
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.synthesis.synthesizer import Synthesizer

GPT_CONFIG = GPTConfig(
    vocab_size=TINY.codebook_size + 1, hidden_size=32, n_heads=4, n_layers=2, bert_dim=8, dropout=0.0
)
SPEAKER_CONFIG = SpeakerEncoderConfig(n_mels=8, n_channels=8, base_width=8, scale=2, expansion=1, n_blocks=(1, 1, 1, 1))
SOVITS_CONFIG = SoVITSConfig.from_dict(TINY.to_dict() | {"n_symbols": GPT_CONFIG.phoneme_vocab_size})
PRO_CONFIG = SoVITSConfig.from_dict(
    SOVITS_CONFIG.to_dict() | {"speaker_dim": SPEAKER_CONFIG.embedding_dim, "style_channels": 10}
)
PRESET = Preset(
    language="en",
    seconds_per_phoneme=0.08,
    max_length_factor=3.0,
    pause_seconds=0.3,
    top_k=15,
    top_p=1.0,
    temperature=1.0,
    repetition_penalty=1.35,
    noise_scale=0.5,
    speed=1.0,
)


def tiny_gpt(eos_bias: float = 0.0, seed: int = 0) -> GPT:
    """Return a GPT whose sentences end by themselves after about 20 tokens.

    A low eos_bias makes that rare, a high one makes it certain.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = GPT(GPT_CONFIG)
    # The last layer norm's bias is in every hidden state, so one direction of it is a constant
    with torch.no_grad():
        model.h.layers[-1].norm2.weight[0] = 0.0
        model.h.layers[-1].norm2.bias[0] = 1.0
        model.ar_predict_layer.weight[:, 0] = 0.0
        model.ar_predict_layer.weight[-1, 0] = eos_bias
    return model.eval()


def tiny_reference(seed: int = 0, n_phonemes: int = 6, n_tokens: int = 5, speaker_dim: int = 0) -> Reference:
    g = torch.Generator().manual_seed(seed)
    return Reference(
        torch.randint(GPT_CONFIG.phoneme_vocab_size, (n_phonemes,), generator=g),
        torch.randint(TINY.codebook_size, (n_tokens,), generator=g),
        torch.rand(TINY.spectrogram_bins, 30, generator=g),
        torch.randn(speaker_dim, generator=g) if speaker_dim else None,
    )


def tiny_synthesizer(eos_bias: float = 0.0, batch_size: int = 8, **changes: float) -> Synthesizer:
    """Return a voice with PRESET and these changes."""
    preset = PRESET.model_copy(update=changes)
    sovits = tiny_sovits(config=SOVITS_CONFIG)
    return Synthesizer(tiny_gpt(eos_bias), sovits, tiny_reference(), preset, batch_size=batch_size)
