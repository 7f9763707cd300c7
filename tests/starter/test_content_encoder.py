"""The training data of the content encoder: labels stay with their sounds at every speed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from starter.augment import disturb, stretch
from starter.content_encoder import Crops
from starter.phones import NUMBER_OF, SILENCE
from starter.settings import load_settings
from starter.store import Utterance

LOUD, QUIET = NUMBER_OF["aa"], NUMBER_OF[SILENCE]


def beeps(seconds=8.0, length=0.25):
    """Return a tone and silence in turn, labelled aa and silence."""
    n = int(seconds * 16000)
    time = np.arange(n) / 16000
    is_loud = (time // length).astype(int) % 2 == 0
    waveform = (8000 * np.sin(2 * np.pi * 500 * time) * is_loud).astype(np.int16)
    ends = np.arange(1, int(seconds / length) + 1) * length
    phones = [("aa" if i % 2 == 0 else SILENCE, float(end)) for i, end in enumerate(ends)]
    return Utterance("beep", "beep", "", waveform, phones)


@pytest.fixture
def crops(monkeypatch):
    monkeypatch.setattr("starter.content_encoder.disturb", lambda waveform, other, random: waveform.astype(np.float32))
    settings = load_settings().content_encoder.model_copy(update={"batch_size": 16})
    return Crops({"beep": [beeps()]}, settings)


def test_labels_follow_the_sound_at_every_speed(crops):
    waveforms, labels = crops.batch(0)
    frames = waveforms[:, : labels.shape[1] * 320].unflatten(1, (-1, 320)).square().mean(dim=2).sqrt()
    expected = torch.where(frames > 0.05, LOUD, QUIET)
    assert set(labels.unique().tolist()) == {LOUD, QUIET}
    assert float((expected == labels).float().mean()) > 0.93  # frames on a border may go either way


def test_each_step_always_has_the_same_batch_of_its_own(crops):
    first, again, other = crops.batch(3), crops.batch(3), crops.batch(4)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_faster_speech_is_shorter_and_higher():
    tone = np.sin(2 * np.pi * 500 * np.arange(16000) / 16000).astype(np.float32)
    faster = stretch(tone, 1.25)
    assert len(faster) == pytest.approx(12800, abs=2)
    spectrum = np.abs(np.fft.rfft(faster))
    assert np.argmax(spectrum) * 16000 / len(faster) == pytest.approx(625, abs=5)


@pytest.mark.parametrize("seed", range(8))
def test_disturbed_speech_keeps_its_length_at_a_fair_level_and_is_finite(seed):
    random = np.random.default_rng(seed)
    speech, other = (random.standard_normal(8000).astype(np.float32) * 0.1 for _ in range(2))
    out = disturb(speech, other, random)
    assert out.shape == speech.shape and out.dtype == np.float32
    assert np.isfinite(out).all()
    assert -33 < 20 * np.log10(np.sqrt(np.mean(out**2))) < -13
