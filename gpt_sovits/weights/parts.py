"""Which network a file of weights holds: a GPT, a SoVITS, a discriminator or an encoder.

A network is recognised by the names and shapes of its tensors, and not by the file's name or size. Every tensor must
fit the network. Otherwise the file is refused with the names of those that do not fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gpt_sovits.content_encoder.encoder import build_content_encoder
from gpt_sovits.gpt.model import GPT
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.speaker_encoder import UNUSED_TENSORS, SpeakerEncoder, SpeakerEncoderConfig
from gpt_sovits.weights.errors import WeightsError, first_names
from gpt_sovits.weights.sizes import discriminator_config, gpt_config, sovits_config, version_of
from gpt_sovits.weights.upstream.torch_file import TorchFile

V1_SYMBOLS = {"gpt": 512, "sovits": 322}  # rows of the phoneme embeddings of GPT-SoVITS v1
SPEAKER_ENCODER = SpeakerEncoderConfig()  # the only published one, whose file has no sizes
MAX_CONFIG_BYTES = 1 << 20
MAX_SIZE, MAX_LAYERS = 1_000_000, 200  # in a config.json: no model is larger, and building one would take long

HUBERT_SIZES = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "layer_norm_eps",
    "conv_dim", "conv_kernel", "conv_stride", "conv_bias", "feat_extract_norm", "feat_extract_activation",
    "feat_proj_layer_norm", "do_stable_layer_norm", "num_conv_pos_embeddings", "num_conv_pos_embedding_groups",
    "conv_pos_batch_norm",
)  # fmt: skip
BERT_SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
    "max_position_embeddings", "type_vocab_size", "layer_norm_eps",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Part:
    """One network from a file, ready for save_checkpoint.

    Attributes:
        kind: "gpt", "sovits", "discriminator", "content_encoder", "bert" or "speaker_encoder".
        version: v2, v2Pro or v2ProPlus for a SoVITS, "" for the others.
        config: JSON-ready sizes.
        state: float32 tensors by our names.
        dropped: names in the file that are not needed.
        file: the file.
    """

    kind: str
    version: str
    config: dict[str, Any]
    state: dict[str, Tensor]
    dropped: tuple[str, ...]
    file: TorchFile

    def source(self) -> dict[str, Any]:
        """Return where the network came from, for the manifest of a checkpoint."""
        return {
            "file": self.file.path.name,
            "sha256": self.file.sha256,
            "layout": self.file.layout,
            "version": self.version,
            "stored_as": list(self.file.dtypes),
            "dropped": sorted({name.split(".")[0] for name in self.dropped}),
        }


def recognise(file: TorchFile) -> Part:
    """Return the network in a file.

    Raises:
        WeightsError: the network is unknown, or its tensors do not fit.
    """
    names = file.weights.keys()
    if any(name.startswith("cfm.") for name in names):
        raise WeightsError(f"{file.path} is a SoVITS v3 or v4 (it has cfm.*), which is a different network; {READABLE}")
    for mark, read in _MARKS.items():
        if any(name == mark or name.endswith(f".{mark}") for name in names):
            return read(file)
    raise WeightsError(
        f"{file.path} holds {first_names(sorted(names))}, which no network of GPT-SoVITS has; {READABLE}"
    )


READABLE = "GPT, SoVITS and discriminator of v2, v2Pro and v2ProPlus, HuBERT, BERT and ERes2NetV2 can be read"


def _gpt(file: TorchFile) -> Part:
    state = {name.removeprefix("model."): tensor for name, tensor in file.weights.items()}
    config = gpt_config(state, file.config, str(file.path))
    _refuse_v1(file, "gpt", config.phoneme_vocab_size)
    _require_shapes(file, state, _meta_shapes(lambda: GPT(config)))
    return Part("gpt", "", config.to_dict(), state, (), file)


def _sovits(file: TorchFile) -> Part:
    state = dict(file.weights)
    config = sovits_config(state, file.config, str(file.path))
    _refuse_v1(file, "sovits", config.n_symbols)
    _require_shapes(file, state, _meta_shapes(lambda: SoVITS(config)))
    version = version_of(config)
    if file.head_version not in (None, version):
        raise WeightsError(
            f"{file.path} claims {file.head_version} in its first two bytes and has the tensors of {version}; it is "
            "damaged or was edited: download it again"
        )
    return Part("sovits", version, config.to_dict(), state, (), file)


def _discriminator(file: TorchFile) -> Part:
    config = discriminator_config(file.weights, str(file.path))
    _require_shapes(file, file.weights, _meta_shapes(lambda: Discriminator(config)))
    return Part("discriminator", "", config.to_dict(), dict(file.weights), (), file)


def _content_encoder(file: TorchFile) -> Part:
    """Read transformers' HubertModel, alone or inside a recognition model, whose other layers are dropped."""
    inside = any(name.startswith("hubert.") for name in file.weights)
    state, dropped = _select(file.weights, "hubert." if inside else "", ())
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):  # PyTorch renamed its weight norm
        name = f"encoder.pos_conv_embed.conv.{old}"
        if name in state:
            state[f"encoder.pos_conv_embed.conv.parametrizations.weight.{new}"] = state.pop(name)
    config = _transformers_config(file, HUBERT_SIZES, "hubert")
    _require_shapes(file, state, _transformers_shapes(file, lambda: build_content_encoder(config)))
    return Part("content_encoder", "", config, state, dropped, file)


def _bert(file: TorchFile) -> Part:
    """Read transformers' BertModel without the pooling layer and without the heads for pre-training."""
    from transformers import BertConfig, BertModel

    inside = any(name.startswith("bert.") for name in file.weights)
    taken, dropped = _select(file.weights, "bert." if inside else "", ("pooler.", "embeddings.position_ids", "cls."))
    older = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
    state = {}
    for name, tensor in taken.items():
        for old, new in older.items():
            name = name.replace(old, new)
        state[name] = tensor
    config = _transformers_config(file, BERT_SIZES, "bert")
    shapes = _transformers_shapes(file, lambda: BertModel(BertConfig(**config), add_pooling_layer=False))
    shapes.pop("embeddings.position_ids", None)
    _require_shapes(file, state, shapes)
    return Part("bert", "", config, state, dropped, file)


def _speaker_encoder(file: TorchFile) -> Part:
    state, dropped = _select(file.weights, "", tuple(UNUSED_TENSORS))
    _require_shapes(file, state, _meta_shapes(lambda: SpeakerEncoder(SPEAKER_ENCODER)))
    return Part("speaker_encoder", "", SPEAKER_ENCODER.to_dict(), state, dropped, file)


# End of a tensor's name that only this network has -> the function that reads it
_MARKS: dict[str, Callable[[TorchFile], Part]] = {
    "ar_predict_layer.weight": _gpt,
    "enc_p.text_embedding.weight": _sovits,
    "discriminators.0.conv_post.weight_v": _discriminator,
    "feature_projection.projection.weight": _content_encoder,
    "embeddings.word_embeddings.weight": _bert,
    "fuse34.local_att.0.weight": _speaker_encoder,
}


def _select(
    weights: Mapping[str, Tensor], prefix: str, unneeded: tuple[str, ...]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return (the needed tensors under a prefix, named without it, and the names of all others)."""
    names = [name for name in weights if name.startswith(prefix) and not name.removeprefix(prefix).startswith(unneeded)]
    return {name.removeprefix(prefix): weights[name] for name in names}, tuple(sorted(weights.keys() - set(names)))


def _refuse_v1(file: TorchFile, kind: str, n_symbols: int) -> None:
    if n_symbols == V1_SYMBOLS[kind]:
        raise WeightsError(
            f"{file.path} is a GPT-SoVITS v1 model (its phoneme embedding has {n_symbols} rows), which has other "
            f"phonemes; {READABLE}"
        )


def _transformers_config(file: TorchFile, sizes: tuple[str, ...], model_type: str) -> dict[str, Any]:
    """Return the sizes from config.json beside the file. Sizes that it lacks are those of transformers' base model."""
    path = file.path.with_name("config.json")
    if not path.is_file():
        raise WeightsError(f"{file.path}: {path.name} is missing beside it; pass the whole folder of the model")
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise WeightsError(f"{path} has {path.stat().st_size} bytes; a config has at most {MAX_CONFIG_BYTES}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} is not JSON ({error}); download it again") from error
    if not isinstance(config, dict) or config.get("model_type") != model_type:
        seen = config.get("model_type") if isinstance(config, dict) else type(config).__name__
        raise WeightsError(f"{path} describes {seen!r}, but the tensors beside it are those of {model_type!r}")
    chosen = {name: config[name] for name in sizes if name in config}
    if too_big := [name for name, value in chosen.items() if _largest(value) > MAX_SIZE]:
        raise WeightsError(f"{path}: {first_names(too_big)} is beyond {MAX_SIZE}; download it again")
    if chosen.get("num_hidden_layers", 0) > MAX_LAYERS:
        n_layers = chosen["num_hidden_layers"]
        raise WeightsError(f"{path}: num_hidden_layers {n_layers} is beyond {MAX_LAYERS}; download it again")
    return chosen


def _largest(value: object) -> float:
    if isinstance(value, list):
        return max([len(value), *(_largest(inner) for inner in value)])
    return abs(value) if isinstance(value, int | float) else 0


def _transformers_shapes(file: TorchFile, build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    from huggingface_hub.errors import StrictDataclassError

    try:
        return _meta_shapes(build)
    except (
        StrictDataclassError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError,
    ) as error:  # fmt: skip
        raise WeightsError(
            f"{file.path.with_name('config.json')}: transformers cannot build a model from it "
            f"({' '.join(str(error).split())[:200]}); download it again"
        ) from error


def _meta_shapes(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}


def _require_shapes(file: TorchFile, weights: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    problems = []
    if missing := sorted(expected.keys() - weights.keys()):
        problems.append(f"missing {first_names(missing)}")
    if unknown := sorted(weights.keys() - expected.keys()):
        problems.append(f"unknown {first_names(unknown)}")
    reshaped = [
        f"{name} {tuple(weights[name].shape)} instead of {expected[name]}"
        for name in sorted(expected.keys() & weights.keys())
        if tuple(weights[name].shape) != expected[name]
    ]
    if reshaped:
        problems.append(f"of another shape {first_names(reshaped)}")
    if problems:
        raise WeightsError(
            f"{file.path} does not fit its own sizes: {'; '.join(problems)}; it is damaged or was edited: download it "
            "again"
        )
