"""When words are said: in order, inside the sound, none missing, and without any change of the speech."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from synthesis_tiny import tiny_synthesizer

from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.subtitles import write_subtitles
from gpt_sovits.synthesis.word_times import STEPS_PER_TOKEN, best_path, say_with_words
from gpt_sovits.synthesis.words import Word
from gpt_sovits.text.written_words import written_words

TEXT = "Dr. Smith paid $5.50, at 10 a.m. Who was there? I was."


@pytest.fixture(scope="module")
def voice():
    return tiny_synthesizer(alignment_head=(1, 0))


def check(words, text, seconds):
    assert [word.text for word in words] == written_words(text)
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= seconds + 0.001


def test_words_do_not_change_the_sound(voice):
    speech, words = say_with_words(voice, TEXT, 3)
    np.testing.assert_array_equal(speech.waveform, voice.say(TEXT, 3).waveform)
    assert len(words) == len(speech.sentences)
    check([word for sentence in words for word in sentence], TEXT, len(speech.waveform) / speech.sample_rate)


def test_words_lie_inside_their_sentence(voice):
    speech, words = say_with_words(voice, TEXT, 3)
    begin = 0.0
    for report, sentence in zip(speech.sentences, words, strict=True):
        end = begin + report.n_samples / speech.sample_rate
        assert begin - 0.001 <= sentence[0].start and sentence[-1].end <= end + 0.001
        begin = end + voice.preset.pause_seconds


@settings(max_examples=12, deadline=None)
@given(
    text=st.lists(st.sampled_from(["a", "Dr.", "10%", "it's", "—", "U.S.", "&", "x,", "3rd", "end."]), min_size=1),
    seed=st.integers(0, 9),
)
def test_no_text_loses_a_word(voice, text, seed):
    sentence = " ".join([*text, "word"])
    speech, words = say_with_words(voice, sentence, seed)
    joined = [word for one in words for word in one]
    assert len(joined) == len(written_words(sentence))
    times = [time for word in joined for time in (word.start, word.end)]
    assert times == sorted(times) and times[-1] <= len(speech.waveform) / speech.sample_rate + 0.001


def test_a_stream_tells_the_times_of_what_is_played(voice):
    plain = list(stream(voice, TEXT, 3))
    timed = list(stream(voice, TEXT, 3, with_words=True))
    for one, other in zip(plain, timed, strict=True):
        np.testing.assert_array_equal(one.waveform, other.waveform)
    reports = [chunk.report for chunk in timed if chunk.report is not None]
    assert [chunk.report.words for chunk in plain if chunk.report is not None] == [None] * len(reports)
    for report in reports:
        check(report.words, report.text, report.n_samples / voice.sample_rate)


def test_a_voice_whose_gpt_does_not_follow_the_text_says_so():
    with pytest.raises(ValueError, match="alignment_head"):
        say_with_words(tiny_synthesizer(), "Hello.")


@settings(max_examples=60, deadline=None)
@given(
    scores=arrays.arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(-9, 0).map(float))
)
def test_the_best_path_is_the_best_of_all(scores):
    path = best_path(scores)
    n_tokens, n_phonemes = scores.shape
    factor = len(path) // n_tokens
    steps = np.repeat(scores, factor, axis=0)
    assert factor >= STEPS_PER_TOKEN and path[0] == 0 and path[-1] == n_phonemes - 1
    assert set(np.diff(path)) <= {0, 1}
    best = max(
        steps[np.arange(len(steps)), np.cumsum([0, *(index in moves for index in range(1, len(steps)))])].sum()
        for moves in itertools.combinations(range(1, len(steps)), n_phonemes - 1)
    )
    assert steps[np.arange(len(steps)), path].sum() == pytest.approx(best)


class TestSubtitles:
    WORDS = (
        (Word("Fish", 0.1, 0.4), Word("&", 0.4, 0.5), Word("chips.", 0.6, 1.0)),
        (Word("Then", 61.0, 61.25), Word("home.", 61.25, 3661.5)),
    )

    def test_subrip_has_a_cue_per_sentence(self):
        assert write_subtitles(self.WORDS, "srt") == (
            "1\n00:00:00,100 --> 00:00:01,000\nFish & chips.\n\n2\n00:01:01,000 --> 01:01:01,500\nThen home.\n"
        )

    def test_webvtt_has_the_time_of_each_word_and_escapes_what_it_must(self):
        assert write_subtitles(self.WORDS, "vtt") == (
            "WEBVTT\n\n00:00:00.100 --> 00:00:01.000\nFish <00:00:00.400>&amp; <00:00:00.600>chips.\n\n"
            "00:01:01.000 --> 01:01:01.500\nThen <00:01:01.250>home.\n"
        )

    def test_json_has_every_word(self):
        words = json.loads(write_subtitles(self.WORDS, "json"))["words"]
        assert words[0] == {"word": "Fish", "start": 0.1, "end": 0.4, "sentence": 0}
        assert [word["word"] for word in words] == ["Fish", "&", "chips.", "Then", "home."]

    def test_long_sentences_are_cut_between_words(self):
        words = [tuple(Word(f"word{number}", number, number + 1) for number in range(30))]
        cues = re.findall(r"\n(word.*)\n", write_subtitles(words, "srt"))
        assert len(cues) > 1 and max(map(len, cues)) <= 42
        assert " ".join(cues).split() == [word.text for word in words[0]]

    def test_scripts_without_spaces_are_joined_without_spaces(self):
        words = [
            tuple(Word(text, index, index + 1) for index, text in enumerate(["我", "有", "50%", "的", "GPU", "。"]))
        ]
        assert "\n我有50%" in write_subtitles(words, "srt")
