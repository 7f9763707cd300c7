"""The three SoVITS stages: their batches, the parts that learn, and their losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpt_sovits.sovits.model import SoVITS
from starter.autoencoder import PARTS, autoencode
from starter.prior import TokenizedUtterance, collate, run_prior
from starter.scratch import set_codebook
from starter.settings import load_settings
from starter.sovits_data import SpeechCrops, sovits_config, spectral_loss
from starter.store import Utterance

SETTINGS = load_settings()
SMALL = {"latent_channels": 8, "hidden_channels": 16, "filter_channels": 16, "posterior_layers": 1, "n_flows": 1}
SMALL |= {"upsample_initial_channel": 16, "trunk_dilations": [[1]], "mrte_channels": 16, "style_channels": 16}
SMALL |= {"reference_hidden": 16}


@pytest.fixture
def model():
    torch.manual_seed(0)
    small = SETTINGS.model_copy(update={"sovits_network": SETTINGS.sovits_network | SMALL})
    model = SoVITS(sovits_config(small)).eval()
    set_codebook(model, torch.rand(SETTINGS.tokens.n_centres, model.config.ssl_dim))
    return model


def utterance(seconds, voice="slt"):
    noise = np.random.default_rng(round(100 * seconds)).standard_normal(round(seconds * 16000))
    return Utterance(f"{voice} {seconds}", voice, "", (2000 * noise).astype(np.int16), [])


def tokenized(seconds, ratio=1.0):
    n = int(seconds / ratio * 25)
    return TokenizedUtterance(utterance(seconds), ratio, torch.arange(1, 9), torch.arange(n) % 200)


def test_the_shipped_sizes_are_a_valid_config_with_every_part():
    model = SoVITS(sovits_config(SETTINGS))
    assert model.config.generator == "istft"
    assert all(hasattr(model, part) for part in PARTS)


def test_spectral_loss_is_0_for_the_same_sound_and_ignores_its_sign():
    torch.manual_seed(1)
    sound = torch.randn(2, 6400) * 0.1
    assert float(spectral_loss(sound, sound)) == 0
    assert float(spectral_loss(sound, -sound)) == pytest.approx(0, abs=1e-5)
    assert float(spectral_loss(sound, 0.5 * sound)) == pytest.approx(4 * np.log(2), rel=0.05)


def test_crops_have_the_requested_length_even_of_short_utterances():
    crops = SpeechCrops({"slt": [utterance(0.2)], "awb": [utterance(3.0, "awb")]}, {"others": 1.0})
    batch, styles = crops.batch(np.random.default_rng(0), 12, 12800, 32000, 1.2)
    assert batch.shape == (12, 12800) and styles.shape == (12, 32000)
    assert float(batch.abs().max()) <= 1


def test_autoencoding_keeps_the_length_and_its_gradient_reaches_all_three_parts(model):
    crops, styles = torch.randn(2, 12800) * 0.1, torch.randn(2, 16000) * 0.1
    copied, kl = autoencode(model, crops, styles, torch.randn(2, 8, 40))
    assert copied.shape == crops.shape
    (spectral_loss(crops, copied) + kl).backward()
    for part in PARTS:
        assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in getattr(model, part).parameters()), part


def test_a_batch_holds_the_utterances_at_their_speed(model):
    utterances = [tokenized(2.0), tokenized(2.5, ratio=1.25)]
    batch = collate(utterances, model.config, SETTINGS.prior, seed=1)
    assert batch.lengths.tolist() == [100, 100]  # 2.5 s played 1.25 times as fast become 2 s
    assert batch.waveforms.shape == (2, batch.noise.shape[2] * 320)
    assert batch.noise.shape[2] % 32 == 0
    again = collate(utterances, model.config, SETTINGS.prior, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))


def test_predicted_sound_is_compared_with_the_same_crop_of_the_speech(model):
    settings = SETTINGS.prior.model_copy(update={"crop_seconds": 0.64})
    batch = collate([tokenized(1.2), tokenized(2.0)], model.config, settings, seed=2)
    output = run_prior(model, batch, settings)
    assert output.sound.shape == output.real.shape == (2, 32 * 320)
    start = int(batch.starts[0]) * 320
    assert torch.equal(output.real[0], batch.waveforms[0, start : start + 32 * 320])
    assert output.kl.ndim == output.latent.ndim == 0 and float(output.latent) > 0


def test_padding_does_not_change_the_losses(model):
    settings = SETTINGS.prior
    single = collate([tokenized(1.2)], model.config, settings, seed=3)
    output = run_prior(model, single, settings)
    n = single.noise.shape[2]
    longer = single._replace(
        waveforms=torch.nn.functional.pad(single.waveforms, (0, 32 * 320)),
        tokens=torch.nn.functional.pad(single.tokens, (0, 16), value=7),
        noise=torch.cat((single.noise, torch.full((1, 8, 32), 9.0)), dim=2),
    )
    padded = run_prior(model, longer, settings)
    assert longer.noise.shape[2] == n + 32
    assert float(padded.kl) == pytest.approx(float(output.kl), rel=1e-4)
    assert float(padded.latent) == pytest.approx(float(output.latent), rel=1e-4)
