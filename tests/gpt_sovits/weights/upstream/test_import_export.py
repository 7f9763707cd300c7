"""Official files in, files that the original loads out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from sovits_golden import key_listing
from sovits_tiny import TINY_DISCRIMINATOR, TINY_ISTFT, tiny_sovits
from torch import Tensor
from upstream_files import (
    GPT_TINY,
    HEADS,
    SOVITS_TINY,
    gpt_content,
    gpt_state,
    save,
    save_gpt,
    save_sovits,
    sovits_content,
    sovits_settings,
    sovits_state,
    upstream_utils,
)

from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.sovits.config import OFFICIAL, OFFICIAL_DISCRIMINATOR, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.speaker_encoder import SpeakerEncoder, SpeakerEncoderConfig
from gpt_sovits.weights.base import load_base, load_shared_part
from gpt_sovits.weights.checkpoint import CheckpointError, checkpoint_source, load_checkpoint
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.parts import recognise
from gpt_sovits.weights.sizes import discriminator_config, gpt_config, sovits_config, version_of
from gpt_sovits.weights.upstream.exporting import export_pair
from gpt_sovits.weights.upstream.importing import import_pair, import_part, read_weights
from gpt_sovits.weights.upstream.torch_file import file_sha256

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


def discriminator_state(version: str = "v2") -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        periods = OFFICIAL_DISCRIMINATOR[version].periods
        return Discriminator(TINY_DISCRIMINATOR.model_copy(update={"periods": periods})).state_dict()


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.half().float() for name, tensor in state.items()}


# ---- a pair comes in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", HEADS)
def test_a_community_pair_becomes_a_base_that_speaks_and_cannot_be_adapted(version: str, tmp_path: Path) -> None:
    gpt, sovits = save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth", version)
    done = import_pair(gpt, sovits, "anna", tmp_path / "bases")
    assert (done.version, done.adaptable) == (version, False)
    base = load_base("anna", tmp_path / "bases")
    assert base.gpt_config == GPT_TINY
    assert base.sovits_config == SOVITS_TINY[version].model_copy(update={"posterior_layers": 0})
    assert equal(base.gpt_state, halved(gpt_state()))
    expected = {name: tensor for name, tensor in sovits_state(version).items() if "enc_q" not in name}
    assert equal(base.sovits_state, halved(expected))
    base.build_gpt()
    speaker = torch.ones(30) if version != "v2" else None
    model = base.build_sovits().for_inference()
    style = model.mean_style([torch.ones(129, 4)], None if speaker is None else [speaker])
    waveform, _ = model.decode(
        torch.zeros(1, 3, dtype=torch.int64), torch.ones(1, 4, dtype=torch.int64), style, noise_scale=0
    )
    assert waveform.shape == (1, 6 * 64)
    with pytest.raises(
        CheckpointError,
        match=r"posterior encoder .* a discriminator, a content encoder; adapt from a base that is whole",
    ):
        base.require_adaptable()
    with pytest.raises(ValueError, match=r"no posterior encoder .* it speaks and cannot be trained"):
        model(*[torch.zeros(1)] * 7, 32)
    with pytest.raises(CheckpointError, match="has no discriminator"):
        base.build_discriminator()
    with pytest.raises(CheckpointError, match="`vox pull chinese-hubert-base`"):
        base.build_content_encoder()
    source = checkpoint_source(done.folder / "sovits")
    assert source == {
        "file": "b.pth",
        "sha256": file_sha256(sovits),
        "layout": "exported weights",
        "version": version,
        "stored_as": ["float16"],
        "dropped": [],
    }
    assert sorted(path.name for path in (tmp_path / "bases").iterdir()) == ["anna"]


def test_an_official_pair_with_its_discriminator_and_encoder_can_be_adapted(tmp_path: Path) -> None:
    sovits = save_sovits(tmp_path / "s2G.pth", "v2Pro", head=b"PK", keep_posterior=True, dtype=torch.float32)
    discriminator = save(tmp_path / "s2D.pth", {"weight": discriminator_state("v2Pro")})
    bases = tmp_path / "bases"
    done = import_pair(save_gpt(tmp_path / "a.ckpt"), sovits, "v2Pro", bases, discriminator_file=discriminator)
    assert done.adaptable
    base = load_base("v2Pro", bases)
    assert base.sovits_config == SOVITS_TINY["v2Pro"]
    assert equal(base.sovits_state, sovits_state("v2Pro"))
    assert base.discriminator_config.periods == (2, 3, 5, 7, 11, 17, 23)
    base.build_discriminator()
    with pytest.raises(CheckpointError, match="it lacks a content encoder;"):
        base.require_adaptable()
    other = save(tmp_path / "s2Dv2.pth", {"weight": discriminator_state("v2")})
    with pytest.raises(WeightsError, match=r"s2Dv2\.pth has the periods .* 11\), the discriminator of v2Pro"):
        import_pair(tmp_path / "a.ckpt", sovits, "mixed", bases, discriminator_file=other)


def test_the_shared_content_encoder_is_found_where_it_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_pair(save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth"), "anna", tmp_path)
    with pytest.raises(CheckpointError, match=r"chinese-hubert-base.content_encoder is not there; run `vox pull"):
        load_shared_part("content_encoder", tmp_path)
    import_part(hubert_folder(tmp_path / "hub", hidden_size=6, num_attention_heads=2), None, tmp_path)
    assert load_base("anna", tmp_path).content_encoder_config is None  # the official width is 768
    monkeypatch.setattr("gpt_sovits.weights.base.OFFICIAL_SSL_DIM", 6)
    assert load_base("anna", tmp_path).build_content_encoder().config.hidden_size == 6


def test_a_training_state_has_no_config_so_only_official_rates_fit_it(tmp_path: Path) -> None:
    content = {"model": sovits_state("v2"), "iteration": 1, "optimizer": {}, "learning_rate": 1e-4}
    with pytest.raises(WeightsError, match=r"no network has these sizes .*upsample_rates"):
        recognise(read_weights(save(tmp_path / "G_8.pth", content)))


# ---- at the official size, by shapes alone -----------------------------------------------------------------------


@pytest.mark.parametrize("version", HEADS)
@pytest.mark.parametrize("keep", ["whole", "inference"])
def test_official_listings_are_recognised_without_a_config(version: str, keep: str, shared: Path) -> None:
    listing = key_listing(shared, f"s2_{version}")
    weights = {n: torch.empty(s, device="meta") for n, s in listing.items() if keep == "whole" or "enc_q" not in n}
    config = sovits_config(weights, {}, "s2G.pth")
    layers = OFFICIAL[version].posterior_layers if keep == "whole" else 0
    assert config == OFFICIAL[version].model_copy(update={"posterior_layers": layers})
    assert version_of(config) == version


def test_official_gpt_and_discriminators_are_recognised_without_a_config(shared: Path) -> None:
    weights = {n.removeprefix("model."): torch.empty(s, device="meta") for n, s in key_listing(shared, "s1_v2").items()}
    assert gpt_config(weights, {}, "s1.ckpt") == GPTConfig()
    for version in ("v2", "v2Pro"):
        listing = {n: torch.empty(s, device="meta") for n, s in key_listing(shared, f"s2D_{version}").items()}
        assert discriminator_config(listing, "s2D.pth") == OFFICIAL_DISCRIMINATOR[version]


# ---- files that are no pair --------------------------------------------------------------------------------------


def edited(change: Callable[[dict[str, Any]], None], path: Path, kind: str = "sovits", version: str = "v2") -> Path:
    with upstream_utils():
        if kind == "gpt":
            content = gpt_content(gpt_state())
        else:
            content = sovits_content(version, sovits_state(version), keep_posterior=True)
            content["config"] = sovits_settings(version)
        change(content)
        return save(path, content)


def set_weight(name: str, value: Tensor | None) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        if value is None:
            del content["weight"][name]
        else:
            content["weight"][name] = value

    return change


def set_config(section: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["config"][section].update({key: value})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (set_weight("flow.flows.0.pre.bias", None), r"missing flow\.flows\.0\.pre\.bias;"),
        (set_weight("dec.conv_pre.weight", None), r"dec\.conv_pre\.weight is missing; the network's sizes"),
        (set_weight("enc_q.proj.bias", None), r"missing enc_q\.proj\.bias;"),
        (set_weight("surprise", torch.ones(2)), r"unknown surprise;"),
        (set_weight("enc_p.proj.bias", torch.ones(7)), r"shape enc_p\.proj\.bias \(7,\) instead of \(16,\);"),
        (set_weight("enc_p.proj.bias", torch.full((16,), torch.nan)), r"NaN or infinity in enc_p\.proj\.bias;"),
        (set_weight("ssl_proj.weight", torch.tensor(1.0)), r"ssl_proj\.weight is of shape \(\);"),
        (set_weight("dec.conv_pre.weight", torch.ones(16, 0, 7)), "of another shape dec.conv_pre.weight"),
        (set_weight("enc_p.text_embedding.weight", torch.ones(322, 8)), "a GPT-SoVITS v1 model .* 322 rows"),
        (set_weight("cfm.estimator.weight", torch.ones(1)), "a SoVITS v3 or v4"),
        (set_weight("enc_p.text_embedding.lora_A", torch.ones(1)), "is a LoRA"),
        (set_config("model", "inter_channels", 192), "inter_channels 192 where the tensors have 8"),
        (set_config("model", "upsample_rates", [4, 8]), "no network has these sizes .*product of upsample_rates"),
        (set_config("model", "upsample_rates", "fast"), "no network has these sizes"),
        (set_config("model", "resblock_dilation_sizes", [[1, 3, 5], [1, 3]]), r"missing dec\.resblocks\.0\.convs1\.2"),
        (set_config("data", "filter_length", 512), "enc_q takes 129 bins, its config's filter_length 512 makes 257"),
        (lambda content: content["config"].update(model=3), "the 'model' of its config is '3'"),
    ],
)  # fmt: skip
def test_a_sovits_that_does_not_fit_is_refused_by_name(change: Any, match: str, tmp_path: Path) -> None:
    path = edited(change, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match=match) as caught:
        import_pair(save_gpt(tmp_path / "a.ckpt"), path, "anna", tmp_path / "bases")
    assert str(path) in str(caught.value)
    assert not (tmp_path / "bases").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (set_weight("model.h.layers.1.norm2.bias", None), r"missing h\.layers\.1\.norm2\.bias;"),
        (set_weight("model.h.layers.0.linear1.bias", torch.ones(3)), r"linear1\.bias \(3,\) instead of \(128,\)"),
        (set_weight("model.ar_text_embedding.word_embeddings.weight", torch.ones(512, 32)), "_vocab_size 20 where"),
        (set_config("model", "head", 5), "must be even and divisible by n_heads"),
        (set_config("model", "head", "four"), "n_heads must be a whole number"),
        (set_config("model", "EOS", 3), "has EOS 3; it must be the last of 10"),
        (lambda content: content.pop("config"), "its number of heads is unknown"),
    ],
)  # fmt: skip
def test_a_gpt_that_does_not_fit_is_refused_by_name(change: Any, match: str, tmp_path: Path) -> None:
    path = edited(change, tmp_path / "a.ckpt", "gpt")
    with pytest.raises(WeightsError, match=match):
        import_pair(path, save_sovits(tmp_path / "b.pth"), "anna", tmp_path / "bases")
    assert not (tmp_path / "bases").exists()


def test_a_gpt_of_version_1_is_refused(tmp_path: Path) -> None:
    state = GPT(replace(GPT_TINY, phoneme_vocab_size=512)).state_dict()
    content = gpt_content(state)
    content["config"]["model"]["phoneme_vocab_size"] = 512
    with pytest.raises(WeightsError, match=r"a GPT-SoVITS v1 model .* 512 rows"):
        recognise(read_weights(save(tmp_path / "a.ckpt", content)))


def test_swapped_halves_and_halves_of_different_pairs_are_refused(tmp_path: Path) -> None:
    gpt, sovits = save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth")
    with pytest.raises(WeightsError, match="is a sovits; a gpt is needed in its place"):
        import_pair(sovits, gpt, "anna", tmp_path / "bases")
    state = GPT(replace(GPT_TINY, vocab_size=12)).state_dict()
    content = gpt_content(state)
    content["config"]["model"] |= {"vocab_size": 12, "EOS": 11}
    other = save(tmp_path / "c.ckpt", content)
    with pytest.raises(WeightsError, match=r"are no pair: .*the GPT has 12 tokens, the SoVITS 9 codes"):
        import_pair(other, sovits, "anna", tmp_path / "bases")
    with pytest.raises(WeightsError, match="one half of a pair"):
        import_part(gpt, None, tmp_path / "bases")


@pytest.mark.parametrize(("version", "head"), [("v2", b"05"), ("v2Pro", b"06"), ("v2ProPlus", b"05")])
def test_a_head_that_the_tensors_contradict_is_refused(version: str, head: bytes, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"has the tensors of {version};"):
        recognise(read_weights(save_sovits(tmp_path / "b.pth", version, head=head)))


def test_other_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds a, b: no network of GPT-SoVITS has these"):
        recognise(read_weights(save(tmp_path / "x.pth", {"a": torch.ones(1), "b": torch.ones(1)})))


@pytest.mark.parametrize("name", ["starter", "", ".", "..", "../x", "a/b", "-x", "x" * 65, "a b", "a\n"])
def test_names_that_are_no_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be a base model's name"):
        import_pair(tmp_path / "a.ckpt", tmp_path / "b.pth", name, tmp_path)


def test_a_base_is_replaced_only_when_asked_and_only_by_a_whole_one(tmp_path: Path) -> None:
    gpt, sovits, bases = save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth"), tmp_path / "bases"
    import_pair(gpt, sovits, "anna", bases)
    before = {path: path.read_bytes() for path in bases.rglob("*") if path.is_file()}
    with pytest.raises(WeightsError, match="is already there"):
        import_pair(gpt, save_sovits(tmp_path / "c.pth", "v2Pro"), "anna", bases)
    with pytest.raises(WeightsError, match="cut off or damaged"):
        (tmp_path / "c.pth").write_bytes(sovits.read_bytes()[:-9])
        import_pair(gpt, tmp_path / "c.pth", "anna", bases, replace=True)
    assert {path: path.read_bytes() for path in bases.rglob("*") if path.is_file()} == before
    import_pair(gpt, save_sovits(tmp_path / "c.pth", "v2Pro"), "anna", bases, replace=True)
    assert load_base("anna", bases).sovits_config.speaker_dim == 30
    assert sorted(path.name for path in bases.iterdir()) == ["anna"]


# ---- encoders ----------------------------------------------------------------------------------------------------


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
    from gpt_sovits.content_encoder import load_content_encoder

    encoder = load_content_encoder(done.folder / "content_encoder")
    assert encoder(torch.zeros(1, 640)).last_hidden_state.shape == (1, 1, 16)
    assert equal(dict(encoder.state_dict()), state)


def bert_folder(folder: Path, file: str) -> tuple[Path, dict[str, Tensor]]:
    """As it is published: inside the model of its pre-training, the norms under their oldest names, ids as a buffer."""
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
def test_a_bert_folder_loses_its_heads(file: str, tmp_path: Path) -> None:
    folder, expected = bert_folder(tmp_path / "bert", file)
    done = import_part(folder, None, tmp_path)
    config, state = load_shared_part("bert", tmp_path)
    assert config["vocab_size"] == 30 and "directionality" not in config
    assert equal(state, expected)
    assert done.sources["bert"]["dropped"] == ["bert", "cls"]


def test_a_speaker_encoder_loses_the_head_that_nobody_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = SpeakerEncoderConfig(n_channels=8, n_blocks=(1, 1, 1, 1))
    monkeypatch.setattr("gpt_sovits.weights.parts.SPEAKER_ENCODER", small)
    state = SpeakerEncoder(small).state_dict()
    path = save(tmp_path / "sv.ckpt", state | {"seg_1.weight": torch.ones(2, 2)})
    import_part(path, None, tmp_path)
    config, loaded = load_shared_part("speaker_encoder", tmp_path)
    assert config == small.to_dict() and equal(loaded, state)
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
        (json.dumps(HUBERT | {"hidden_size": "x"}), "transformers builds no model of it"),
        (json.dumps(HUBERT | {"num_attention_heads": 0}), "transformers builds no model of it"),
        (json.dumps(HUBERT | {"hidden_act": "nothing"}), "transformers builds no model of it"),
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
    with pytest.raises(WeightsError, match="is no safetensors file"):
        read_weights(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"holds none of model\.safetensors, pytorch_model\.bin"):
        read_weights(tmp_path)


# ---- out, and in again -------------------------------------------------------------------------------------------


@given(
    version=st.sampled_from(list(HEADS)),
    dtype=st.sampled_from(["float16", "float32"]),
    with_posterior=st.booleans(),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([1e-6, 1.0, 100.0]),
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_exported_and_imported_is_what_it_was(
    version: str, dtype: str, with_posterior: bool, seed: int, scale: float, tmp_path: Path
) -> None:
    config = SOVITS_TINY[version]
    gpt = gpt_state(seed)
    sovits = {name: scale * tensor for name, tensor in sovits_state(version, seed).items()}
    files = tmp_path / "a.ckpt", tmp_path / "b.pth"
    export_pair((GPT_TINY, gpt), (config, sovits), *files, dtype=dtype, with_posterior=with_posterior, other_sizes=True)
    assert files[1].read_bytes()[:2] == HEADS[version]
    done = import_pair(*files, "x", tmp_path, replace=True)
    assert done.version == version
    base = load_base("x", tmp_path)
    kept = {name: t for name, t in sovits.items() if with_posterior or not name.startswith("enc_q.")}
    as_stored = halved if dtype == "float16" else dict
    assert base.gpt_config == GPT_TINY and equal(base.gpt_state, as_stored(gpt))
    assert base.sovits_config == config.model_copy(update={} if with_posterior else {"posterior_layers": 0})
    assert equal(base.sovits_state, as_stored(kept))
    again = tmp_path / "c.ckpt", tmp_path / "d.pth"
    export_pair(
        (base.gpt_config, base.gpt_state),
        (base.sovits_config, base.sovits_state),
        *again,
        dtype=dtype,
        other_sizes=True,
    )
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]


LOADS_LIKE_THE_ORIGINAL = """
import io, sys, torch
gpt, sovits = sys.argv[1:]
data = open(sovits, "rb").read()
assert data[:2] == b"06", data[:2]
content = torch.load(io.BytesIO(b"PK" + data[2:]), map_location="cpu", weights_only=False)
config = content["config"]
import utils
assert type(config) is utils.HParams and type(config.model) is utils.HParams
assert config.data.filter_length // 2 + 1 == 129 and config.train.segment_size // config.data.hop_length == 32
assert {**config.model}["gin_channels"] == 24 and config.model.version == "v2ProPlus"
assert {t.dtype for t in content["weight"].values()} == {torch.float16} and content["info"] == "anna 3"
gpt = torch.load(gpt, map_location="cpu")
assert gpt["config"]["data"]["max_sec"] == 54 and gpt["config"]["model"]["n_layer"] == 2
assert all(name.startswith("model.") for name in gpt["weight"])
"""
UTILS = """
class HParams:
    def __init__(self, **values):
        raise AssertionError("a pickle does not call it")
    def keys(self):
        return self.__dict__.keys()
    def __getitem__(self, key):
        return getattr(self, key)
"""


def test_the_original_unpickles_its_own_class(tmp_path: Path) -> None:
    """In a process of its own, with a module `utils` as the original has it and without any of our code."""
    files = tmp_path / "a.ckpt", tmp_path / "b.pth"
    sovits = (SOVITS_TINY["v2ProPlus"], sovits_state("v2ProPlus"))
    export_pair((GPT_TINY, gpt_state()), sovits, *files, info="anna 3", other_sizes=True)
    (tmp_path / "utils.py").write_text(UTILS)
    command = [sys.executable, "-c", LOADS_LIKE_THE_ORIGINAL, *map(str, files)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "utils" not in sys.modules


def test_what_the_files_cannot_say_or_the_original_cannot_load_is_refused(tmp_path: Path) -> None:
    gpt, files = (GPT_TINY, gpt_state()), (tmp_path / "a.ckpt", tmp_path / "b.pth")
    config, state = SOVITS_TINY["v2"], sovits_state("v2")
    with pytest.raises(WeightsError, match=r"sizes in its code .*SoVITS n_symbols 20 instead of 732"):
        export_pair(gpt, (config, state), *files)
    with pytest.raises(WeightsError, match=r"no place for SoVITS mrte_heads 2 \(always 4\)"):
        export_pair(gpt, (config.model_copy(update={"mrte_heads": 2}), state), *files, other_sizes=True)
    with pytest.raises(WeightsError, match=r"no place for SoVITS generator istft \(always hifigan\)"):
        export_pair(gpt, (TINY_ISTFT, tiny_sovits(config=TINY_ISTFT).state_dict()), *files, other_sizes=True)
    with pytest.raises(WeightsError, match=r"no place for GPT dropout 0\.5"):
        export_pair((replace(GPT_TINY, dropout=0.5), gpt[1]), (config, state), *files, other_sizes=True)
    with pytest.raises(WeightsError, match=r"SoVITS: ssl_proj\.bias goes beyond float16; export with float32"):
        export_pair(gpt, (config, state | {"ssl_proj.bias": torch.full((6,), 1e5)}), *files, other_sizes=True)
    with pytest.raises(CheckpointError, match=r"the SoVITS does not fit its config: missing ssl_proj\.bias"):
        export_pair(gpt, (config, {n: t for n, t in state.items() if n != "ssl_proj.bias"}), *files, other_sizes=True)
    assert list(tmp_path.iterdir()) == []


def test_official_sizes_pass_the_check_of_what_the_original_loads() -> None:
    from gpt_sovits.weights.upstream.exporting import _check_sizes

    for config in OFFICIAL.values():
        _check_sizes(GPTConfig(), config, other_sizes=False)
        _check_sizes(GPTConfig(), config.model_copy(update={"posterior_layers": 0}), other_sizes=False)


def test_configs_read_from_json_give_equal_configs(tmp_path: Path) -> None:
    done = import_pair(save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth"), "anna", tmp_path / "bases")
    config, _ = load_checkpoint(done.folder / "sovits", "sovits")
    assert SoVITSConfig.from_dict(config).resblock_dilations == ((1, 3), (1, 3))
