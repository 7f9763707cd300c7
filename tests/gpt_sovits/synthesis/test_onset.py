"""The silence before the first sound of a stream is left out, and no part of the sound is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthesis_tiny import tiny_synthesizer

from gpt_sovits.synthesis import streaming
from gpt_sovits.synthesis.chunk_options import ChunkOptions
from gpt_sovits.synthesis.onset import FADE_SECONDS, LeadingSilence
from gpt_sovits.synthesis.speech import SentenceReport
from gpt_sovits.synthesis.streaming import stream

RATE = 16_000
OPTIONS = ChunkOptions()
ALL = replace(OPTIONS, kept_silence=None)


def noise(seconds: float, level_dbfs: float, seed: int = 0) -> np.ndarray:
    """White noise of a level, (n,) float32."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)
    return samples * np.float32(10 ** (level_dbfs / 20))


def pushed(sound: np.ndarray, sizes: list[int], kept: float = 0.02) -> list[np.ndarray]:
    """What is played of a sound that comes in pieces of some sizes, and then the rest."""
    lead = LeadingSilence(RATE, bound_dbfs=-55.0, kept_seconds=kept, first_seconds=0.12)
    pieces = np.split(sound, np.minimum(np.cumsum(sizes), len(sound))) if sizes else [sound]
    return [lead.push(piece, final=number == len(pieces) - 1) for number, piece in enumerate(pieces)]


@given(silent=st.floats(0.0, 0.6), level=st.floats(-50.0, -3.0), sizes=st.lists(st.integers(0, 4000), max_size=8))
def test_only_silence_is_left_out_however_the_sound_arrives(silent, level, sizes):
    sound = np.concatenate((noise(silent, -70.0), noise(0.5, level, seed=1)))
    played = np.concatenate(pushed(sound, sizes))
    n_left_out = len(sound) - len(played)
    assert n_left_out <= round(silent * RATE) - 0.014 * RATE or n_left_out == 0
    assert n_left_out >= (silent - 0.026) * RATE
    fade = round(FADE_SECONDS * RATE) if n_left_out else 0
    np.testing.assert_array_equal(played[fade:], sound[n_left_out + fade :])


def test_nothing_is_played_before_there_is_enough_sound():
    sound = np.concatenate((noise(0.3, -70.0), noise(0.5, -20.0)))
    lengths = [len(piece) for piece in pushed(sound, [1600] * 5)]
    assert [length > 0 for length in lengths] == [False, False, False, False, True, True]
    assert lengths[4] == round((0.2 + 0.02) * RATE)  # 120 ms of sound are wanted, and pieces have 100 ms


def test_soft_onset_that_rises_over_100_ms_is_played_whole():
    """The /f/ of the starter voice rises so: 100 ms from -58 to -45 dBFS, before the vowel."""
    rise = noise(0.1, 0.0) * np.float32(10) ** (np.linspace(-58, -45, round(0.1 * RATE), dtype=np.float32) / 20)
    sound = np.concatenate((noise(0.2, -75.0), rise, noise(0.3, -20.0)))
    n_left_out = len(sound) - len(np.concatenate(pushed(sound, [])))
    assert 0.18 * RATE <= n_left_out <= 0.2 * RATE + 0.015 * RATE  # at most what is within 3 dB of the bound
    assert np.abs(sound[n_left_out : n_left_out + 160]).max() < 10 ** (-40 / 20)


@pytest.mark.parametrize("level", [-80.0, -40.0], ids=["silent text", "noisy room"])
def test_text_without_silence_or_without_sound_is_played_whole(level):
    sound = noise(0.5, level)
    np.testing.assert_array_equal(np.concatenate(pushed(sound, [1000, 1000])), sound)


def test_pause_between_sentences_stays_and_a_text_that_goes_on_is_not_cut(monkeypatch):
    text = "The kettle is on the stove. He said no!"
    voice = tiny_synthesizer(-20.0)
    silent = round(0.4 * voice.sample_rate)

    def with_silence(options: ChunkOptions) -> tuple[list[SentenceReport], list[np.ndarray]]:
        """Speak it with the first 0.4 s of every sentence silent."""

        class Quiet(streaming.StreamingDecoder):
            n_pushed = 0

            def push(self, codes, *, final=False):
                sound = super().push(codes, final=final).clone()
                sound[: max(0, silent - self.n_pushed)] *= 1e-6
                self.n_pushed += len(sound)
                return sound

        monkeypatch.setattr(streaming, "StreamingDecoder", Quiet)
        chunks = list(stream(voice, text, 4, options))
        sentences = [np.concatenate([c.waveform for c in chunks if c.sentence == i]) for i in (0, 1)]
        return [c.report for c in chunks if c.report], sentences

    reports, (first, second) = with_silence(OPTIONS)
    whole, (whole_first, whole_second) = with_silence(ALL)
    kept = round(OPTIONS.kept_silence * voice.sample_rate)
    frame = round(0.005 * voice.sample_rate)
    assert abs(len(whole_first) - len(first) - (silent - kept)) <= frame
    assert len(second) == len(whole_second)
    assert [report.n_left_out for report in reports] == [len(whole_first) - len(first), 0]
    assert [r.n_samples + r.n_left_out for r in reports] == [r.n_samples for r in whole]
