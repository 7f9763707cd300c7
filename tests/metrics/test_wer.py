"""Word and character errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.wer import ErrorCount, character_errors, word_errors, word_operations

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=12).map(" ".join)


def edit_distance(a: list[str], b: list[str]) -> int:
    """An independent Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def test_each_kind_of_error_is_counted() -> None:
    count = word_errors("the cat sat on the mat at noon today", "the hat sat on mat at noon today again")
    assert count == ErrorCount(errors=3, n_reference=9, substitutions=1, deletions=1, insertions=1)
    assert count.rate == 3 / 9


def test_empty_hypothesis_is_all_deletions() -> None:
    assert word_errors("one two three", "") == ErrorCount(3, 3, 0, 3, 0)
    assert character_errors("abc", " ") == ErrorCount(3, 3, 0, 3, 0)


@pytest.mark.parametrize("function", [word_errors, character_errors, word_operations])
def test_empty_reference_is_an_error(function) -> None:
    with pytest.raises(ValueError, match="reference text is empty"):
        function("  ", "something")


def test_insertions_can_exceed_the_reference() -> None:
    assert word_errors("one", "one two three four").rate == 3.0


def test_operations_say_what_was_heard_instead_of_what() -> None:
    operations = [(o.op, o.reference, o.hypothesis) for o in word_operations("a b c", "a x c d")]
    assert operations == [("equal", "a", "a"), ("substitute", "b", "x"), ("equal", "c", "c"), ("insert", "", "d")]


@given(TEXTS)
def test_equal_strings_have_no_error(text: str) -> None:
    assert word_errors(text, text).errors == 0
    assert character_errors(text, text).errors == 0


@given(TEXTS, TEXTS)
def test_errors_are_the_edit_distance_and_symmetric(a: str, b: str) -> None:
    count = word_errors(a, b)
    assert count.errors == edit_distance(a.split(), b.split()) == word_errors(b, a).errors
    assert count.errors <= max(len(a.split()), len(b.split()))
    assert count.errors == count.substitutions + count.deletions + count.insertions
    assert count.n_reference == len(a.split())
    assert character_errors(a, b).errors == edit_distance(list(a), list(b))


@given(TEXTS, TEXTS)
def test_operations_rebuild_both_texts(a: str, b: str) -> None:
    operations = word_operations(a, b)
    assert [o.reference for o in operations if o.op != "insert"] == a.split()
    assert [o.hypothesis for o in operations if o.op != "delete"] == b.split()
    assert sum(o.op != "equal" for o in operations) == word_errors(a, b).errors
