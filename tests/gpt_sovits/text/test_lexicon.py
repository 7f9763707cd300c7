"""The lexicon: its words take precedence over every dictionary, and errors in the file are reported with their line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import LEXICON_LANGUAGES, Lexicon, combine_lexicons, load_lexicon, with_words

GOOD = """
format: 1
en:
  voxfoundry: "V AA1 K S F AW2 N D R IY0"
  AI: "AY1 AY1"
  New Delhi: "N UW1 D EH1 L IY0"
  GPT-4: "JH IY1 P IY1 T IY1 F AO1 R"
zh:
  重庆: "chong2 qing4"
  银行: "xing2 xing2"
  长沙银行: "chang2 sha1 hang2 yin2"
  卡拉OK: "k a3 l a1 OO ou1 k ei4"
yue:
  𨋢口: "lip1 hau2"
ja:
  東雲: "sh i n o n o m e"
"""


def write_yaml(tmp_path, text, name="lexicon.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def lexicon(tmp_path):
    return load_lexicon(write_yaml(tmp_path, GOOD))


def symbols(text, language, lexicon):
    return " ".join(phonemize(text, language, lexicon).symbols)


def test_words_and_phrases_have_the_sounds_of_the_lexicon(lexicon):
    assert symbols("Voxfoundry!", "en", lexicon) == "V AA1 K S F AW2 N D R IY0 !"
    assert symbols("New Delhi", "en", lexicon) == "N UW1 D EH1 L IY0"
    assert symbols("GPT-4, GPT-45", "en", lexicon).startswith(
        "JH IY1 P IY1 T IY1 F AO1 R , JH IY1 P IY1 T IY1 F AO1 R T"
    )
    assert phonemize("Try GPT-4.", "en", lexicon).normalized_text == "Try GPT-4."


def test_case_matters_only_for_entries_with_capitals(lexicon):
    assert symbols("VOXFOUNDRY", "en", lexicon) == symbols("voxfoundry", "en", lexicon)
    assert symbols("AI", "en", lexicon) == "AY1 AY1"
    assert symbols("ai", "en", lexicon) != "AY1 AY1"


def test_only_whole_words_match(lexicon):
    assert symbols("AIR", "en", lexicon) == symbols("AIR", "en", None)
    assert symbols("AI5", "en", lexicon) == symbols("AI5", "en", None)


def test_the_longest_word_wins_and_pinyin_gives_symbols_per_character(lexicon):
    assert symbols("银行", "zh", lexicon) == "x ing2 x ing2"
    assert symbols("长沙银行", "zh", lexicon) == "ch ang2 sh a1 h ang2 y in2"
    result = phonemize("我去卡拉OK和重庆。", "zh", lexicon)
    assert " ".join(result.symbols) == "w o3 q v4 k a3 l a1 OO ou1 k ei4 h e2 ch ong2 q ing4 ."
    assert result.normalized_text == "我去卡拉OK和重庆."
    assert result.word2ph == (2, 2, 8, 2, 2, 2, 1)


def test_an_entry_changes_the_tones_of_its_neighbours_but_keeps_its_own(lexicon, tmp_path):
    own = load_lexicon(write_yaml(tmp_path, 'format: 1\nzh:\n  好: "hao3"\n  你: "ni3"\n', "own.yaml"))
    assert symbols("很好", "zh", own) == "h en2 h ao3"
    assert symbols("你好", "zh", own) == "n i3 h ao3"


def test_english_entries_match_in_every_language_and_others_in_their_own(lexicon):
    assert symbols("我用voxfoundry。", "zh", lexicon) == "w o3 y ong4 V AA1 K S F AW2 N D R IY0 ."
    assert symbols("𨋢口", "yue", lexicon) == "Yl Yip1 Yh Yau2"
    assert symbols("银行", "yue", lexicon) == symbols("银行", "yue", None)


def test_the_last_of_several_lexicons_wins(lexicon, tmp_path):
    own = load_lexicon(write_yaml(tmp_path, 'format: 1\nen:\n  AI: "EY1"\n', "own.yaml"))
    combination = combine_lexicons(lexicon, own)
    assert symbols("AI", "en", combination) == "EY1"
    assert symbols("voxfoundry", "en", combination) == symbols("voxfoundry", "en", lexicon)
    assert symbols("AI", "en", lexicon) == "AY1 AY1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("en:\n  a: EY1\n", "the line 'format: 1' is missing"),
        ("format: 2\n", "line 1: format must be 1, not '2'"),
        ("format: 1\nfr:\n  a: EY1\n", "line 2: unknown key 'fr'; known: format, en, zh"),
        ("format: 1\nen: [a]\n", "line 2: section en must be a mapping .*, not a list"),
        ("format: 1\nen:\n  a:\n", "line 3: the sound of 'a' must be text, not nothing"),
        ("format: 1\nen:\n  a: ''\n", "line 3: the sound of 'a' is empty"),
        ("format: 1\nen:\n  a: 5\n", "line 3: the sound of 'a' must be text, not a number; write it in quotes: '5'"),
        ("format: 1\nen:\n  007: EY1\n", "line 3: a key of section en must be text, not a number"),
        ("format: 1\nen:\n  a: [EY1]\n", "line 3: the sound of 'a' must be text, not a list"),
        ("format: 1\nen:\n  a: EY1 XX\n", "line 3: 'a' has the unknown symbol 'XX'"),
        ("format: 1\nen:\n  a: ', .'\n", "line 3: 'a' has only punctuation as its sound"),
        ("format: 1\nen:\n  a: EY1\n  b: B\n  a: EY1\n", "line 5: 'a' appears twice in section en, first in line 3"),
        ("format: 1\nen:\n  a  b: EY1\n  a b: EY1\n", "line 4: 'a b' is the same word as 'a b' above"),
        ("format: 1\nen:\n  '!?': EY1\n", "line 3: '![?]' has no letter or digit"),
        ("format: 1\nzh:\n  重庆: chong2\n", "line 3: '重庆' has 2 characters but 1 syllables"),
        ("format: 1\nzh:\n  重庆: chong9 qing4\n", "line 3: '重庆' has the unknown symbol 'chong9'"),
        ("format: 1\nen:\n\t- x\n", "line 3: not valid YAML"),
        ("format: 1\nen: {a: EY1\n", "not valid YAML"),
        ("just text", "line 1: the lexicon must be a mapping"),
    ],
)  # fmt: skip
def test_errors_name_the_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load_lexicon(write_yaml(tmp_path, text))


def test_binary_files_and_huge_files_are_refused(tmp_path):
    path = tmp_path / "lexicon.yaml"
    path.write_bytes(b"format: 1\nen:\n  a: \xff\xfe\n")
    with pytest.raises(ValueError, match="not UTF-8 text at byte"):
        load_lexicon(path)
    path.write_bytes(b"#" * (5 << 20))
    with pytest.raises(ValueError, match="it must have at most 4194304"):
        load_lexicon(path)


def test_private_use_characters_of_the_text_are_dropped(lexicon):
    assert symbols("a \uf000 b", "en", lexicon) == symbols("a b", "en", None)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text("format: 1\nen:\n" + text, encoding="utf-8", errors="replace")
    try:
        assert set(load_lexicon(path).entries) <= set(LEXICON_LANGUAGES)
    except ValueError as error:
        assert "any.yaml" in str(error)


def test_an_empty_lexicon_changes_nothing():
    assert phonemize("Hello", "en", Lexicon()) == phonemize("Hello", "en")


def test_words_from_elsewhere_than_a_file_take_precedence(lexicon):
    more = with_words(lexicon, [("en", "AI", "EY1 AY1"), ("zh", "长沙", "zhang3 sha1")])
    assert symbols("AI", "en", more) == "EY1 AY1"
    assert symbols("voxfoundry", "en", more) == symbols("voxfoundry", "en", lexicon)
    assert with_words(lexicon, []) is lexicon


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([("fr", "oui", "W IY1")], "unknown language 'fr'"),
        ([("en", "ai", "nonsense")], "unknown symbol 'nonsense'"),
        ([("en", "a  i", "EY1"), ("en", "a i", "EY1")], "same word"),
        ([("en", "...", "EY1")], "no letter or digit"),
    ],
)
def test_wrong_words_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        with_words(None, words)
