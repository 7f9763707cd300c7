"""Encoders that all pairs share: HuBERT, BERT and ERes2NetV2 are imported."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from upstream_files import save, save_gpt, save_sovits, states_equal

from gpt_sovits.content_encoder.encoder import load_content_encoder
from gpt_sovits.speaker_encoder import SpeakerEncoder, SpeakerEncoderConfig
from gpt_sovits.weights.base import load_base, load_shared_part
from gpt_sovits.weights.checkpoint import CheckpointError
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.parts import recognise
from gpt_sovits.weights.upstream.importing import import_pair, import_part, read_weights

HUBERT = {
    "model_type": "hubert",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "transformers_version": "4.24.0",
}
BERT = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 30,
    "max_position_embeddings": 12,
    "directionality": "bidi",
}


def hubert_folder(folder: Path, **sizes: Any) -> Path:
    from transformers import HubertConfig, HubertModel

    folder.mkdir()
    config = HUBERT | sizes
    state = HubertModel(HubertConfig(**{k: v for k, v in config.items() if k != "model_type"})).state_dict()
    old = {"original0": "weight_g", "original1": "weight_v"}
    for new, name in old.items():
        state[f"encoder.pos_conv_embed.conv.{name}"] = state.pop(
            f"encoder.pos_conv_embed.conv.parametrizations.weight.{new}"
        )
    (folder / "config.json").write_text(json.dumps(config))
    save(folder / "pytorch_model.bin", state)
    return folder


def test_a_hubert_folder_becomes_a_content_encoder(tmp_path: Path) -> None:
    done = import_part(hubert_folder(tmp_path / "hub"), None, tmp_path)
    assert done.folder == tmp_path / "chinese-hubert-base"
    config, state = load_shared_part("content_encoder", tmp_path)
    assert config["conv_dim"] == [8] * 7 and "transformers_version" not in config and "model_type" not in config
    encoder = load_content_encoder(done.folder / "content_encoder")
    assert encoder(torch.zeros(1, 640)).last_hidden_state.shape == (1, 1, 16)
    assert states_equal(dict(encoder.state_dict()), state)


def bert_folder(folder: Path, file: str) -> tuple[Path, dict[str, Tensor]]:
    """Make a folder as it is published: inside the model for pre-training, with old names and with ids as a buffer."""
    from transformers import BertConfig, BertForMaskedLM

    folder.mkdir()
    sizes = {k: v for k, v in BERT.items() if k != "model_type"}
    state = dict(BertForMaskedLM(BertConfig(**sizes)).state_dict())
    state |= {"bert.embeddings.position_ids": torch.arange(12)[None], "bert.pooler.dense.weight": torch.ones(16, 16)}
    inner = {n.removeprefix("bert."): t for n, t in state.items() if n.startswith("bert.")}
    kept = {n: t for n, t in inner.items() if not n.startswith("pooler") and "position_ids" not in n}
    (folder / "config.json").write_text(json.dumps(BERT))
    if file == "pytorch_model.bin":
        names = {
            n: n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            for n in state
        }
        save(folder / file, OrderedDict((names[n], t) for n, t in state.items()))
    else:
        save_file({n: t.clone().contiguous() for n, t in state.items()}, folder / file)
    return folder, kept


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_a_bert_folder_is_imported_without_its_heads(file: str, tmp_path: Path) -> None:
    folder, expected = bert_folder(tmp_path / "bert", file)
    done = import_part(folder, None, tmp_path)
    config, state = load_shared_part("bert", tmp_path)
    assert config["vocab_size"] == 30 and "directionality" not in config
    assert states_equal(state, expected)
    assert done.sources["bert"]["dropped"] == ["bert", "cls"]


def test_a_speaker_encoder_is_imported_without_its_unused_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = SpeakerEncoderConfig(n_channels=8, n_blocks=(1, 1, 1, 1))
    monkeypatch.setattr("gpt_sovits.weights.parts.SPEAKER_ENCODER", small)
    state = SpeakerEncoder(small).state_dict()
    path = save(tmp_path / "sv.ckpt", state | {"seg_1.weight": torch.ones(2, 2)})
    import_part(path, None, tmp_path)
    config, loaded = load_shared_part("speaker_encoder", tmp_path)
    assert config == small.to_dict() and states_equal(loaded, state)
    del state["layer4.0.bn3.bias"]
    with pytest.raises(WeightsError, match=r"missing layer4\.0\.bn3\.bias"):
        recognise(read_weights(save(path, state)))


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (None, "config.json is missing beside it"),
        ("{", "config.json is not JSON"),
        ("[" * 100_000, "config.json is not JSON"),
        ("[]", "describes 'list'"),
        (json.dumps(HUBERT | {"model_type": "wav2vec2"}), "describes 'wav2vec2'"),
        (json.dumps(HUBERT | {"num_hidden_layers": 10**9}), "num_hidden_layers is beyond"),
        (json.dumps(HUBERT | {"num_hidden_layers": 10**3}), "num_hidden_layers 1000 is beyond 200"),
        (json.dumps(HUBERT | {"num_hidden_layers": 2}), r"missing encoder\.layers\.1"),
        (json.dumps(HUBERT | {"conv_stride": [1] * 7}), "is 1; it must be 320"),
        (json.dumps(HUBERT | {"hidden_size": "x"}), "transformers cannot build a model"),
        (json.dumps(HUBERT | {"num_attention_heads": 0}), "transformers cannot build a model"),
        (json.dumps(HUBERT | {"hidden_act": "nothing"}), "transformers cannot build a model"),
    ],
)
def test_configs_that_do_not_fit_are_refused(config: str | None, match: str, tmp_path: Path) -> None:
    folder = hubert_folder(tmp_path / "hub")
    (folder / "config.json").unlink() if config is None else (folder / "config.json").write_text(config)
    with pytest.raises(WeightsError, match=match):
        import_part(folder, None, tmp_path)


def test_safetensors_are_checked_like_all_others(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(HUBERT))
    save_file({"feature_projection.projection.weight": torch.full((2,), torch.nan)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="NaN or infinity"):
        read_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 99)
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        read_weights(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"holds none of model\.safetensors, pytorch_model\.bin"):
        read_weights(tmp_path)


def test_the_shared_content_encoder_is_found_where_it_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_pair(save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth"), "anna", tmp_path)
    with pytest.raises(CheckpointError, match=r"chinese-hubert-base.content_encoder does not exist; run `vox pull"):
        load_shared_part("content_encoder", tmp_path)
    import_part(hubert_folder(tmp_path / "hub", hidden_size=6, num_attention_heads=2), None, tmp_path)
    assert load_base("anna", tmp_path).content_encoder_config is None  # the official width is 768
    monkeypatch.setattr("gpt_sovits.weights.base.OFFICIAL_SSL_DIM", 6)
    assert load_base("anna", tmp_path).build_content_encoder().config.hidden_size == 6
