"""Which words of a text the sound speaks against."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_sovits.audio import load_audio, to_mono
from metrics.normalize import normalize_text
from stages.alignment.disagreements import (
    Doubt,
    Run,
    differing_runs,
    find_disagreements,
    lacks_words,
    run_times,
    wrong_units,
)
from stages.alignment.outcomes import reject_doubted
from stages.alignment.transcribe import heard_word_times, spoken_words, transcribe, word_times
from stages.params import load_params
from stages.tables import AlignedClip

ROOT = Path(__file__).resolve().parents[3]
CLIP = ROOT / "data/1_recordings/sample/wavs/sample_002.flac"
TEXT = "Could you pass me the blue teapot from the second shelf, please?"
ASR = "faster-whisper-tiny.en"
PARAMS = load_params(ROOT / "params.yaml").align


def clip_with(text: str, heard: str = "", words: tuple[tuple[str, float, float], ...] = ()) -> AlignedClip:
    return AlignedClip(
        clip_id="x-0000", path="x.flac", seconds=4.0, language="en", text=text, text_source="given", asr_text=heard,
        cer=0.1, words=words, kept=True, reason="", split="train",
    )  # fmt: skip


def runs(text: str, heard: str) -> list[tuple[str, str]]:
    words, sounds = text.split(), heard.split()
    return [
        (" ".join(words[run.first : run.end]), " ".join(sounds[run.first_heard : run.end_heard]))
        for run in differing_runs(words, sounds)
    ]


def test_neighbouring_differences_are_one_run() -> None:
    assert runs("one two three four", "one too tree four five") == [("two three", "too tree"), ("", "five")]
    assert runs("one two", "one two") == []
    assert runs("one two three", "three") == [("one two", "")]


def test_a_run_has_the_times_of_its_words_or_of_the_gap_between_its_neighbours() -> None:
    clip = clip_with("a b c", words=(("a", 0.1, 0.5), ("b", 0.6, 1.0), ("c", 1.2, 1.5)))
    assert run_times(Run(1, 2, 1, 2), ["a", "b", "c"], clip) == (0.6, 1.0)
    assert run_times(Run(1, 1, 1, 2), ["a", "b", "c"], clip) == (0.5, 0.6)
    assert run_times(Run(3, 3, 3, 4), ["a", "b", "c"], clip) == (1.5, 4.0)
    assert run_times(Run(1, 2, 1, 2), ["a", "5", "c"], clip) == (0.5, 1.2)


@pytest.fixture(scope="module")
def heard() -> str:
    return normalize_text(transcribe(CLIP, ASR, "en").text)


def reported(text: str, heard: str) -> list[Doubt]:
    words = spoken_words(text, "en")
    clip = clip_with(text, heard, tuple(word_times([CLIP], words) or heard_word_times(CLIP, words, ASR, "en")))
    return [one for one in find_disagreements(CLIP, clip, ASR, "en") if one.doubt >= PARAMS.min_doubt]


def test_nothing_is_reported_in_a_right_text(heard: str) -> None:
    assert reported(TEXT, heard) == []


@pytest.mark.parametrize(
    ("wrong", "written", "said"),
    [
        (TEXT.replace("shelf", "carpet"), "carpet", "shelf"),
        (TEXT.replace("second ", ""), "", "2nd"),
        (TEXT.replace(", please?", "."), "", "please"),
        (TEXT.replace("me the", "me to the"), "to", ""),
        (TEXT.replace("shelf, please", "self"), "self", "shelf please"),
    ],
)
def test_a_word_that_is_wrong_missing_or_added_is_reported_with_its_place(
    wrong: str, written: str, said: str, heard: str
) -> None:
    found = reported(wrong, heard)
    assert [(one.written, one.heard) for one in found] == [(written, said)]
    samples, sample_rate = load_audio(CLIP)
    assert 0 < found[0].start <= found[0].end <= len(to_mono(samples)) / sample_rate


@pytest.mark.parametrize("missing", ["second", "pass me", "shelf, please?"])
def test_missing_words_are_reported_where_they_are_said(missing: str, heard: str) -> None:
    words = spoken_words(TEXT, "en")
    said = spoken_words(missing, "en")
    first = next(place for place in range(len(words)) if words[place : place + len(said)] == said)
    times = word_times([CLIP], words)[first : first + len(said)]
    (found,) = reported(TEXT.replace(missing, ""), heard)
    assert (found.written, len(found.heard.split())) == ("", len(said))
    assert found.start == pytest.approx(times[0][1], abs=0.25)
    assert found.end == pytest.approx(times[-1][2], abs=0.25)


@pytest.mark.parametrize(
    ("written", "heard", "lacks"),
    [
        ("", "please", True),
        ("in", "and form", True),
        ("teapot", "tea pot", False),
        ("second", "2nd", False),
        ("gutenberg", "good in burg", False),
        ("books", "book", False),
        ("please", "", False),
    ],
)
def test_more_sound_than_text_is_a_missing_word(written: str, heard: str, lacks: bool) -> None:
    assert lacks_words(written.split(), heard.split(), "en") is lacks


def test_in_other_languages_words_are_missing_where_nothing_is_written() -> None:
    assert lacks_words([], ["wort"], "de") and not lacks_words(["ein"], ["eine", "form"], "de")


def test_a_judge_without_probabilities_reports_nothing() -> None:
    assert find_disagreements(CLIP, clip_with("something else", "what was heard"), "pocketsphinx", "en") == []


def test_a_clip_is_rejected_where_too_many_of_its_words_are_reported() -> None:
    clip = clip_with("could you pass me the blue teapot from that shelf")
    few = [Doubt(Run(0, 0, 0, 1), "", "and", 0, 1, 9.0)]
    many = [*few, Doubt(Run(5, 7, 6, 7), "blue teapot", "teapot", 1, 2, 12.0)]
    assert (wrong_units(few), wrong_units(many)) == (1, 3)
    assert reject_doubted(clip, few, "en", PARAMS).kept
    rejected = reject_doubted(clip, many, "en", PARAMS)
    assert not rejected.kept
    assert rejected.reason.endswith("3 of 10, such as 'blue teapot' where 'teapot' is heard")
