"""The heads of the content encoder: labels stay with their states, shares, errors, and the labels that are written."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpt_sovits.content_encoder.encoder import load_content_encoder
from gpt_sovits.weights.checkpoint import save_checkpoint
from starter import content_encoder, settings, voices
from starter.aligner import Alignment
from starter.augment import disturb, stretch
from starter.content_encoder import NO_LABEL, Crops, Source
from starter.hidden_states import HiddenStates, Span
from starter.phones import NUMBER_OF, PHONES, SILENCE
from starter.settings import load_settings
from starter.store import Utterance

LOUD, QUIET = NUMBER_OF["aa"], NUMBER_OF[SILENCE]
WIDTH = 384
SETTINGS, SHARES = load_settings().content_encoder, load_settings().shares


def beeps(name, seconds, length=0.25):
    """Return an utterance of aa and silence in turn, whose waveform is loud where it is aa."""
    ends = np.arange(1, round(seconds / length) + 1) * length
    phones = [("aa" if i % 2 == 0 else SILENCE, float(end)) for i, end in enumerate(ends)]
    return Utterance(name, "beep", "", np.zeros(round(seconds * 16000), np.int16), phones)


def states_of(utterances, ratio):
    """Return states that hold 1 in frames of aa, else 0, of the utterances played at a ratio."""
    spans, values, first = {}, [], 0
    for one in utterances:
        n = int(one.seconds / ratio / 0.02)
        is_loud = ((np.arange(n) + 0.5) * 0.02 * ratio / 0.25).astype(int) % 2 == 0
        values.append(np.repeat(is_loud[:, None], WIDTH, axis=1).astype(np.float16))
        spans[one.name] = Span(first, n, ratio)
        first += n
    return HiddenStates(np.concatenate(values), spans)


def source(kind, utterances):
    return Source(kind, utterances, states_of(utterances, 1.0), states_of(utterances, 1.23))


def test_labels_follow_the_states_at_every_speed_and_end_with_the_speech():
    settings = SETTINGS.model_copy(update={"batch_size": 24})
    states, labels = Crops([source("kokoro", [beeps("short", 1.7), beeps("long", 8.0)])], settings, SHARES).batch(0)
    assert states.shape == (24, 150, WIDTH) and states.dtype == torch.float32
    assert labels.shape == (24, 150) and labels.dtype == torch.int64
    is_speech = labels != NO_LABEL
    assert set(labels[is_speech].tolist()) == {LOUD, QUIET}
    assert torch.equal(torch.where(states[is_speech][:, 0] > 0.5, LOUD, QUIET), labels[is_speech])
    lengths = set(is_speech.sum(dim=1).tolist())
    assert lengths == {int(1.7 / 0.02), int(1.7 / 1.23 / 0.02), 150}


def test_each_step_always_has_the_same_batch_of_its_own():
    crops = Crops([source("kokoro", [beeps("long", 8.0)])], SETTINGS, SHARES)
    first, again, other = crops.batch(3), crops.batch(3), crops.batch(4)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_each_kind_has_its_share_however_many_corpora_it_has():
    settings = SETTINGS.model_copy(update={"batch_size": 300})
    quiet = [Utterance(f"quiet_{i}", "beep", "", np.zeros(64000, np.int16), [("s", 4.0)]) for i in range(3)]
    sources = [source("kokoro", [beeps("long", 8.0)]), *(source("librispeech", [one]) for one in quiet)]
    _, labels = Crops(sources, settings, SHARES).batch(0)
    share = float((labels[:, 0] == NUMBER_OF["s"]).float().mean())
    assert share == pytest.approx(0.35 / 0.85, abs=0.08)


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "WORK", tmp_path)
    monkeypatch.setattr("starter.training.log_to_mlflow", lambda *_: None)
    return tmp_path


def test_a_head_learns_and_is_saved_without_whisper(work):
    of_test = SETTINGS.model_copy(
        update={"n_steps": 20, "evaluate_every": 20, "batch_size": 4, "warmup_steps": 2, "dropout": 0.0}
    )
    learned = source("kokoro", [beeps("long", 8.0)])
    heard = content_encoder.hear_utterances(
        {"known": learned.utterances, "no labels": [beeps("x", 0)]}, {"c": learned.clean}
    )
    assert set(heard) == {"known"}
    torch.manual_seed(0)
    head = content_encoder.train_head("test", of_test, [learned], heard, work / "head")
    assert content_encoder.head_errors(head, heard)["frame_error_known"] < 0.2
    config = content_encoder.head_config(SETTINGS).to_dict()
    save_checkpoint(work / "content_encoder", "content_encoder", config, head.state_dict())
    loaded = load_content_encoder(work / "content_encoder")
    assert config["architectures"] == ["WhisperPosteriors"]
    assert config["id2label"]["0"] == SILENCE and len(config["id2label"]) == len(PHONES)
    assert sum(tensor.numel() for tensor in loaded.state_dict().values()) < 1_000_000


def test_errors_of_waveforms_count_each_frame_once():
    head = content_encoder.build_content_encoder(content_encoder.head_config(SETTINGS).to_dict())
    torch.nn.init.zeros_(head.output.weight)
    with torch.no_grad():
        head.output.bias.copy_(torch.eye(len(PHONES))[LOUD])
    errors = content_encoder.frame_errors(head, {"set": [beeps("a", 1.0), beeps("b", 0.25)]})
    assert errors == {"frame_error_set": pytest.approx(25 / 62, abs=0.02)}


def test_utterances_that_do_not_agree_with_their_texts_are_dropped_and_printed(monkeypatch, capsys):
    found = {"good": Alignment([("s", 1.0)], -0.4), "bad": Alignment([("s", 1.0)], -3.0)}
    monkeypatch.setattr(content_encoder, "align_utterances", lambda *_: found)
    kept = content_encoder.align_corpora(
        None, {"mix_00": [None] * 3, "lj": [None] * 2}, {"mix_00": None, "lj": None}, -1.0
    )
    assert kept == {"mix_00": {"good": found["good"]}, "lj": {"good": found["good"]}}
    printed = capsys.readouterr().out
    assert "kokoro: 1 of 3 kept" in printed
    assert "lj: 1 of 2 kept" in printed


def test_written_labels_are_those_that_the_recipe_reads(work):
    alignments = {"clip_0": Alignment([(SILENCE, 0.12), ("s", 0.3)], -0.41239)}
    content_encoder.write_labels(voices.PEOPLE, alignments)
    unlabelled = [Utterance(f"clip_{i}", "103", "", np.zeros(0, np.int16), []) for i in range(2)]
    (only,) = voices.with_labels(voices.PEOPLE, unlabelled)
    assert only.name == "clip_0"
    assert only.phones == [(SILENCE, 0.12), ("s", 0.3)]
    assert content_encoder.labelled(unlabelled, alignments) == [only]


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
