"""The speaker encoder: stored vectors of upstream, and properties at a tiny size."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from sovits_golden import Golden, fill
from sovits_tiny import TINY as TINY_SOVITS
from sovits_tiny import tiny_sovits

from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.speaker_encoder import (
    SpeakerEncoder,
    SpeakerEncoderConfig,
    fbank,
    load_speaker_encoder,
    save_speaker_encoder,
    speaker_embedding,
)
from gpt_sovits.weights.checkpoint import CheckpointError, save_checkpoint

TINY = SpeakerEncoderConfig(n_mels=16, n_channels=8, base_width=16, scale=3, expansion=2, n_blocks=(1, 2, 1, 1))


@functools.cache
def tiny_encoder() -> SpeakerEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SpeakerEncoder(TINY).eval().requires_grad_(False)


def hum(hertz: float, seconds: float, sample_rate: int) -> torch.Tensor:
    time = torch.arange(round(seconds * sample_rate), dtype=torch.float64) / sample_rate
    return (0.3 * torch.sin(2 * torch.pi * hertz * time) + 0.1 * torch.sin(6 * torch.pi * hertz * time)).float()


def test_features_match_upstream(shared: Path) -> None:
    golden = Golden(shared, "sv_fbank")
    golden.compare("out/fbank", fbank(golden["in/wav16k"][0]))


@pytest.mark.parametrize("name", ["sv_small", "sv_full"])
def test_embeddings_match_upstream(shared: Path, name: str) -> None:
    golden = Golden(shared, name)
    sizes = golden.entry["config"]
    config = SpeakerEncoderConfig(
        n_mels=sizes["feat_dim"],
        n_channels=sizes["m_channels"],
        base_width=sizes["baseWidth"],
        scale=sizes["scale"],
        expansion=sizes["expansion"],
        n_blocks=tuple(sizes["num_blocks"]),
    )
    with torch.device("meta"):
        encoder = SpeakerEncoder(config)
    fill(encoder, shared)
    with torch.no_grad():
        golden.compare("out/embedding", encoder.eval()(golden["in/fbank"]))


def test_official_embeddings_have_20480_values() -> None:
    assert SpeakerEncoderConfig().embedding_dim == 20480


@pytest.mark.parametrize("n", [400, 559, 560, 16000])
def test_features_have_a_frame_every_10_ms(n: int) -> None:
    features = fbank(hum(200, 1, 16000)[:n], 16)
    assert features.shape == (1 + (n - 400) // 160, 16)
    assert torch.isfinite(features).all()


def test_features_of_silence_are_finite_and_half_the_amplitude_lowers_features_by_log_4() -> None:
    assert torch.isfinite(fbank(torch.zeros(1600))).all()
    loud = hum(300, 0.5, 16000) + 0.05 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    difference = fbank(loud) - fbank(loud / 2)
    torch.testing.assert_close(difference, torch.full_like(difference, 2 * torch.log(torch.tensor(2.0)).item()))


def test_the_embedding_is_the_same_from_32_khz_as_from_16_khz() -> None:
    embeddings = [speaker_embedding(tiny_encoder(), hum(200, 1.0, rate), rate) for rate in (16000, 32000)]
    assert embeddings[0].shape == (TINY.embedding_dim,) == (8 * 8 * 2 * 2,)
    torch.testing.assert_close(*embeddings, rtol=0.02, atol=0.02 * float(embeddings[0].abs().max()))


def test_clips_of_a_batch_do_not_affect_each_other() -> None:
    features = torch.randn(3, 50, 16, generator=torch.Generator().manual_seed(0))
    together = tiny_encoder()(features)
    for row in range(3):
        torch.testing.assert_close(tiny_encoder()(features[row : row + 1])[0], together[row], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1])


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (torch.zeros(399), r"waveform has shape \(399,\); it must be \(n,\) with at least 400 samples"),
        (torch.zeros(1, 1600), r"waveform has shape \(1, 1600\)"),
        (torch.tensor([float("nan")] * 800), "waveform holds NaN or infinite samples"),
    ],
)
def test_invalid_clips_are_refused(waveform: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        speaker_embedding(tiny_encoder(), waveform, 16000)


def test_splits_without_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="n_channels 8 times base_width 7 must be at least 64"):
        SpeakerEncoderConfig(n_channels=8, base_width=7)


@torch.no_grad()
def test_the_style_of_a_model_that_takes_embeddings_follows_the_speaker() -> None:
    sizes = {"speaker_dim": TINY.embedding_dim, "style_channels": 10}
    sovits = tiny_sovits(config=SoVITSConfig.from_dict(TINY_SOVITS.to_dict() | sizes))
    reference = torch.rand(TINY_SOVITS.spectrogram_bins, 9, generator=torch.Generator().manual_seed(0))
    embeddings = [speaker_embedding(tiny_encoder(), hum(hertz, 0.5, 32000), 32000) for hertz in (120, 240)]
    low, high = (sovits.mean_style([reference], [embedding]) for embedding in embeddings)
    assert not torch.allclose(low, high)
    mean = sovits.mean_style([reference, reference], embeddings)
    torch.testing.assert_close(mean, (low + high) / 2)


def test_a_saved_encoder_gives_the_same_embedding(tmp_path: Path) -> None:
    save_speaker_encoder(tmp_path / "sv", tiny_encoder())
    loaded = load_speaker_encoder(tmp_path / "sv")
    assert not loaded.training
    clip = hum(150, 0.4, 16000)
    assert torch.equal(speaker_embedding(loaded, clip, 16000), speaker_embedding(tiny_encoder(), clip, 16000))


def test_another_kind_of_checkpoint_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "gpt", "gpt", {}, {"x": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="holds a 'gpt' checkpoint where 'speaker_encoder' is needed"):
        load_speaker_encoder(tmp_path / "gpt")
    save_checkpoint(tmp_path / "sv", "speaker_encoder", TINY.to_dict(), {"conv1.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"does not fit its config: missing bn1\.bias"):
        load_speaker_encoder(tmp_path / "sv")
