"""The content encoder and the bases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gpt_sovits.audio import load_audio, resample, to_mono
from gpt_sovits.content_encoder.encoder import (
    build_content_encoder,
    content_width,
    extract_ssl_features,
)
from gpt_sovits.weights.base import STARTER, Base, load_base, save_base
from gpt_sovits.weights.checkpoint import CheckpointError
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.languages import base_languages
from starter.scratch import N_CODES, SCRATCH_CONTENT_CONFIG, babble, k_means, make_scratch

STATES = ("gpt_state", "sovits_state", "discriminator_state", "content_encoder_state")


@pytest.fixture(scope="module")
def scratch() -> Base:
    return make_scratch()


def _same(a: Base, b: Base) -> bool:
    configs = ("name", "gpt_config", "sovits_config", "discriminator_config", "content_encoder_config")
    return all(getattr(a, name) == getattr(b, name) for name in configs) and all(
        x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x)
        for x, y in ((getattr(a, name), getattr(b, name)) for name in STATES)
    )


def test_scratch_has_the_same_bits_after_any_global_state(scratch: Base) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(1234)
    state = torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        again = make_scratch()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    assert _same(scratch, again)
    assert not _same(scratch, make_scratch(seed=1))


def test_scratch_has_starter_sizes(scratch: Base) -> None:
    millions = {name: sum(t.numel() for t in getattr(scratch, name).values()) / 1e6 for name in STATES}
    assert 1.5 < millions["content_encoder_state"] < 2.5
    assert sum(millions.values()) < 14
    assert not scratch.build_sovits().training
    scratch.build_gpt()
    scratch.build_discriminator()


def test_a_saved_base_is_loaded_unchanged(scratch: Base, tmp_path: Path) -> None:
    save_base(scratch, tmp_path)
    folder = tmp_path / "scratch"
    folder.rename(tmp_path / "mine")
    loaded = load_base("mine", tmp_path)
    assert loaded.name == "mine"
    assert _same(scratch, Base(**vars(loaded) | {"name": "scratch"}))
    (tmp_path / "mine" / "sovits" / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config.json missing"):
        load_base("mine", tmp_path)


@pytest.mark.parametrize("name", ["nothing", "", "..", "../x", "a/b"])
def test_an_unknown_base_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no base model"):
        load_base(name, tmp_path)


def test_parts_that_do_not_fit_together_are_refused(scratch: Base) -> None:
    config = scratch.sovits_config.model_copy(update={"codebook_size": 100})
    with pytest.raises(ValueError, match="the GPT has 257 tokens, the SoVITS 100 codes"):
        Base(**vars(scratch) | {"sovits_config": config})
    with pytest.raises(ValueError, match="features of width 768, the SoVITS takes 192"):
        Base(**vars(scratch) | {"content_encoder_config": {}})


@pytest.mark.parametrize("n", [320, 639, 640, 16000, 16319])
def test_features_come_at_exactly_50_hz(scratch: Base, n: int) -> None:
    features = extract_ssl_features(scratch.build_content_encoder(), torch.randn(2, n))
    assert features.shape == (2, 192, n // 320)


def test_the_seven_convolutions_of_hubert_give_50_hz() -> None:
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    encoder = build_content_encoder(
        tiny | {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    )
    assert extract_ssl_features(encoder, torch.randn(1, 3333)).shape == (1, 16, 10)


def test_an_encoder_with_a_head_gives_the_roots_of_its_posteriors() -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = SCRATCH_CONTENT_CONFIG | sizes | {"conv_dim": [16, 16], "architectures": ["HubertForCTC"], "vocab_size": 9}
    features = extract_ssl_features(build_content_encoder(config), torch.randn(2, 3333))
    assert features.shape == (2, 9, 10)
    assert torch.allclose(features.square().sum(dim=1), torch.ones(2, 10))
    assert content_width(config) == 9 and content_width(SCRATCH_CONTENT_CONFIG) == 192


def test_features_repeat_and_the_end_does_not_reach_far_frames(scratch: Base) -> None:
    encoder = scratch.build_content_encoder()
    waveform = torch.from_numpy(babble(2, 3))[None]
    features = extract_ssl_features(encoder, waveform)
    assert torch.equal(features, extract_ssl_features(encoder, waveform))
    assert torch.equal(features, extract_ssl_features(encoder, torch.cat([waveform, torch.ones(1, 300)], dim=1)))


def test_wrong_content_configs_and_audio_are_refused(scratch: Base) -> None:
    with pytest.raises(ValueError, match=r"unknown keys \['hidden'\]"):
        build_content_encoder(SCRATCH_CONTENT_CONFIG | {"hidden": 3})
    with pytest.raises(ValueError, match="is 160; it must be 320"):
        build_content_encoder(SCRATCH_CONTENT_CONFIG | {"conv_stride": [160, 1]})
    with pytest.raises(ValueError, match="at least 320 samples"):
        extract_ssl_features(scratch.build_content_encoder(), torch.zeros(1, 300))


def test_k_means_finds_separate_clouds() -> None:
    torch.manual_seed(0)
    clouds = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = (clouds[:, None] + 0.1 * torch.randn(3, 50, 2)).reshape(-1, 2)
    centres = k_means(points, 6, seed=1)
    assert torch.cdist(clouds, centres).min(dim=1).values.max() < 0.3


def test_tokens_of_real_speech_are_diverse(scratch: Base, shared: Path) -> None:
    """Real speech uses many codes, and the same ones when it is louder. The babble is there for that."""
    encoder, sovits = scratch.build_content_encoder(), scratch.build_sovits()
    paths = sorted((shared / "data" / "ljspeech" / "wavs").glob("*"))[:8]
    if not paths:
        pytest.skip(f"no recordings in {shared / 'data' / 'ljspeech' / 'wavs'}")
    tokens, quieter = [], []
    for path in paths:
        samples, rate = load_audio(path)
        waveform = torch.from_numpy(resample(to_mono(samples), rate, 16000))[None]
        for factor, kept in ((1.0, tokens), (0.5, quieter)):
            kept.append(sovits.semantic_tokens(extract_ssl_features(encoder, factor * waveform))[0])
    tokens, quieter = torch.cat(tokens), torch.cat(quieter)
    share = torch.bincount(tokens, minlength=N_CODES).double() / len(tokens)
    perplexity = torch.exp(torch.special.entr(share).sum()).item()
    assert perplexity > 50
    assert share.max() < 0.1
    assert (tokens == quieter).double().mean() > 0.9


def test_the_starter_base_learned_english_only() -> None:
    assert base_languages(STARTER) == load_base(STARTER).languages == ("en",)


def test_a_saved_base_keeps_its_languages(scratch: Base, tmp_path: Path) -> None:
    save_base(replace(scratch, languages=("ja", "en")), tmp_path)
    assert base_languages(scratch.name, tmp_path) == load_base(scratch.name, tmp_path).languages == ("ja", "en")
    save_base(scratch, tmp_path)
    assert not (tmp_path / scratch.name / "base.json").exists()
    assert load_base(scratch.name, tmp_path).languages == ("en", "zh", "yue", "ja", "ko")


def test_an_official_base_that_is_not_there_yet_is_known_to_speak_all_languages(tmp_path: Path) -> None:
    assert base_languages("v2ProPlus", tmp_path) == ("en", "zh", "yue", "ja", "ko")


@pytest.mark.parametrize("text", ["{", "[]", '{"languages": []}', '{"languages": ["de"]}', '{"languages": 3}', "{}"])
def test_a_wrong_list_of_languages_is_refused_by_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/base.json").write_text(text)
    with pytest.raises(WeightsError, match=r"mine/base\.json"):
        base_languages("mine", tmp_path)
