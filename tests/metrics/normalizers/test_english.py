"""English for scoring: pairs of texts that are spoken alike are equal, and wrong words stay different."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import whisper.normalizers.english

from metrics.normalize import has_words, normalize_text
from metrics.normalizers.english_spellings import repaired_spellings

with Path(__file__).with_name("english_pairs.tsv").open(encoding="utf-8", newline="") as file:
    PAIRS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
EQUAL, DIFFERENT = (
    [(pair["one"], pair["other"]) for pair in PAIRS if pair["relation"] == relation]
    for relation in ("equal", "different")
)
TABLE = json.loads(Path(whisper.normalizers.english.__file__).with_name("english.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_texts_that_are_spoken_alike_are_equal(one: str, other: str) -> None:
    assert normalize_text(one) == normalize_text(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_wrong_words_stay_different(one: str, other: str) -> None:
    assert normalize_text(one) != normalize_text(other)


@pytest.mark.parametrize("text", sorted({text for pair in EQUAL + DIFFERENT for text in pair} - {"4/5", "a 5G phone"}))
def test_normalising_again_changes_nothing(text: str) -> None:
    assert normalize_text(normalize_text(text)) == normalize_text(text)


def test_every_pair_has_a_relation() -> None:
    assert len(EQUAL) >= 40 and len(DIFFERENT) >= 20 and len(EQUAL) + len(DIFFERENT) == len(PAIRS)


def test_hesitations_are_deleted_where_no_number_is_before_them() -> None:
    assert normalize_text("Mm, I think, um, twenty, mm, or so. Uh.") == "i think 20 or so"


def test_the_repaired_table_has_words_only_and_no_chains() -> None:
    repaired = repaired_spellings(TABLE)
    assert all((key + value).replace(" ", "").isalpha() for key, value in repaired.items())
    assert set(repaired) & set(repaired.values()) == set()


def test_the_repaired_table_keeps_every_whole_entry() -> None:
    repaired = repaired_spellings(TABLE)
    assert {key for key, value in TABLE.items() if repaired.get(key) != value} == {
        "archaeology", "flyer / flier", "pummelled", "pummelling", "snowploughs", "tranquilly",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "repaired"),
    [
        ({"tyre": "<b>tire</b>"}, {"tyre": "tire"}),
        ({"one / won / wan": "won / one"}, {"one": "won", "wan": "won"}),
        ({"ploughs": "plow"}, {"ploughs": "plows"}),
        ({"same": "same"}, {}),
    ],
)
def test_broken_entries_are_repaired_by_rule(entry: dict[str, str], repaired: dict[str, str]) -> None:
    found = repaired_spellings(entry)
    assert {key: found[key] for key in repaired} == repaired
    assert len(found) == len(repaired) + len(repaired_spellings({}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Mm-hmm.", False), ("Um... uh!", False), ("...", False), ("20 mm", True), ("Mm, yes.", True)],
)
def test_has_words_agrees_with_the_normaliser(text: str, expected: bool) -> None:
    assert has_words(text, "en") is bool(normalize_text(text)) is expected
