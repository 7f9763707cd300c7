"""The three SoVITS stages: their batches, the parts that learn, and their losses."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from gpt_sovits.determinism import deterministic
from gpt_sovits.sovits.model import SoVITS
from starter.autoencoder import AutoencoderTrainer, autoencode
from starter.clips import Clip, ClipRounds, Texts, held_out_clips
from starter.gpt_batches import Piece
from starter.joint import JointTrainer, Speech, collate, crop_frames, speak
from starter.latents import Latents, read_latents, write_latents
from starter.prior import PriorTrainer, prior_losses
from starter.prior import collate as collate_latents
from starter.scratch import set_codebook
from starter.settings import load_settings
from starter.sovits_data import PARTS, SpeechCrops, sovits_config, spectral_loss, voice_weights
from starter.store import Utterance
from starter.tokens import change_speed
from starter.voices import PEOPLE

SETTINGS = load_settings()
SMALL = {"latent_channels": 8, "hidden_channels": 16, "filter_channels": 16, "posterior_layers": 1, "n_flows": 1}
SMALL |= {"upsample_initial_channel": 16, "trunk_dilations": [[1]], "mrte_channels": 16, "style_channels": 16}
SMALL |= {"reference_hidden": 16}


@pytest.fixture(params=[False, True], ids=["plain", "harmonics"])
def model(request):
    torch.manual_seed(0)
    sizes = SETTINGS.sovits_network | SMALL | {"istft_harmonics": request.param}
    small = SETTINGS.model_copy(update={"sovits_network": sizes})
    model = SoVITS(sovits_config(small)).eval()
    set_codebook(model, torch.rand(SETTINGS.tokens.n_centres, model.config.ssl_dim))
    return model


def utterance(seconds, voice="slt"):
    noise = np.random.default_rng(round(100 * seconds)).standard_normal(round(seconds * 16000))
    return Utterance(f"{voice} {seconds}", voice, "", (2000 * noise).astype(np.int16), [])


def piece(n_tokens, before=0):
    """Return n tokens that say half as many phonemes."""
    places = np.arange(n_tokens) // 2
    return Piece(np.arange(1, places[-1] + 2), np.arange(n_tokens) % 200, places, before=(before // 2, before))


def row(name, n_tokens, voice="jf_alpha", ratio=1.0):
    one = piece(n_tokens)
    lists = {"phoneme_ids": one.phonemes.tolist(), "tokens": one.tokens.tolist(), "places": one.places.tolist()}
    return {"name": name, "voice": voice, "ratio": ratio, **lists}


class TwoUtterances(Speech):
    """Speech of two rows without a corpus on disk."""

    def __init__(self, ratio=1.0):
        self.rows = [row("a", 30), row("b", round(50 / ratio), ratio=ratio)]
        self.utterances = [utterance(1.2), utterance(2.0)]
        self.of_speaker = {"slt": self.utterances}


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


def test_a_kind_has_its_share_in_equal_parts_and_shares_of_what_is_there_add_up_to_1():
    weights = voice_weights(["jf_alpha", "jm_kumo", PEOPLE], {"kokoro": 0.5, "flite": 0.25, PEOPLE: 0.25})
    assert weights == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_crops_have_the_requested_length_even_of_short_utterances():
    crops = SpeechCrops({"slt": [utterance(0.2)], "awb": [utterance(3.0, "awb")]}, SETTINGS.shares)
    batch, styles = crops.batch(np.random.default_rng(0), 12, 12800, 32000, 1.2)
    assert batch.shape == (12, 12800) and styles.shape == (12, 32000)
    assert float(batch.abs().max()) <= 1


def test_the_style_is_of_the_same_speaker():
    voices = {"slt": [utterance(0.2), utterance(0.3)], PEOPLE: [utterance(0.4, "19"), utterance(0.5, "26")]}
    crops, random = SpeechCrops(voices, SETTINGS.shares), np.random.default_rng(1)
    drawn = [crops.draw(random) for _ in range(80)]
    assert all(one.voice == other.voice for one, other in drawn)
    assert {(one.name, other.name) for one, other in drawn if one.voice == "slt"} == {
        (f"slt {a}", f"slt {b}") for a in (0.2, 0.3) for b in (0.2, 0.3)
    }


def test_autoencoding_keeps_the_length_and_its_gradient_reaches_all_three_parts(model):
    crops, styles = torch.randn(2, 12800) * 0.1, torch.randn(2, 16000) * 0.1
    copied = autoencode(model, crops, styles, torch.randn(2, 8, 40))
    assert copied.waveforms.shape == crops.shape
    assert (float(copied.pitch) > 0) == model.config.istft_harmonics
    (spectral_loss(crops, copied.waveforms) + copied.kl + copied.pitch).backward()
    for part in PARTS:
        assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in getattr(model, part).parameters()), part


def test_steps_of_the_autoencoder_in_two_threads_give_the_same_bits_every_time(model):
    settings, results = SETTINGS.autoencoder.model_copy(update={"precision": "bf16", "n_threads": 2}), []
    for _ in range(2):
        with deterministic(1, n_threads=1):
            trainer = AutoencoderTrainer(copy.deepcopy(model), settings)
            trainer.optimizer.param_groups[0]["lr"] = 1e-3
            for step in range(6):
                random = torch.Generator().manual_seed(step)
                sizes = ((2, 12800), (2, 16000), (2, 8, 40))
                parts = [tuple(0.1 * torch.randn(size, generator=random) for size in sizes) for _ in range(2)]
                losses = trainer.learn(parts, step)
            assert all(np.isfinite(value) for value in losses.values())
            results.append(trainer.model.state_dict())
    changed = {
        name.split(".")[0] for name, value in results[0].items() if not torch.equal(value, model.state_dict()[name])
    }
    assert changed == set(PARTS)
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


def test_a_batch_holds_the_clips_at_the_speed_of_their_rows(model):
    speech = TwoUtterances(ratio=1.25)
    clips = [Clip(0, piece(30)), Clip(1, piece(20, before=20))]
    batch = collate(clips, speech, model.config, SETTINGS.joint, seed=1)
    assert batch.texts.lengths.tolist() == [60, 40]
    assert batch.waveforms.shape == (2, batch.noise.shape[2] * 320) and batch.noise.shape[2] % 32 == 0
    whole = torch.from_numpy(change_speed(speech.utterances[1], 1.25).waveform.astype(np.float32))
    part = whole[40 * 320 : 80 * 320]
    gain = batch.waveforms[1, :12800].norm() / part.norm()
    torch.testing.assert_close(batch.waveforms[1, :12800], gain * part)
    again = collate(clips, speech, model.config, SETTINGS.joint, seed=1)
    assert torch.equal(batch.waveforms, again.waveforms) and torch.equal(batch.noise, again.noise)


def test_predicted_sound_is_compared_with_the_same_crop_of_the_speech(model):
    settings = SETTINGS.joint.model_copy(update={"crop_seconds": 0.64})
    batch = collate([Clip(0, piece(30)), Clip(1, piece(50))], TwoUtterances(), model.config, settings, seed=2)
    output = speak(model, batch, settings)
    assert crop_frames(settings, model.config) == 32
    assert output.sound.shape == output.real.shape == (2, 32 * 320)
    start = int(batch.starts[0]) * 320
    assert torch.equal(output.real[0], batch.waveforms[0, start : start + 32 * 320])
    assert output.kl.ndim == output.latent.ndim == output.pitch.ndim == 0 and float(output.latent) > 0
    if model.config.istft_harmonics:
        assert output.voice.semitones.shape == (2, 32)


def parts_of_a_step(model, settings, step):
    clips = [Clip(0, piece(30)), Clip(1, piece(50))]
    return [collate([clip], TwoUtterances(), model.config, settings, seed=step) for clip in clips]


def test_a_step_of_joint_leaves_the_posterior_encoder_and_the_codebook_as_they_are(model):
    settings = SETTINGS.joint.model_copy(update={"crop_seconds": 0.64, "precision": "fp32"})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = JointTrainer(model, settings)
    for step in (0, 1):  # with a copy and without
        losses = trainer.learn(parts_of_a_step(model, settings, step), step)
        assert all(np.isfinite(value) for value in losses.values())
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {"enc_p", "flow", "dec", "ref_enc"} <= changed and not changed & {"enc_q", "quantizer", "ssl_proj"}


def test_steps_of_joint_in_two_threads_give_the_same_bits_every_time(model):
    settings = SETTINGS.joint.model_copy(update={"crop_seconds": 0.64, "precision": "bf16", "n_threads": 2})
    results = []
    for _ in range(2):
        with deterministic(1, n_threads=1):
            trainer = JointTrainer(copy.deepcopy(model), settings)
            for group in (trainer.generator_optimizer, trainer.discriminator_optimizer):
                group.param_groups[0]["lr"] = 1e-3
            for step in range(6):
                trainer.learn(parts_of_a_step(model, settings, step), step)
            results.append({**trainer.model.state_dict(), **trainer.discriminator.state_dict()})
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


def latents(model, seed=0):
    random = np.random.default_rng(seed)
    n = model.config.latent_channels
    return Latents(
        random.standard_normal((160, n)).astype(np.float16),
        random.standard_normal((160, n)).astype(np.float16) - 2,
        np.array([0, 60, 160]),
        random.standard_normal((2, 3, model.config.style_channels)).astype(np.float32),
    )


def test_latents_are_read_as_they_were_computed(tmp_path, monkeypatch, model):
    random = np.random.default_rng(3)
    n = model.config.latent_channels
    rows = [random.standard_normal((n, frames)).astype(np.float16).T for frames in (40, 60)]  # as a network has them
    write_latents(tmp_path, rows, [row - 2 for row in rows], [np.zeros((2, 4), np.float32)] * 2)
    monkeypatch.setattr("starter.latents.stage_folder", lambda _: tmp_path)
    stored = read_latents()
    mean, log_deviation = stored.posterior(1, 10, 20)
    np.testing.assert_array_equal(mean.numpy().T, rows[1][10:30])
    np.testing.assert_array_equal(log_deviation.numpy().T, rows[1][10:30] - 2)


def test_a_clip_has_the_latents_of_its_place(model):
    stored = latents(model)
    batch = collate_latents([Clip(0, piece(30)), Clip(1, piece(20, before=20))], stored, seed=1)
    assert torch.equal(batch.mean[1, :, :40], torch.from_numpy(stored.mean[100:140].T.astype(np.float32)))
    assert float(batch.mean[1, :, 40:].abs().max()) == 0
    assert any(torch.equal(batch.style[1, :, 0], torch.from_numpy(style)) for style in stored.styles[1])


def test_padding_does_not_change_the_losses(model):
    stored = latents(model)
    alone = collate_latents([Clip(0, piece(30))], stored, seed=3)
    both = collate_latents([Clip(0, piece(30)), Clip(1, piece(50))], stored, seed=3)
    n = alone.noise.shape[2]
    assert both.noise.shape[2] > n
    texts = Texts([Clip(0, piece(30))])
    longer = both.texts
    for name in ("tokens", "phoneme_ids", "lengths", "phoneme_lengths"):
        setattr(longer, name, getattr(both.texts, name)[:1])
    noise = both.noise[:1].clone()
    noise[:, :, :n] = alone.noise
    padded = both._replace(mean=both.mean[:1], log_deviation=both.log_deviation[:1], noise=noise, style=alone.style)
    assert [float(loss) for loss in prior_losses(model, padded)] == pytest.approx(
        [float(loss) for loss in prior_losses(model, alone._replace(texts=texts))], rel=1e-4
    )


def test_only_text_encoder_and_flow_learn_the_prior(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = PriorTrainer(model, SETTINGS.prior.model_copy(update={"precision": "fp32"}))
    batch = collate_latents([Clip(0, piece(30)), Clip(1, piece(50))], latents(model), seed=1)
    trainer.optimizer.param_groups[0]["lr"] = 1e-3
    first = trainer.learn([batch], 0)
    last = [trainer.learn([batch], step) for step in range(1, 25)][-1]
    assert last["latent"] < first["latent"]
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"enc_p", "flow"}


def test_clips_follow_from_their_step_and_leave_out_what_is_held_out():
    rows = [row(f"r{i}", 20 + 10 * i) for i in range(6)] + [row(f"p{i}", 300, PEOPLE) for i in range(3)]

    def rounds():
        return ClipRounds(rows, {"r0", "p1"}, SETTINGS.shares, longest_seconds=2.0, name="test")

    one, other = rounds(), rounds()
    other.clips(40, 4)
    for step in (0, 7, 8, 40):
        mine, again = one.clips(step, 4), other.clips(step, 4)
        assert [(c.number, c.first_frame, c.n_frames) for c in mine] == [
            (c.number, c.first_frame, c.n_frames) for c in again
        ]
        assert all(clip.number not in (0, 7) and clip.n_frames <= 100 for clip in mine)
        assert max(clip.n_frames for clip in mine) - min(clip.n_frames for clip in mine) < 100


def test_held_out_clips_are_of_all_voices_in_turn_and_not_too_long():
    rows = [row(f"r{i}", 20 + i) for i in range(4)] + [row(f"s{i}", 30, "jm_kumo") for i in range(4)] + [row("l", 90)]
    chosen = held_out_clips(rows, {"r2", "r3", "s3", "l"}, 2.0, 2)
    assert [rows[clip.number]["name"] for clip in chosen] == ["r2", "s3"]
    chosen = held_out_clips(rows, {"r2", "r3", "s3", "l"}, 2.0, 9)
    assert [rows[clip.number]["name"] for clip in chosen] == ["r2", "r3", "s3", "l"]
    assert [clip.n_frames for clip in chosen] == [44, 46, 60, 100]
    assert chosen[-1].first_frame == 0 and len(chosen[-1].piece.phonemes) == 25


def test_styles_come_from_speech_that_is_trained_on(monkeypatch):
    spoken, read = [utterance(1.0), utterance(2.0)], [row("slt 1.0", 20), row("slt 2.0", 40)]
    monkeypatch.setattr("starter.joint.read_voice", lambda _: spoken)
    monkeypatch.setattr("starter.joint.read_trained_on", lambda _: spoken[:1])
    speech = Speech(read)
    assert [one.name for one in speech.utterances] == ["slt 1.0", "slt 2.0"]
    assert speech.of_speaker == {"slt": spoken[:1]}
