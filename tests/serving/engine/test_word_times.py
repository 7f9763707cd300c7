"""Workers tell when words are said, in both lanes, and also when the sentence comes from the cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from engine_helpers import Project, Served, serve_settings, sound, speak, speech_request

from flows.commands.say import say_text
from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.word_times import say_with_words
from serving.errors import WordTimesNotServedError
from serving.messages import SentenceDone

TEXT = "Dr. Smith paid $5.50. Who was there?"


@pytest.fixture(scope="module")
def served(project: Project) -> Iterator[Served]:
    with Served(project, serve_settings(cache={"memory_megabytes": 8})) as one:
        yield one


def sentences(events) -> list[SentenceDone]:
    return [event for event in events if isinstance(event, SentenceDone)]


def ask(served: Served, *, word_times: bool = True, voice: str = "bob", lane: str = "batch", seed: int = 5):
    request = speech_request(TEXT, voice=voice, lane=lane, seed=seed, word_times=word_times)
    return served.run(speak(served.engine, request))


def test_the_batch_lane_tells_the_times_that_say_gives(served, project):
    told = sentences(ask(served))
    speech, words = say_with_words(project.voice("bob", 1), TEXT, 5)
    begin = 0.0
    for done, report, expected in zip(told, speech.sentences, words, strict=True):
        assert [word.later(begin) for word in done.words] == list(expected)
        begin += report.n_samples / speech.sample_rate + project.voice("bob", 1).preset.pause_seconds


def test_a_sentence_from_the_cache_has_its_words(served):
    first, again = sentences(ask(served, seed=6)), sentences(ask(served, seed=6))
    assert [done.is_cached for done in again] == [True, True]
    assert [done.words for done in again] == [done.words for done in first] and first[0].words


def test_the_real_time_lane_tells_the_times_of_what_it_plays(served, project):
    told = sentences(ask(served, lane="realtime"))
    chunks = stream(project.voice("bob", 1), TEXT, 5, with_words=True)
    expected = [chunk.report.words for chunk in chunks if chunk.report is not None]
    assert [done.words for done in told] == expected


@pytest.mark.parametrize("lane", ["batch", "realtime"])
def test_asking_for_words_does_not_change_the_sound(served, lane):
    with_words, without = ask(served, lane=lane), ask(served, lane=lane, word_times=False)
    np.testing.assert_allclose(sound(with_words), sound(without), atol=4)
    assert {done.words for done in sentences(without)} == {None}


def test_a_voice_that_cannot_tell_is_refused_before_it_speaks(served):
    with pytest.raises(WordTimesNotServedError, match="anna"):
        ask(served, voice="anna")


def test_vox_say_writes_subtitles_beside_the_same_sound(project, monkeypatch, tmp_path):
    monkeypatch.chdir(project.store.root)
    how = {"version": None, "seed": 5}
    for name in ("plain", "timed"):
        file = tmp_path / "a.vtt" if name == "timed" else None
        assert say_text("bob", TEXT, output=tmp_path / f"{name}.wav", subtitles=file, **how) == 0
    assert (tmp_path / "plain.wav").read_bytes() == (tmp_path / "timed.wav").read_bytes()
    assert "$5.50" in (tmp_path / "a.vtt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("voice", "name", "message"), [("anna", "a.srt", "cannot tell"), ("bob", "a.txt", ".vtt")])
def test_vox_say_refuses_subtitles_that_it_cannot_write(project, monkeypatch, tmp_path, voice, name, message):
    monkeypatch.chdir(project.store.root)
    with pytest.raises(ValueError, match=message):
        say_text(voice, TEXT, output=tmp_path / "a.wav", subtitles=tmp_path / name, version=None, seed=0)
    assert list(tmp_path.iterdir()) == []
