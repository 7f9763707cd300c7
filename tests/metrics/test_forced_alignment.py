"""Forced alignment."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gpt_sovits.text.english.phonemes import pronounce
from metrics import forced_alignment
from metrics.errors import AlignmentError
from metrics.forced_alignment import AlignedWord, force_align

WORDS = ["has", "never", "been", "surpassed"]


def must_not_be_called(word: str) -> list[str]:
    raise AssertionError(f"{word} is in the dictionary")


@pytest.fixture(scope="module")
def reader(shared: Path) -> tuple[np.ndarray, int]:
    return soundfile.read(shared / "data/ljspeech/wavs/LJ001-0008.wav", dtype="float32")


def test_words_follow_each_other_inside_the_audio(reader: tuple[np.ndarray, int]) -> None:
    aligned = force_align(*reader, WORDS, must_not_be_called)
    assert [word.word for word in aligned] == WORDS
    times = [time for word in aligned for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= len(reader[0]) / reader[1]
    assert all(word.end - word.start >= 0.03 for word in aligned)


def test_added_silence_moves_the_words(reader: tuple[np.ndarray, int]) -> None:
    waveform, rate = reader
    pause = np.random.default_rng(0).normal(size=rate).astype(np.float32) * 1e-4
    aligned = force_align(waveform, rate, WORDS, must_not_be_called)
    later = force_align(np.concatenate([pause, waveform]), rate, WORDS, must_not_be_called)
    for before, after in zip(aligned[1:], later[1:], strict=True):
        assert after.start - before.start == pytest.approx(1.0, abs=0.05)


def test_words_outside_the_dictionary_are_pronounced(reader: tuple[np.ndarray, int]) -> None:
    asked = []

    def pronounce(word: str) -> list[str]:
        asked.append(word)
        return {"zurpast": "S ER0 P AE1 S T", "NEVER": "N EH1 V ER0"}[word].split()

    aligned = force_align(*reader, ["Has", "NEVER", "been", "zurpast"], pronounce)
    assert [word.word for word in aligned] == ["Has", "NEVER", "been", "zurpast"]
    assert asked == ["NEVER", "zurpast"], "words in capitals may be acronyms, so their pronunciation is asked too"


def test_the_alignment_is_the_same_every_time(reader: tuple[np.ndarray, int]) -> None:
    assert force_align(*reader, WORDS, must_not_be_called) == force_align(*reader, WORDS, must_not_be_called)


def test_the_alignment_does_not_depend_on_what_was_aligned_before() -> None:
    sample = Path(__file__).resolve().parents[2] / "data/1_recordings/sample"
    texts = dict(line.split("|")[:2] for line in (sample / "metadata.csv").read_text(encoding="utf-8").splitlines())

    def align(name: str) -> list[AlignedWord]:
        samples, sample_rate = soundfile.read(sample / "wavs" / f"{name}.flac", dtype="float32")
        return force_align(samples, sample_rate, re.findall(r"[a-z']+", texts[name].lower()), pronounce)

    names = ("sample_018", "sample_033", "sample_060", "sample_006", "sample_045")
    alone = []
    for name in names:
        forced_alignment._aligner.cache_clear()
        alone.append(align(name))
    assert [align(name) for name in names] == alone


def test_a_text_that_does_not_fit_is_an_error(reader: tuple[np.ndarray, int]) -> None:
    with pytest.raises(AlignmentError, match=r"200 words do not fit 1\.78 s of audio"):
        force_align(*reader, ["surpassed"] * 200, must_not_be_called)


def unpronounceable(word: str) -> list[str]:
    raise ValueError("only letters")


@pytest.mark.parametrize(
    ("words", "pronounce", "message"),
    [
        ([], must_not_be_called, "no words to align"),
        (["b4"], unpronounceable, "'b4' has no pronunciation: only letters"),
        (["zzyzx"], lambda word: [], "'zzyzx' has no pronunciation"),
        (["zzyzx"], lambda word: ["QQ"], "QQ, which is not all ARPAbet"),
    ],
)
def test_words_that_cannot_be_aligned_are_named(words, pronounce, message: str) -> None:
    noise = np.random.default_rng(0).normal(size=8000).astype(np.float32) * 0.1
    with pytest.raises(AlignmentError, match=message):
        force_align(noise, 16_000, words, pronounce)


@pytest.mark.parametrize("n_samples", [0, 100, 16_000])
def test_silence_is_an_error(n_samples: int) -> None:
    with pytest.raises(AlignmentError, match="s of silence"):
        force_align(np.zeros(n_samples, np.float32), 16_000, ["has"], must_not_be_called)


def test_a_very_short_sound_is_an_error() -> None:
    with pytest.raises(AlignmentError, match=r"do not fit 0\.00 s"):
        force_align(np.full(10, 0.5, np.float32), 16_000, ["has"], must_not_be_called)
