"""In noise, words are aligned on sound with less noise, and end before pauses. Clean clips are aligned as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.joined_recordings import NOISES, noise_of
from benchmarks.timed_sentences import TimedSentence, load_timed_sentences
from gpt_sovits.audio import load_audio, to_mono
from metrics.audio import to_rate
from metrics.forced_alignment import AlignedWord
from stages.alignment.noise import SAMPLE_RATE, end_before_pauses, is_noisy, with_less_noise
from stages.alignment.transcribe import word_times

SAMPLE = Path(__file__).resolve().parents[3] / "data/1_recordings/sample"
N_SENTENCES = 6
PAUSE_SECONDS = 0.5


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> list[TimedSentence]:
    folder = tmp_path_factory.mktemp("some")
    (folder / "wavs").symlink_to(SAMPLE / "wavs")
    lines = (SAMPLE / "metadata.csv").read_text(encoding="utf-8").splitlines()[:N_SENTENCES]
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    return load_timed_sentences(folder)


def in_noise(waveform: np.ndarray, kind: str, snr: float, sentences: list[TimedSentence]) -> np.ndarray:
    random = np.random.default_rng(0)
    noise = noise_of(kind, len(waveform), [one.waveform for one in sentences], random)
    noise *= np.sqrt(np.mean(waveform**2) / np.mean(noise**2)) * 10 ** (-snr / 20)
    return (waveform + noise).astype(np.float32)


def test_the_clips_of_the_sample_voice_are_aligned_as_they_are() -> None:
    paths = sorted((SAMPLE / "wavs").iterdir())
    clips = [load_audio(path) for path in paths]
    assert not [is_noisy(to_rate(to_mono(samples), rate, SAMPLE_RATE)) for samples, rate in clips].count(True)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("snr", [30, 10])
def test_a_clip_with_noise_is_noisy(kind: str, snr: int, sentences: list[TimedSentence]) -> None:
    assert all(is_noisy(in_noise(one.waveform, kind, snr, sentences)) for one in sentences)


@pytest.mark.parametrize("waveform", [np.zeros(0), np.ones(100), np.zeros(3999)])
def test_a_clip_too_short_to_know_is_not_noisy(waveform: np.ndarray) -> None:
    assert not is_noisy(waveform.astype(np.float32))


def test_the_noise_of_pauses_falls_and_speech_stays(sentences: list[TimedSentence]) -> None:
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    clean = np.concatenate([pause, sentences[0].waveform, pause])
    noisy = in_noise(clean, "white", 20, sentences)
    quieter = with_less_noise(noisy)
    assert quieter.shape == noisy.shape
    assert np.square(quieter[:4000]).mean() < 0.2 * np.square(noisy[:4000]).mean()
    assert np.square(quieter - clean).mean() < np.square(noisy - clean).mean()


@pytest.mark.parametrize("kind", ["white", "speech-shaped"])
def test_a_word_in_noise_ends_before_the_pause_after_it(
    kind: str, sentences: list[TimedSentence], tmp_path: Path
) -> None:
    """Without noise.py, half of these words last until the next sentence or the end of the clip."""
    pause = np.zeros(round(PAUSE_SECONDS * SAMPLE_RATE), np.float32)
    errors = []
    for number in range(0, len(sentences), 2):
        pair = sentences[number : number + 2]
        waveform = in_noise(np.concatenate([pair[0].waveform, pause, pair[1].waveform, pause]), kind, 25, sentences)
        soundfile.write(tmp_path / "clip.flac", 0.5 * waveform / np.abs(waveform).max(), SAMPLE_RATE)
        later = len(pair[0].waveform) / SAMPLE_RATE + PAUSE_SECONDS
        ends = [pair[0].tokens[-1].end, pair[1].tokens[-1].end + later]
        words = [[word for token in one.tokens for word, *_ in token.words] for one in pair]
        found = word_times([tmp_path / "clip.flac"], [*words[0], *words[1]])
        errors += [found[len(words[0]) - 1][2] - ends[0], found[-1][2] - ends[1]]
    assert sum(abs(error) <= 0.1 for error in errors) >= len(errors) - 1, errors


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(0, 2), min_size=2, max_size=12).map(sorted),
    st.lists(st.sampled_from([0.0, 0.001, 0.3]), min_size=4, max_size=20),
)
def test_only_ends_move_and_only_to_the_left(borders: list[float], levels: list[float]) -> None:
    words = [AlignedWord("word", a, b) for a, b in zip(borders[::2], borders[1::2], strict=False)]
    random = np.random.default_rng(0)
    waveform = np.concatenate([level * random.standard_normal(1600) for level in levels]).astype(np.float32)
    found = end_before_pauses(words, waveform)
    assert [word.start for word in found] == [word.start for word in words]
    for word, before in zip(found, words, strict=True):
        assert (before.start + before.end) / 2 - 0.001 <= word.end <= before.end
