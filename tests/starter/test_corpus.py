"""The corpus on disk, the pieces of text, the phones, and the two synthesisers."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starter.corpus import read_text_pieces, speak_flite
from starter.phones import NUMBER_OF, PHONES, SILENCE, from_festival, from_sphinx
from starter.store import Utterance, read_corpus, write_corpus


def utterance(name="one", n=1600, phones=((SILENCE, 0.03), ("aa", 0.07), ("t", 0.1))):
    return Utterance(name, "slt", "A t.", np.arange(n, dtype=np.int16), list(phones))


def test_reading_a_corpus_returns_what_was_written(tmp_path):
    written = [utterance("one"), utterance("two", 800)]
    write_corpus(tmp_path / "slt", written)
    read = read_corpus(tmp_path / "slt")
    assert [one.name for one in read] == ["one", "two"]
    assert all(np.array_equal(a.waveform, b.waveform) for a, b in zip(read, written, strict=True))
    assert read[0].phones == written[0].phones


def test_an_incomplete_corpus_does_not_exist(tmp_path):
    def broken():
        yield utterance()
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_corpus(tmp_path / "slt", broken())
    with pytest.raises(FileNotFoundError, match="make starter"):
        read_corpus(tmp_path / "slt")


def test_a_label_is_the_phone_at_the_middle_of_its_frame():
    labels = utterance().labels(7, 0.02)  # middles 0.01, 0.03, 0.05 ...: the end of a phone is the next one's start
    assert [PHONES[number] for number in labels] == [SILENCE, "aa", "aa", "t", "t", SILENCE, SILENCE]


def test_pieces_are_cut_at_punctuation_without_duplicates(tmp_path):
    path = tmp_path / "text.tsv"
    path.write_text(
        "id\ttext\tnormalized\n"
        "a\t-\tIn the morning, the boats went out; in the morning, nobody spoke.\n"
        "b\t-\tKept out of every corpus.\n",
        encoding="utf-8",
    )
    pieces = read_text_pieces(path, {"b"}, min_characters=8, max_characters=90)
    assert sorted(pieces) == ["In the morning", "Nobody spoke.", "The boats went out"]
    assert pieces == read_text_pieces(path, {"b"}, min_characters=8, max_characters=90)


@pytest.mark.parametrize(("name", "phone"), [("ax", "ah"), ("pau", SILENCE), ("zh", "zh")])
def test_phones_of_festival_are_mapped_to_the_table(name, phone):
    assert from_festival(name) == phone


@pytest.mark.parametrize(("name", "phone"), [("AH", "ah"), ("SIL", SILENCE), ("+NOISE+", SILENCE)])
def test_phones_of_sphinx_are_mapped_to_the_table(name, phone):
    assert from_sphinx(name) == phone


@given(st.text(max_size=4))
def test_a_phone_is_in_the_table_or_refused(name):
    try:
        assert from_festival(name) in NUMBER_OF
    except ValueError as error:
        assert repr(name) in str(error)


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed; only the recipe needs it")
def test_flite_reports_where_each_phone_ends():
    waveform, phones = speak_flite("slt", "Nine boats.", 1.0, 0.0)
    assert [from_festival(phone) for phone, _ in phones] == [SILENCE, "n", "ay", "n", "b", "ow", "t", "s", SILENCE]
    assert phones[-1][1] == pytest.approx(len(waveform) / 16000, abs=0.03)
