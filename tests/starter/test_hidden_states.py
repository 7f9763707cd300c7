"""The stored states of Whisper: what they hold, that a stopped run continues, and that old ones are not used."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from starter import hidden_states, settings, voices
from starter.hidden_states import CLEAN, DISTURBED, read_states
from starter.store import Utterance, write_corpus


def utterance(number, n_samples):
    random = np.random.default_rng(number)
    waveform = (random.standard_normal(n_samples) * 3000).astype(np.int16)
    return Utterance(f"clip_{number}", "103", "Hello.", waveform, [])


UTTERANCES = [utterance(number, n_samples) for number, n_samples in enumerate((16000, 8333, 12000))]


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "WORK", tmp_path)
    write_corpus(tmp_path / "corpus" / voices.PEOPLE, UTTERANCES)
    return tmp_path


def test_the_clean_copy_holds_what_whisper_says_of_each_utterance(work):
    hidden_states.compute_states(voices.PEOPLE)
    states = read_states(voices.PEOPLE, CLEAN)
    for one in UTTERANCES:
        waveform = torch.from_numpy(one.waveform.astype(np.float32) / 32768)[None]
        expected = hidden_states.whisper().hidden(waveform)[0].numpy()
        found = states.of(one.name)
        assert found.shape == (len(one.waveform) // 320, 384)
        assert np.abs(found - expected).max() < 0.02
        assert states.spans[one.name].ratio == 1.0


def test_the_disturbed_copy_is_as_long_as_its_speed_says(work):
    hidden_states.compute_states(voices.PEOPLE)
    clean, disturbed = read_states(voices.PEOPLE, CLEAN), read_states(voices.PEOPLE, DISTURBED)
    for one in UTTERANCES:
        span = disturbed.spans[one.name]
        assert span.n == pytest.approx(len(one.waveform) / 320 / span.ratio, abs=2)  # both are cut to whole frames
        assert not np.array_equal(disturbed.of(one.name)[:10], clean.of(one.name)[:10])


def test_half_of_the_utterances_are_stretched_and_each_always_in_the_same_way():
    named = [Utterance(f"clip_{i}", "103", "", UTTERANCES[1].waveform, []) for i in range(60)]
    pairs = [hidden_states.disturbed_waveform(one, UTTERANCES, 1.25) for one in named]
    ratios = np.array([ratio for _, ratio in pairs])
    assert 0.3 < np.mean(ratios == 1.0) < 0.7
    assert ratios.min() >= 1 / 1.25
    assert ratios.max() <= 1.25
    assert all(len(waveform) % 320 == 0 for waveform, _ in pairs)
    again, ratio = hidden_states.disturbed_waveform(named[7], UTTERANCES, 1.25)
    assert np.array_equal(again, pairs[7][0])
    assert ratio == ratios[7]


def count_calls(monkeypatch, *, stop_after=1000):
    """Replace Whisper by zeros. Return the list of the lengths that it was given."""
    calls = []

    def hear(waveform):
        if len(calls) == stop_after:
            raise KeyboardInterrupt
        calls.append(len(waveform))
        return np.full((len(waveform) // 320, 384), len(calls), np.float16)

    monkeypatch.setattr(hidden_states, "hear", hear)
    return calls


def test_a_stopped_run_continues_where_it_stopped(work, monkeypatch):
    count_calls(monkeypatch, stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        hidden_states.compute_states(voices.PEOPLE)
    part = work / "hidden_states" / voices.PEOPLE / "clean.part"
    with (part / "states.f16").open("ab") as states, (part / "rows.jsonl").open("a") as rows:
        states.write(b"half of an utterance")
        rows.write('{"name": "cl')
    calls = count_calls(monkeypatch)
    hidden_states.compute_states(voices.PEOPLE)
    assert calls[0] == 12000 // 320 * 320  # the third clip
    assert len(calls) == 1 + 3
    states = read_states(voices.PEOPLE, CLEAN)
    assert [states.of(one.name)[0, 0] for one in UTTERANCES] == [1, 2, 1]
    assert states.of("clip_2").shape == (37, 384)
    assert (states.of("clip_2") == 1).all()


def test_states_are_computed_once_and_again_after_the_corpus_changed(work, monkeypatch):
    calls = count_calls(monkeypatch)
    hidden_states.compute_states(voices.PEOPLE)
    hidden_states.compute_states(voices.PEOPLE)
    assert len(calls) == 6
    write_corpus(work / "corpus" / voices.PEOPLE, UTTERANCES[:2])
    hidden_states.compute_states(voices.PEOPLE)
    assert len(calls) == 6 + 4
    assert len(read_states(voices.PEOPLE, CLEAN).spans) == 2


def test_missing_corpora_are_named_with_the_commands_that_make_them(work):
    hidden_states.check_corpora([voices.PEOPLE])
    with pytest.raises(SystemExit) as raised:
        hidden_states.check_corpora([voices.PEOPLE, voices.LJ, "slt", "jf_alpha", "mix_00"])
    assert "lacks 4 of 5 corpora" in str(raised.value)
    for command in (
        "python -m starter.speech;",
        "python -m starter.corpus slt;",
        "python -m starter.kokoro jf_alpha mix_00",
    ):
        assert command in str(raised.value)


def test_states_that_were_not_computed_are_named(work):
    with pytest.raises(FileNotFoundError, match=r"python -m starter\.hidden_states lj"):
        read_states(voices.LJ, CLEAN)
