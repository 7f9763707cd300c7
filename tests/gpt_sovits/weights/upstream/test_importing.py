"""Official and community pairs become base models, and everything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sovits_golden import key_listing
from torch import Tensor
from upstream_files import (
    GPT_TINY,
    HEADS,
    SOVITS_TINY,
    discriminator_state,
    gpt_content,
    gpt_state,
    round_to_float16,
    save,
    save_gpt,
    save_sovits,
    sovits_content,
    sovits_settings,
    sovits_state,
    states_equal,
    upstream_utils,
)

from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.sovits.config import OFFICIAL, OFFICIAL_DISCRIMINATOR, SoVITSConfig
from gpt_sovits.weights.base import load_base
from gpt_sovits.weights.checkpoint import CheckpointError, checkpoint_source, load_checkpoint
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.parts import recognise
from gpt_sovits.weights.sizes import discriminator_config, gpt_config, sovits_config, version_of
from gpt_sovits.weights.upstream.importing import import_pair, import_part, read_weights
from gpt_sovits.weights.upstream.torch_file import file_sha256

# ---- a pair is imported ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", HEADS)
def test_a_community_pair_becomes_a_base_that_speaks_but_cannot_be_adapted(version: str, tmp_path: Path) -> None:
    gpt, sovits = save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth", version)
    done = import_pair(gpt, sovits, "anna", tmp_path / "bases")
    assert (done.version, done.adaptable) == (version, False)
    base = load_base("anna", tmp_path / "bases")
    assert base.gpt_config == GPT_TINY
    assert base.sovits_config == SOVITS_TINY[version].model_copy(update={"posterior_layers": 0})
    assert states_equal(base.gpt_state, round_to_float16(gpt_state()))
    expected = {name: tensor for name, tensor in sovits_state(version).items() if "enc_q" not in name}
    assert states_equal(base.sovits_state, round_to_float16(expected))
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
        match=r"posterior encoder .* a discriminator, a content encoder; adapt from a complete base",
    ):
        base.require_adaptable()
    with pytest.raises(ValueError, match=r"no posterior encoder .* it can speak but not be trained"):
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
    assert states_equal(base.sovits_state, sovits_state("v2Pro"))
    assert base.discriminator_config.periods == (2, 3, 5, 7, 11, 17, 23)
    base.build_discriminator()
    with pytest.raises(CheckpointError, match="it lacks a content encoder;"):
        base.require_adaptable()
    other = save(tmp_path / "s2Dv2.pth", {"weight": discriminator_state("v2")})
    with pytest.raises(WeightsError, match=r"s2Dv2\.pth has the periods .* 11\), the discriminator of v2Pro"):
        import_pair(tmp_path / "a.ckpt", sovits, "mixed", bases, discriminator_file=other)


def test_a_training_state_has_no_config_so_only_official_rates_fit(tmp_path: Path) -> None:
    content = {"model": sovits_state("v2"), "iteration": 1, "optimizer": {}, "learning_rate": 1e-4}
    with pytest.raises(WeightsError, match=r"no network can have these sizes .*upsample_rates"):
        recognise(read_weights(save(tmp_path / "G_8.pth", content)))


def test_configs_read_from_json_give_equal_configs(tmp_path: Path) -> None:
    done = import_pair(save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth"), "anna", tmp_path / "bases")
    config, _ = load_checkpoint(done.folder / "sovits", "sovits")
    assert SoVITSConfig.from_dict(config).resblock_dilations == ((1, 3), (1, 3))


# ---- official sizes, by shapes alone -----------------------------------------------------------------------------


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


# ---- files that are not a pair -----------------------------------------------------------------------------------


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
        (set_config("model", "upsample_rates", [4, 8]), "no network can have these sizes .*product of upsample_rates"),
        (set_config("model", "upsample_rates", "fast"), "no network can have these sizes"),
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


def test_swapped_files_and_files_of_different_pairs_are_refused(tmp_path: Path) -> None:
    gpt, sovits = save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth")
    with pytest.raises(WeightsError, match="is a sovits where a gpt is needed"):
        import_pair(sovits, gpt, "anna", tmp_path / "bases")
    state = GPT(replace(GPT_TINY, vocab_size=12)).state_dict()
    content = gpt_content(state)
    content["config"]["model"] |= {"vocab_size": 12, "EOS": 11}
    other = save(tmp_path / "c.ckpt", content)
    with pytest.raises(WeightsError, match=r"do not form a pair: .*the GPT has 12 tokens, the SoVITS 9 codes"):
        import_pair(other, sovits, "anna", tmp_path / "bases")
    with pytest.raises(WeightsError, match="one half of a pair"):
        import_part(gpt, None, tmp_path / "bases")


@pytest.mark.parametrize(("version", "head"), [("v2", b"05"), ("v2Pro", b"06"), ("v2ProPlus", b"05"), ("v2Pro", b"01")])
def test_a_head_that_the_tensors_contradict_is_refused(version: str, head: bytes, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"has the tensors of {version};"):
        recognise(read_weights(save_sovits(tmp_path / "b.pth", version, head=head)))


def test_other_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds a, b, which no network of GPT-SoVITS has"):
        recognise(read_weights(save(tmp_path / "x.pth", {"a": torch.ones(1), "b": torch.ones(1)})))


@pytest.mark.parametrize("name", ["starter", "", ".", "..", "../x", "a/b", "-x", "x" * 65, "a b", "a\n"])
def test_names_that_cannot_be_a_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be a base model's name"):
        import_pair(tmp_path / "a.ckpt", tmp_path / "b.pth", name, tmp_path)


def test_a_base_is_replaced_only_on_request_and_only_by_a_complete_one(tmp_path: Path) -> None:
    gpt, sovits, bases = save_gpt(tmp_path / "a.ckpt"), save_sovits(tmp_path / "b.pth"), tmp_path / "bases"
    import_pair(gpt, sovits, "anna", bases)
    before = {path: path.read_bytes() for path in bases.rglob("*") if path.is_file()}
    with pytest.raises(WeightsError, match="already exists"):
        import_pair(gpt, save_sovits(tmp_path / "c.pth", "v2Pro"), "anna", bases)
    with pytest.raises(WeightsError, match="cut off or damaged"):
        (tmp_path / "c.pth").write_bytes(sovits.read_bytes()[:-9])
        import_pair(gpt, tmp_path / "c.pth", "anna", bases, replace=True)
    assert {path: path.read_bytes() for path in bases.rglob("*") if path.is_file()} == before
    import_pair(gpt, save_sovits(tmp_path / "c.pth", "v2Pro"), "anna", bases, replace=True)
    assert load_base("anna", bases).sovits_config.speaker_dim == 30
    assert sorted(path.name for path in bases.iterdir()) == ["anna"]
