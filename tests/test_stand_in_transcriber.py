"""The stand-in recogniser knows its recordings in whatever audio holds them, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import soxr
from languages_project import LANGUAGES, VOICES, read_language
from stand_in_transcriber import StandInTranscriber

from metrics.errors import AlignmentError

SAMPLE_RATE = 16_000


@pytest.fixture(scope="module")
def judge():
    return StandInTranscriber(LANGUAGES)


def speech(language, name):
    samples, sample_rate = soundfile.read(LANGUAGES / language / f"{name}.ogg", dtype="float32")
    assert sample_rate == SAMPLE_RATE
    return samples


def heard(language, name):
    (row,) = [row for row in read_language(language)["sentences"] if row["id"] == name]
    return row.get("heard", row["text"])


@pytest.mark.parametrize("language", VOICES)
def test_each_recording_is_heard_as_the_table_says_at_another_rate_and_level(judge, language):
    for row in read_language(language)["sentences"]:
        waveform = 0.3 * soxr.resample(speech(language, row["id"])[1600:-1600], SAMPLE_RATE, 32_000)
        assert judge.transcribe(waveform, 32_000, language) == heard(language, row["id"])
        assert judge.spoken_language(waveform, 32_000) == language


def test_half_of_a_recording_is_half_of_its_text(judge):
    waveform = speech("zh", "radio")
    text = judge.transcribe(waveform[: len(waveform) // 2], SAMPLE_RATE, "zh")
    assert text == heard("zh", "radio")[:7]


def test_joined_recordings_are_heard_in_order_and_each_word_within_its_own(judge):
    pause = np.zeros(SAMPLE_RATE, np.float32)
    first, second = speech("ko", "rain"), speech("ko", "cup")
    waveform = np.concatenate([first, pause, second])
    assert judge.transcribe(waveform, SAMPLE_RATE, "ko") == f"{heard('ko', 'rain')} {heard('ko', 'cup')}"
    texts = {row["id"]: row["text"].split() for row in read_language("ko")["sentences"]}
    aligned = judge.align_words(waveform, SAMPLE_RATE, [*texts["rain"], *texts["cup"]], "ko")
    border = len(first) / SAMPLE_RATE
    assert all(word.end <= border + 0.01 for word in aligned[: len(texts["rain"])])
    assert all(word.start >= border + 0.99 for word in aligned[len(texts["rain"]) :])


def test_a_word_that_is_not_heard_is_improbable(judge):
    likely, unlikely = judge.align_words(speech("yue", "soup"), SAMPLE_RATE, ["媽咪", "火車"], "yue")
    assert likely.probability > 0.5 > unlikely.probability


def test_other_sounds_hold_no_words(judge):
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32)
    found = judge.listen(noise, SAMPLE_RATE, "ja")
    assert (found.text, bool(found.no_words_because)) == ("", True)
    with pytest.raises(AlignmentError):
        judge.align_words(noise, SAMPLE_RATE, ["火"], "ja")
    with pytest.raises(ValueError, match="cannot hear language 'fr'"):
        judge.listen(noise, SAMPLE_RATE, "fr")


def test_a_synthesised_prompt_is_found_by_its_samples_and_its_name(judge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/6_scores/.mei.evaluate.partial/audio"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    soundfile.write(folder / "door-0.flac", noise, SAMPLE_RATE, subtype="PCM_16")
    samples, _ = soundfile.read(folder / "door-0.flac", dtype="float32")
    assert judge.transcribe(samples, SAMPLE_RATE, "zh") == "们是不是还开着"
    assert judge.transcribe(samples, SAMPLE_RATE, "en") == "Is the door still opened?"
    assert judge.transcribe(samples[:-1], SAMPLE_RATE, "zh") == ""
