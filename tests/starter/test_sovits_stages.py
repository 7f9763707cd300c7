"""The three stages of SoVITS: what they read, which parts learn, and that their losses say what they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpt_sovits.sovits.model import SoVITS
from starter.autoencoder import PARTS, autoencode
from starter.prior import Spoken, collate, say
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


def spoken(seconds, ratio=1.0):
    n = int(seconds / ratio * 25)
    return Spoken(utterance(seconds), ratio, torch.arange(1, 9), torch.arange(n) % 200)


def test_the_shipped_sizes_are_a_valid_config_and_every_part_is_there():
    model = SoVITS(sovits_config(SETTINGS))
    assert model.config.generator == "istft"
    assert all(hasattr(model, part) for part in PARTS)


def test_spectral_loss_is_0_for_the_same_sound_and_does_not_mind_its_phase():
    torch.manual_seed(1)
    sound = torch.randn(2, 6400) * 0.1
    assert float(spectral_loss(sound, sound)) == 0
    assert float(spectral_loss(sound, -sound)) == pytest.approx(0, abs=1e-5)
    assert float(spectral_loss(sound, 0.5 * sound)) == pytest.approx(4 * np.log(2), rel=0.05)


def test_crops_are_of_the_length_asked_for_even_of_short_utterances():
    crops = SpeechCrops({"slt": [utterance(0.2)], "awb": [utterance(3.0, "awb")]}, {"others": 1.0})
    batch, styles = crops.batch(np.random.default_rng(0), 12, 12800, 32000, 1.2)
    assert batch.shape == (12, 12800) and styles.shape == (12, 32000)
    assert float(batch.abs().max()) <= 1


def test_an_autoencoded_crop_is_as_long_and_its_gradient_reaches_all_three_parts(model):
    crops, styles = torch.randn(2, 12800) * 0.1, torch.randn(2, 16000) * 0.1
    copied, kl = autoencode(model, crops, styles, torch.randn(2, 8, 40))
    assert copied.shape == crops.shape
    (spectral_loss(crops, copied) + kl).backward()
    for part in PARTS:
        assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in getattr(model, part).parameters()), part


def test_a_batch_holds_the_utterances_as_they_are_played(model):
    chosen = [spoken(2.0), spoken(2.5, ratio=1.25)]
    batch = collate(chosen, model.config, SETTINGS.prior, seed=1)
    assert batch.lengths.tolist() == [100, 100]  # 2.5 s played 1.25 times as fast are 2 s
    assert batch.waveforms.shape == (2, batch.noise.shape[2] * 320)
    assert batch.noise.shape[2] % 32 == 0
    again = collate(chosen, model.config, SETTINGS.prior, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))


def test_what_tokens_and_text_say_is_compared_with_the_crop_of_the_speech(model):
    settings = SETTINGS.prior.model_copy(update={"crop_seconds": 0.64})
    batch = collate([spoken(1.2), spoken(2.0)], model.config, settings, seed=2)
    said = say(model, batch, settings)
    assert said.sound.shape == said.real.shape == (2, 32 * 320)
    start = int(batch.starts[0]) * 320
    assert torch.equal(said.real[0], batch.waveforms[0, start : start + 32 * 320])
    assert said.kl.ndim == said.latent.ndim == 0 and float(said.latent) > 0


def test_what_lies_beyond_an_utterance_changes_none_of_its_losses(model):
    settings = SETTINGS.prior
    alone = collate([spoken(1.2)], model.config, settings, seed=3)
    said = say(model, alone, settings)
    n = alone.noise.shape[2]
    longer = alone._replace(
        waveforms=torch.nn.functional.pad(alone.waveforms, (0, 32 * 320)),
        tokens=torch.nn.functional.pad(alone.tokens, (0, 16), value=7),
        noise=torch.cat((alone.noise, torch.full((1, 8, 32), 9.0)), dim=2),
    )
    padded = say(model, longer, settings)
    assert longer.noise.shape[2] == n + 32
    assert float(padded.kl) == pytest.approx(float(said.kl), rel=1e-4)
    assert float(padded.latent) == pytest.approx(float(said.latent), rel=1e-4)
