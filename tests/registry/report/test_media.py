"""Sound and pictures inside the page: they survive, stay small, and have equal bytes for equal audio."""

from __future__ import annotations

import base64
import io
import subprocess
import sys

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imports import ROOT
from report_helpers import RATE, tone

from gpt_sovits.audio import load_audio, save_flac
from registry.report import media
from registry.report.media import (
    COMPACT,
    FINE,
    MAX_COLUMNS,
    N_ROWS,
    embed_sounds,
    opus_base64,
    spectrogram_base64,
    spectrogram_db,
)


def decode(sound: str) -> tuple[np.ndarray, int]:
    """Decode with FFmpeg, as browsers do, because libsndfile calls some streams of a single page malformed."""
    with av.open(io.BytesIO(base64.b64decode(sound))) as container:
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
        return np.concatenate(parts), container.streams.audio[0].rate


@pytest.mark.parametrize("bit_rate", [FINE, COMPACT])
def test_sound_survives_the_encoding(bit_rate):
    waveform, sample_rate = decode(opus_base64(tone(1.0), RATE, bit_rate))
    assert sample_rate == 48_000 and len(waveform) == pytest.approx(48_000, abs=960)  # one Opus frame
    assert np.argmax(np.abs(np.fft.rfft(waveform[:48_000]))) == pytest.approx(1000, abs=3)
    assert np.sqrt(np.mean(waveform**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40_000), st.integers(0, 2**32 - 1), st.sampled_from([16_000, 24_000, 32_000, 48_000]))
def test_equal_audio_of_any_length_gives_equal_bytes(n_samples, seed, sample_rate):
    waveform = np.random.default_rng(seed).uniform(-1.2, 1.2, n_samples).astype(np.float32)
    first = opus_base64(waveform, sample_rate, COMPACT)
    assert first == opus_base64(waveform.copy(), sample_rate, COMPACT)
    assert len(decode(first)[0]) == pytest.approx(max(4_800, n_samples * 48_000 / sample_rate), abs=960)


def test_another_process_encodes_the_same_bytes():
    code = (
        "import numpy as np; from registry.report.media import COMPACT, opus_base64;"
        "print(opus_base64(np.sin(np.arange(32000) / 5, dtype=np.float32), 32000, COMPACT), end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == opus_base64(np.sin(np.arange(32000) / 5, dtype=np.float32), 32000, COMPACT)


def test_speech_of_a_full_comparison_fits_into_the_page():
    """100 prompts with 3 seeds and 2 versions, at the sample voice's mean length, fit into the page."""
    files = sorted((ROOT / "data/1_recordings/sample").rglob("*.flac"))[:12]
    audio = [load_audio(path) for path in files]
    seconds = sum(len(samples) / rate for samples, rate in audio)
    n_chars = sum(len(opus_base64(samples[:, 0], rate, COMPACT)) for samples, rate in audio)
    assert 600 * n_chars / len(files) < media.MAX_AUDIO_CHARS
    assert n_chars * 0.75 / seconds * 60 < 200_000  # bytes per minute


def test_sounds_that_do_not_fit_are_left_out_from_the_end(tmp_path, monkeypatch):
    wanted = []
    for n in range(40):
        save_flac(tmp_path / f"{n}.flac", tone(0.3, 400 + 10 * n), RATE)
        wanted.append((tmp_path, f"{n}.flac"))
    whole = embed_sounds(wanted, 40 * 0.3)
    assert list(whole) == wanted
    monkeypatch.setattr(media, "MAX_AUDIO_CHARS", sum(map(len, list(whole.values())[:35])))
    assert embed_sounds(wanted, 40 * 0.3) == {key: whole[key] for key in wanted[:35]}


def test_long_audio_is_kept_compact(tmp_path):
    save_flac(tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32), RATE)
    (fine,), (compact,) = (embed_sounds([(tmp_path, "a.flac")], n).values() for n in (900.0, 900.1))
    assert len(compact) < 0.7 * len(fine)


def test_spectrogram_shows_a_tone_at_its_frequency():
    picture = spectrogram_db(tone(1.0), RATE)
    assert picture.shape[0] == N_ROWS and 95 <= picture.shape[1] <= 100
    assert np.argmax(picture[:, 50]) in (15, 16)  # 1000 Hz at 62.5 Hz per row
    assert picture.max() == pytest.approx(-15, abs=3)  # half of full scale, its power shared by two rows
    assert spectrogram_db(np.zeros(RATE, np.float32), RATE).max() == -120.0


@pytest.mark.parametrize("n_samples", [1, 100, RATE * 60])
def test_spectrogram_of_any_length_has_a_bounded_width(n_samples):
    picture = spectrogram_db(np.zeros(n_samples, np.float32), RATE)
    assert 1 <= picture.shape[1] <= MAX_COLUMNS
    content = base64.b64decode(spectrogram_base64(np.zeros(n_samples, np.float32), RATE))
    assert content.startswith(b"\x89PNG") and b"matplotlib" not in content
