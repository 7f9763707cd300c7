"""Forced alignment: the phones of a text are found where they are, and silences only where there are any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starter.aligner import align, align_text, spoken_phones
from starter.phones import NUMBER_OF, PHONES, SILENCE


def posteriors_of(spans, certainty=0.8):
    """Return log posteriors in which each (phone, n_frames) has a certainty in its frames."""
    rows = []
    for phone, n in spans:
        row = np.full(len(PHONES), (1 - certainty) / (len(PHONES) - 1))
        row[NUMBER_OF[phone]] = certainty
        rows += [row] * n
    return np.log(np.array(rows))


def test_words_that_no_dictionary_has_are_pronounced():
    assert spoken_phones("zorbling") == [SILENCE, "z", "ao", "r", "b", "l", "ih", "ng", SILENCE]
    assert spoken_phones("A cat.") == [SILENCE, "ah", SILENCE, "k", "ae", "t", SILENCE]


@given(
    st.lists(st.tuples(st.sampled_from(PHONES[1:]), st.integers(1, 9)), min_size=1, max_size=12),
    st.lists(st.booleans(), min_size=13, max_size=13),
)
def test_phones_end_where_they_do_and_absent_silences_are_left_out(said, pauses):
    said = [one for one, after in zip(said, [*said[1:], ("", 0)], strict=True) if one[0] != after[0]]
    phones, spans = [SILENCE], [(SILENCE, 3)] * pauses[0]
    for one, pause in zip(said, pauses[1:], strict=False):
        phones += [one[0], SILENCE]
        spans += [one] + [(SILENCE, 2)] * pause
    found, score = align(posteriors_of(spans), phones)
    assert found == [(phone, int(end)) for (phone, _), end in zip(spans, np.cumsum([n for _, n in spans]), strict=True)]
    assert score == pytest.approx(np.log(0.8))


def test_equal_phones_in_a_row_are_both_there():
    found, _ = align(posteriors_of([("s", 6)]), ["s", "s"])
    assert [phone for phone, _ in found] == ["s", "s"]
    assert found[-1][1] == 6 and 0 < found[0][1] < 6


def test_a_text_too_long_for_its_sound_is_refused():
    with pytest.raises(ValueError, match="2 frames are too few for 3 phones"):
        align(posteriors_of([("s", 2)]), [SILENCE, "s", "t", "s", SILENCE])


def test_phones_of_a_text_end_in_seconds():
    found = align_text(posteriors_of([(SILENCE, 3), ("k", 2), ("ae", 4), ("t", 2)]), "Cat.", 0.02)
    assert [phone for phone, _ in found.phones] == [SILENCE, "k", "ae", "t"]
    assert [end for _, end in found.phones] == pytest.approx([0.06, 0.1, 0.18, 0.22])
    assert found.score == pytest.approx(np.log(0.8))


def test_another_text_has_a_lower_score():
    heard = posteriors_of([(SILENCE, 3), ("k", 2), ("ae", 4), ("t", 2)])
    assert align_text(heard, "Dog.", 0.02).score < align_text(heard, "Cat.", 0.02).score - 1


@pytest.mark.parametrize("text", ["", "?!", "A very long text indeed."])
def test_texts_that_cannot_be_aligned_give_nothing(text):
    assert align_text(posteriors_of([("s", 5)]), text, 0.02) is None
