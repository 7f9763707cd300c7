"""Recordings of people: which clips are taken, whose they are, and what their texts become."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from metrics.pocketsphinx_decoder import new_decoder
from starter import speech
from starter.voices import HELD_OUT_PERSON


@pytest.fixture
def people(tmp_path):
    for name in ("103-1-0000", "103-1-0001", "103-1-0002", f"{HELD_OUT_PERSON}-1-0000", "61/61-7-0003"):
        path = tmp_path / f"{name}.flac"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.zeros((800, 2)), 8000)
    return tmp_path


def test_each_person_gives_so_many_clips_and_the_held_out_one_gives_none(people):
    jobs = speech.people_jobs(people, per_person=2)
    assert [(path.rpartition("/")[2], voice, text) for path, voice, text in jobs] == [
        ("103-1-0000.flac", "103", ""),
        ("103-1-0001.flac", "103", ""),
        ("61-7-0003.flac", "61", ""),
    ]
    assert len(speech.people_jobs(people)) == 4


def test_a_reader_has_texts_of_her_own(tmp_path):
    (tmp_path / "wavs").mkdir()
    soundfile.write(tmp_path / "wavs" / "LJ001-0002.wav", np.zeros(1600), 16000)
    (tmp_path / "metadata.csv").write_text("LJ001-0002|In 2 words.|In two words.\n", encoding="utf-8")
    assert speech.reader_jobs(tmp_path) == [(str(tmp_path / "wavs" / "LJ001-0002.wav"), "lj", "In two words.")]


def test_numbers_and_abbreviations_are_looked_up_as_words():
    assert speech.dictionary_words("Mr. Hale isn't 12, he says.") == ["mister", "hale", "isn't", "twelve", "he", "says"]


def test_a_clip_without_a_text_gets_what_is_heard(people, monkeypatch):
    monkeypatch.setattr(speech, "transcribe", lambda waveform: "Hello there.")
    monkeypatch.setattr(speech, "align_phones", lambda waveform, words: [(word, 0.1) for word in words])
    clip = speech.load_clip((str(people / "103-1-0000.flac"), "103", ""))
    assert (clip.name, clip.voice, clip.text) == ("103-1-0000", "103", "Hello there.")
    assert clip.waveform.shape == (1600,)
    assert clip.waveform.dtype == np.int16
    assert clip.phones == [("hello", 0.1), ("there", 0.1)]
    assert speech.load_clip((str(people / "103-1-0000.flac"), "103", "Stop.")).text == "Stop."


def test_words_that_the_dictionary_lacks_are_pronounced(monkeypatch):
    decoder = new_decoder(with_language_model=False)
    monkeypatch.setattr(speech, "new_decoder", lambda **_: decoder)
    speech.align_phones(np.zeros(16000, np.int16), ["a", "zorbling", "zorbling"])
    assert decoder.lookup_word("zorbling") == "Z AO R B L IH NG"


def test_without_words_or_with_too_many_of_them_there_are_no_phones():
    silence = np.zeros(1600, np.int16)
    assert speech.align_phones(silence, []) == []
    assert speech.align_phones(silence, ["extraordinary"] * 9) == []
