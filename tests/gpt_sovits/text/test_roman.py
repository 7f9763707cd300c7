"""Roman numerals: their value, and where each language reads them as numbers."""

import pytest

from gpt_sovits.text.cleaning import clean
from gpt_sovits.text.english.normalization import spoken_form
from gpt_sovits.text.roman import roman_value
from gpt_sovits.text.scripts import join_names


@pytest.mark.parametrize(
    ("numeral", "value"), [("I", 1), ("iv", 4), ("XIV", 14), ("XXIX", 29), ("LVII", 57), ("MCMXCIX", 1999)]
)
def test_the_value_of_a_numeral(numeral, value):
    assert roman_value(numeral) == value


ENGLISH = {
    "World Wars I and II": "World Wars one and two",
    "Chapters IV–VI": "Chapters four to six",
    "part I and part ii": "part one and part two",
    "the part I like": "the part I like",
    "Part I really like": "Part I really like",
    "Elizabeth I. James I think so.": "Elizabeth the first. James I think so.",
    "Henry V, Malcolm X, Type X": "Henry the fifth, Malcolm X, Type X",
    "Appendix C, Class D, XL": "Appendix C, Class D, XL",
    "a CD, the DVD, a MIX": "a CD, the DVD, a MIX",
    "Apollo XI, Rocky IV, an IV": "Apollo eleven, Rocky four, an IV",
    "the XXth century, MMXXIV": "the twentieth century, twenty twenty four",
    "(ii) and (iv)": "two, and, four,",
    "He and I went": "He and I went",
}


@pytest.mark.parametrize("written", ENGLISH)
def test_english_reads_a_numeral_only_where_its_neighbours_show_one(written):
    assert spoken_form(clean(written)) == ENGLISH[written]


@pytest.mark.parametrize(
    ("text", "main", "joined"),
    [
        ("第II章とII型とI型", "ja", "第2章と2型と1型"),
        ("XL、I、V型", "ja", "XL、I、V型"),
        ("제III권과 II형", "ko", "제3권과 2형"),
        ("F5-TTSとGPT-4と3-5", "ja", "F5 TTSとGPT 4と3-5"),
        ("Chapter II, F5-TTS", "en", "Chapter II, F5-TTS"),
    ],
)
def test_names_and_numbered_things_are_joined_before_a_text_is_split(text, main, joined):
    assert join_names(text, main) == joined
