"""The regression files: every line has its phonemes, and errors in a file are reported with their line."""

from pathlib import Path

import pytest

from gpt_sovits.text.expectations import differences, load_expectations, main
from gpt_sovits.text.frontend import LANGUAGES

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "text"
FILES = sorted([*FOLDER.glob("*.yaml"), *(FOLDER / "custom").glob("*.yaml")])
FILES = [path for path in FILES if not path.name.endswith(".lexicon.yaml")]
MIN_LINES = 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_line_has_the_expected_phonemes(path):
    assert differences(load_expectations(path)) == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_language_has_lines_of_many_kinds(path):
    expectations = load_expectations(path)
    assert path.stem == expectations.language
    assert expectations.language in LANGUAGES
    assert len(expectations.lines) >= MIN_LINES
    assert len({line.about for line in expectations.lines}) >= 10


GOOD = 'format: 1\nlanguage: en\nlines:\n  - text: "Hello."\n    phonemes: "HH AH0 L OW1 ."\n    about: greeting\n'


def write_yaml(tmp_path, text, name="own.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_different_phonemes_are_reported_with_their_line(tmp_path, capsys):
    path = write_yaml(tmp_path, GOOD.replace("OW1", "OW0"))
    (difference,) = differences(load_expectations(path))
    assert "own.yaml, line 4: 'Hello.' (greeting)" in difference
    assert "expected HH AH0 L OW0 .\n  but got  HH AH0 L OW1 ." in difference
    assert main([str(path)]) == 1
    assert "but got" in capsys.readouterr().out
    assert main([str(write_yaml(tmp_path, GOOD))]) == 0
    assert capsys.readouterr().out == ""
    assert main([str(tmp_path / "absent.yaml")]) == 2


def test_another_reading_and_a_refused_text_are_differences_too(tmp_path):
    path = write_yaml(tmp_path, GOOD + '    spoken: "Hallo."\n')
    assert "is read as 'Hello.', expected 'Hallo.'" in differences(load_expectations(path))[0]
    path = write_yaml(tmp_path, GOOD.replace("Hello.", "Привет"))
    assert "is refused: cannot speak" in differences(load_expectations(path))[0]


def test_a_lexicon_beside_the_file_is_used(tmp_path):
    path = write_yaml(tmp_path, GOOD.replace("HH AH0 L OW1", "HH AY1"))
    assert differences(load_expectations(path)) != []
    write_yaml(tmp_path, "format: 1\nen:\n  hello: HH AY1\n", "own.lexicon.yaml")
    assert differences(load_expectations(path)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format: 1\nlanguage: en\n", "the key 'lines' is missing"),
        ("format: 1\nlanguage: en\nlines: []\n", "the list of lines is empty"),
        (GOOD.replace("format: 1", "format: 9"), "line 1: format must be 1, not '9'"),
        (GOOD.replace("about", "abuot"), "line 6: unknown key 'abuot'"),
        (GOOD.replace("    about: greeting\n", ""), "line 4: the line has no about"),
        (GOOD.replace("OW1", "OH1"), "line 4: unknown symbol 'OH1'"),
        (GOOD + GOOD.partition("lines:\n")[2], "line 7: the same text as in .*line 4"),
        (GOOD + "voice: x\n", "line 7: unknown key 'voice'"),
    ],
)
def test_errors_name_the_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load_expectations(write_yaml(tmp_path, text))
