"""Audio while it is made: the chunks, joined, are the speech."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthesis_tiny import SOVITS_CONFIG, tiny_synthesizer

from gpt_sovits.gpt.generation import stream_tokens
from gpt_sovits.synthesis.chunk_options import ChunkOptions
from gpt_sovits.synthesis.streaming import AudioChunk, stream, stream_sentences

TEXT = "The kettle is on the stove. He said no! Was it three hundred people, or more than that? Two. Take a coat."
LIVELY = -0.6  # an EOS bias with which sentences end by themselves at very different lengths
SAMPLES_PER_TOKEN = 2 * SOVITS_CONFIG.hop_length
# Share of full scale by which sums over other shapes may be rounded differently, see Synthesizer.say_many
WAVEFORM_BOUND = 1e-4
# Every token is known before a frame's prior is fixed, and every frame that matters before it is rendered
EXACT = ChunkOptions(prior_lookahead=10_000, render_lookahead=None, kept_silence=None)
# With less, the prior of a frame lacks the tokens after its lookahead. Root mean square of the difference, relative to
# the deviation of the speech: 0.01 to 0.05 for these random networks, and 0.45 between the speech of two seeds.
STREAM_BOUND = 0.1


def sound(chunks: list[AudioChunk]) -> np.ndarray:
    return np.concatenate([chunk.waveform for chunk in chunks])


def relative_error(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.sqrt(np.mean((one - other) ** 2)) / np.std(other))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_streamed_sentences_joined_are_the_speech(batch_size):
    synthesizer = tiny_synthesizer(LIVELY, batch_size=batch_size, max_retries=2)
    speech = synthesizer.say(TEXT, 4)
    chunks = list(stream_sentences(synthesizer, TEXT, 4))
    assert [chunk.sentence for chunk in chunks] == [0, 1, 2, 3, 4]
    assert tuple(chunk.report for chunk in chunks) == speech.sentences
    assert any(report.n_retries for report in speech.sentences)
    assert sound(chunks).shape == speech.waveform.shape
    assert np.abs(sound(chunks) - speech.waveform).max() <= WAVEFORM_BOUND


@pytest.mark.parametrize("eos_bias", [-20.0, LIVELY, 20.0])
def test_chunks_with_full_lookahead_are_the_speech(eos_bias):
    synthesizer = tiny_synthesizer(eos_bias)
    speech = synthesizer.say(TEXT, 4)
    chunks = list(stream(synthesizer, TEXT, 4, EXACT))
    assert tuple(chunk.report for chunk in chunks if chunk.report) == speech.sentences
    assert np.abs(sound(chunks) - speech.waveform).max() <= WAVEFORM_BOUND


@settings(max_examples=6, deadline=None)
@given(
    first_tokens=st.integers(1, 30),
    growth=st.floats(1.0, 3.0),
    more=st.integers(0, 40),
    seed=st.integers(0, 5),
    eos_bias=st.sampled_from([-20.0, LIVELY]),
)
def test_no_token_is_lost_or_repeated_for_any_chunk_size(first_tokens, growth, more, seed, eos_bias):
    """The same tokens, the same length and nearly the same sound, within the stated bound."""
    synthesizer = tiny_synthesizer(eos_bias)
    options = ChunkOptions(first_tokens=first_tokens, growth=growth, max_tokens=first_tokens + more)
    speech, chunks = synthesizer.say(TEXT, seed), list(stream(synthesizer, TEXT, seed, options))
    reports = [chunk.report for chunk in chunks if chunk.report]
    assert [r.n_tokens for r in reports] == [r.n_tokens for r in speech.sentences]
    assert [r.seed for r in reports] == [r.seed for r in speech.sentences]
    assert all(r.n_samples == r.n_tokens * SAMPLES_PER_TOKEN for r in reports)
    assert relative_error(sound(chunks), speech.waveform) <= STREAM_BOUND


@pytest.mark.parametrize("speed", [0.8, 1.5])
def test_a_stream_at_another_speed_is_as_long_as_the_speech(speed):
    synthesizer = tiny_synthesizer(LIVELY, speed=speed)
    assert len(sound(list(stream(synthesizer, TEXT, 1)))) == len(synthesizer.say(TEXT, 1).waveform)


def test_the_same_call_gives_the_same_bytes_and_another_seed_another_sound():
    synthesizer = tiny_synthesizer(-20.0)
    first, again, other = (sound(list(stream(synthesizer, TEXT, seed))) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert relative_error(other, first) > 3 * STREAM_BOUND  # the bound separates two seeds


def test_the_first_sound_needs_few_tokens_and_later_chunks_grow():
    synthesizer = tiny_synthesizer(-20.0)
    text = "Was it three hundred people, or more than that?"
    lengths = [len(chunk.waveform) // SAMPLES_PER_TOKEN for chunk in stream(synthesizer, text)]
    assert 1 <= lengths[0] < 16  # 16 tokens, less those that are still uncertain
    assert lengths[1:-1] == sorted(lengths[1:-1]) and lengths[1] == 8
    assert max(lengths) <= 75 + 7


def test_tokens_are_generated_only_for_the_chunks_that_are_taken(monkeypatch):
    """Only the tokens of the first chunk are drawn before it is returned, and closing stops the rest."""
    synthesizer = tiny_synthesizer(-20.0)
    drawn, was_closed = [], []

    def watched_tokens(*arguments: object, **limits: object) -> Iterator[int]:
        try:
            for token in stream_tokens(*arguments, **limits):
                drawn.append(token)
                yield token
        finally:
            was_closed.append(True)

    monkeypatch.setattr("gpt_sovits.synthesis.streaming.stream_tokens", watched_tokens)
    chunks = stream(synthesizer, TEXT)
    next(chunks)
    assert len(drawn) == 16 and not was_closed
    chunks.close()
    assert len(drawn) == 16 and was_closed
    assert list(chunks) == []


def test_a_stream_that_is_abandoned_leaves_the_voice_unchanged():
    synthesizer = tiny_synthesizer(LIVELY)
    before = synthesizer.say(TEXT, 2).waveform.tobytes()
    next(stream(synthesizer, TEXT, 3))
    assert list(itertools.islice(stream_sentences(synthesizer, TEXT, 3), 1))
    assert synthesizer.say(TEXT, 2).waveform.tobytes() == before
    assert not torch.is_inference_mode_enabled()


def test_failures_are_reported_and_not_spoken_again():
    synthesizer = tiny_synthesizer(-20.0, max_retries=3)
    reports = [chunk.report for chunk in stream(synthesizer, TEXT) if chunk.report]
    assert {report.outcome for report in reports} == {"runaway"}
    assert {report.n_retries for report in reports} == {0}
    assert not any(report.ended_by_itself for report in reports)


def test_timings_name_each_part_and_the_text_once():
    chunks = list(stream(tiny_synthesizer(-20.0), TEXT))
    assert all(chunk.timings.gpt > 0 and chunk.timings.sovits > 0 for chunk in chunks)
    assert [chunk.timings.text > 0 for chunk in chunks] == [True] + [False] * (len(chunks) - 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first_tokens": 0}, r"first_tokens \(0\) must be at least 1"),
        ({"first_tokens": 80}, r"first_tokens \(80\) must be at least 1 and at most max_tokens \(75\)"),
        ({"more_tokens": 0}, r"more_tokens \(0\) and second_tokens \(8\) must be at least 1"),
        ({"growth": 0.5}, "growth must be at least 1, not 0.5"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ChunkOptions(**options)


@pytest.mark.parametrize("function", [stream, stream_sentences])
def test_a_text_with_nothing_to_say_is_refused_before_any_sound(function):
    with pytest.raises(ValueError, match="nothing to say"):
        next(function(tiny_synthesizer(), "..."))
