"""The sizes of a network, from the shapes of its tensors.

The file's config adds what no shape shows, and must not contradict the shapes. No version is needed, because v2, v2Pro
and v2ProPlus differ in shapes.
Source of the config's keys: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS configs/s1longer-v2.yaml and configs/s2*.json.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from gpt_sovits.gpt.model import GPTConfig
from gpt_sovits.sovits.config import OFFICIAL, OFFICIAL_DISCRIMINATOR, DiscriminatorConfig, SoVITSConfig
from gpt_sovits.weights.errors import WeightsError

OFFICIAL_HEAD_DIM = 32  # of the GPT: 16 heads in 512
# Constants in upstream's code that are not in its config, so a file cannot record other values
MRTE_HEADS, REFERENCE_HEADS = 4, 2

# Upstream's key in the config -> our field. The value must agree with the tensors
SOVITS_KEYS = {
    "inter_channels": "latent_channels",
    "hidden_channels": "hidden_channels",
    "filter_channels": "filter_channels",
    "n_heads": "n_heads",
    "n_layers": "n_layers",
    "kernel_size": "kernel_size",
    "upsample_rates": "upsample_rates",
    "upsample_kernel_sizes": "upsample_kernel_sizes",
    "upsample_initial_channel": "upsample_initial_channel",
    "resblock_kernel_sizes": "resblock_kernel_sizes",
    "resblock_dilation_sizes": "resblock_dilations",
    "gin_channels": "style_channels",
    "p_dropout": "p_dropout",
}
SOVITS_DATA_KEYS = {
    "sampling_rate": "sample_rate",
    "filter_length": "n_fft",
    "hop_length": "hop_length",
    "n_mel_channels": "n_mels",
}
GPT_KEYS = {
    "vocab_size": "vocab_size",
    "phoneme_vocab_size": "phoneme_vocab_size",
    "hidden_dim": "hidden_size",
    "embedding_dim": "hidden_size",
    "head": "n_heads",
    "n_layer": "n_layers",
}


class _Shapes:
    """Shapes by tensor name. A missing name raises WeightsError."""

    def __init__(self, weights: Mapping[str, Tensor], what: str) -> None:
        self._weights, self._what = weights, what

    def __call__(self, name: str, axis: int) -> int:
        shape = tuple(self._weights[name].shape) if name in self._weights else None
        if shape is None or axis >= len(shape) or shape[axis] < 1:
            seen = "missing" if shape is None else f"of shape {shape}"
            raise WeightsError(f"{self._what}: {name} is {seen}; the network's sizes are read from it")
        return shape[axis]

    def has(self, name: str) -> bool:
        return name in self._weights

    def count(self, pattern: str) -> int:
        """Count the different numbers that the pattern's group matches."""
        found = (re.match(pattern, name) for name in self._weights)
        return len({match.group(1) for match in found if match})


def gpt_config(weights: Mapping[str, Tensor], config: Mapping[str, Any], what: str) -> GPTConfig:
    """Return the sizes of a GPT.

    Args:
        weights: its tensors, named without `model.`.
        config: the file's config, which may be {}.
        what: name of the file in messages.

    Raises:
        WeightsError: tensors and config contradict each other or do not give all sizes.
    """
    shape = _Shapes(weights, what)
    model = _section(config, "model", what)
    hidden = shape("ar_audio_embedding.word_embeddings.weight", 1)
    n_heads = model.get("head")
    if n_heads is None:
        if hidden != GPTConfig.hidden_size:
            raise WeightsError(
                f"{what}: it has no config and is {hidden} wide, so its number of heads is unknown; without a config "
                f"only the official width of {GPTConfig.hidden_size} is read"
            )
        n_heads = hidden // OFFICIAL_HEAD_DIM
    sizes = {
        "vocab_size": shape("ar_audio_embedding.word_embeddings.weight", 0),
        "phoneme_vocab_size": shape("ar_text_embedding.word_embeddings.weight", 0),
        "hidden_size": hidden,
        "n_heads": n_heads,
        "n_layers": shape.count(r"h\.layers\.(\d+)\."),
        "bert_dim": shape("bert_proj.weight", 1),
    }
    _require_agreement(model, GPT_KEYS, sizes, what)
    if model.get("EOS", sizes["vocab_size"] - 1) != sizes["vocab_size"] - 1:
        raise WeightsError(f"{what}: its config has EOS {model['EOS']}; it must be the last of {sizes['vocab_size']}")
    return _build(GPTConfig.from_dict, GPTConfig().to_dict() | sizes, what)


def sovits_config(weights: Mapping[str, Tensor], config: Mapping[str, Any], what: str) -> SoVITSConfig:
    """Return the sizes of a SoVITS. posterior_layers is 0 where `enc_q` was dropped.

    Args:
        weights: its tensors.
        config: the file's config, which may be {}.
        what: name of the file in messages.

    Raises:
        WeightsError: tensors and config contradict each other or do not give all sizes.
    """
    shape = _Shapes(weights, what)
    model, data = _section(config, "model", what), _section(config, "data", what)
    sizes = _sovits_sizes(shape, what)
    _require_agreement(model, SOVITS_KEYS, sizes, what)
    official = OFFICIAL[_nearest_version(sizes)]
    unseen = {
        field: _tuples(section[key]) if key in section else getattr(official, field)
        for section, table in ((model, SOVITS_KEYS), (data, SOVITS_DATA_KEYS))
        for key, field in table.items()
        if field not in sizes
    }
    built = _build(SoVITSConfig.from_dict, official.to_dict() | sizes | unseen, what)
    if shape.has("enc_q.pre.weight") and shape("enc_q.pre.weight", 1) != built.spectrogram_bins:
        raise WeightsError(
            f"{what}: enc_q takes {shape('enc_q.pre.weight', 1)} bins, its config's filter_length {built.n_fft} makes "
            f"{built.spectrogram_bins}; they must be equal"
        )
    return built


def _sovits_sizes(shape: _Shapes, what: str) -> dict[str, Any]:
    """Return the sizes that shapes show, by field of SoVITSConfig."""
    hidden = shape("enc_p.text_embedding.weight", 1)
    head_dim = shape("enc_p.encoder_text.attn_layers.0.emb_rel_k", 2)
    n_stages = shape.count(r"dec\.ups\.(\d+)\.")
    n_blocks = shape.count(r"dec\.resblocks\.(\d+)\.")
    if n_stages == 0 or n_blocks % n_stages or hidden % head_dim:
        raise WeightsError(
            f"{what}: {n_blocks} residual blocks for {n_stages} upsampling stages, heads of {head_dim} in {hidden} "
            "channels; this is not a SoVITS"
        )
    n_kernels = n_blocks // n_stages
    return {
        "n_symbols": shape("enc_p.text_embedding.weight", 0),
        "ssl_dim": shape("ssl_proj.weight", 0),
        "codebook_size": shape("quantizer.vq.layers.0._codebook.embed", 0),
        "latent_channels": shape("enc_p.proj.weight", 0) // 2,
        "hidden_channels": hidden,
        "filter_channels": shape("enc_p.encoder_text.ffn_layers.0.conv_1.weight", 0),
        "n_heads": hidden // head_dim,
        "n_layers": shape.count(r"enc_p\.encoder_text\.attn_layers\.(\d+)\."),
        "kernel_size": shape("enc_p.encoder_text.ffn_layers.0.conv_1.weight", 2),
        "attention_window": shape("enc_p.encoder_text.attn_layers.0.emb_rel_k", 1) // 2,
        "mrte_channels": shape("enc_p.mrte.c_pre.weight", 0),
        "mrte_heads": MRTE_HEADS,
        "style_channels": shape("ref_enc.fc.fc.weight", 0),
        "reference_hidden": shape("ref_enc.spectral.0.fc.weight", 0),
        "reference_bins": shape("ref_enc.spectral.0.fc.weight", 1),
        "reference_heads": REFERENCE_HEADS,
        "reference_kernel": shape("ref_enc.temporal.0.conv1.conv.weight", 2),
        "speaker_dim": shape("sv_emb.weight", 1) if shape.has("sv_emb.weight") else 0,
        "wavenet_kernel": shape("flow.flows.0.enc.in_layers.0.weight_v", 2),
        "posterior_layers": shape.count(r"enc_q\.enc\.in_layers\.(\d+)\."),
        "n_flows": shape.count(r"flow\.flows\.(\d+)\."),
        "flow_layers": shape.count(r"flow\.flows\.0\.enc\.in_layers\.(\d+)\."),
        "upsample_kernel_sizes": tuple(shape(f"dec.ups.{i}.weight_v", 2) for i in range(n_stages)),
        "upsample_initial_channel": shape("dec.conv_pre.weight", 0),
        "resblock_kernel_sizes": tuple(shape(f"dec.resblocks.{i}.convs1.0.weight_v", 2) for i in range(n_kernels)),
    }


def discriminator_config(weights: Mapping[str, Tensor], what: str) -> DiscriminatorConfig:
    """Return the sizes of a discriminator.

    No shape shows the periods, so they are the official ones with the same number of periods.

    Args:
        weights: its tensors.
        what: name of the file in messages.

    Raises:
        WeightsError: no official discriminator has this number of periods.
    """
    shape = _Shapes(weights, what)
    n_periods = shape.count(r"discriminators\.(\d+)\.") - 1
    periods = next((c.periods for c in OFFICIAL_DISCRIMINATOR.values() if len(c.periods) == n_periods), None)
    if periods is None:
        raise WeightsError(f"{what}: {n_periods} period discriminators; the official models have 5 (v2) or 7 (v2Pro)")
    scale = [shape(f"discriminators.0.convs.{i}.weight_v", 0) for i in range(6)]
    inputs = [shape(f"discriminators.0.convs.{i}.weight_v", 1) for i in range(6)]
    period_channels = [
        shape(f"discriminators.1.convs.{i}.weight_v", 0)
        for i in range(shape.count(r"discriminators\.1\.convs\.(\d+)\."))
    ]
    sizes = {
        "periods": periods,
        "scale_channels": scale,
        "scale_groups": [before // n for before, n in zip([1, *scale], inputs, strict=False)],
        "period_channels": period_channels,
    }
    return _build(DiscriminatorConfig.from_dict, sizes, what)


def version_of(config: SoVITSConfig) -> str:
    """Return v2, v2Pro or v2ProPlus.

    v2 has no speaker embedding, and v2ProPlus has a longer first upsampling kernel.
    """
    return _nearest_version(config.to_dict())


def _nearest_version(sizes: Mapping[str, Any]) -> str:
    if not sizes["speaker_dim"]:
        return "v2"
    first = OFFICIAL["v2ProPlus"].upsample_kernel_sizes[0]
    return "v2ProPlus" if sizes["upsample_kernel_sizes"][0] == first else "v2Pro"


def _section(config: Mapping[str, Any], name: str, what: str) -> Mapping[str, Any]:
    section = config.get(name) or {}
    if not isinstance(section, Mapping):
        raise WeightsError(f"{what}: the {name!r} of its config is {str(section)[:60]!r}; it must be a dict")
    return section


def _require_agreement(
    section: Mapping[str, Any], keys: Mapping[str, str], sizes: Mapping[str, Any], what: str
) -> None:
    wrong = [
        f"{key} {section[key]} where the tensors have {sizes[field]}"
        for key, field in keys.items()
        if key in section and field in sizes and _tuples(section[key]) != sizes[field]
    ]
    if wrong:
        raise WeightsError(f"{what}: its config does not fit its tensors: {'; '.join(wrong)}")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list | tuple) else value


def _build(make: Callable[[dict[str, Any]], Any], sizes: Mapping[str, Any], what: str) -> Any:
    try:
        return make(dict(sizes))
    except (ValueError, TypeError) as error:  # pydantic's ValidationError is a ValueError
        raise WeightsError(f"{what}: no network can have these sizes ({' '.join(str(error).split())[:300]})") from error
