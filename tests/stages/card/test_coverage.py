"""The sounds of each language are counted, and the missing ones are named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.card.language.coverage import ENOUGH, coverage, text_sounds
from stages.card.language.inventory import Sound, sounds_of

# text -> some of its sounds
SPOKEN = {
    "en": ("The vision of a beige garage!", {"/ʒ/": 3, "/v/": 2, "/ʌ/": 4}),
    "zh": ("熊猫去云南。", {"iong": 1, "ün": 1, "x": 1, "tone 2": 3}),
    "yue": ("唔該，我食咗五粒橙。", {"final m": 1, "final ng": 1, "initial ng": 1, "aang": 1}),
    "ja": ("ざっし、びょういん、ヴァイオリン。", {"z": 1, "cl": 1, "by": 1, "v": 1}),
    "ko": ("빵을 먹고 싶어요.", {"ㅃ": 1, "ㅆ": 0, "ㅗ": 2}),
}


@pytest.mark.parametrize("language", SPOKEN)
def test_the_sounds_of_a_text_are_counted_in_every_language(language):
    text, expected = SPOKEN[language]
    rows = coverage(language, [text_sounds(text, language)], [])
    rows = {row.name: row.n for row in rows} | {f"{row.kind} {row.name}": row.n for row in rows}
    assert {name: rows[name] for name in expected} == expected


@pytest.mark.parametrize("language", SPOKEN)
def test_every_sound_of_a_text_is_in_the_inventory_of_its_language(language):
    sounds = text_sounds(SPOKEN[language][0], language).sounds
    assert sounds and set(sounds) <= set(sounds_of(language))


@pytest.mark.parametrize("language", SPOKEN)
def test_sounds_that_no_clip_has_are_missing_and_come_first(language):
    rows = coverage(language, [], [SPOKEN[language][0]])
    assert {row.state for row in rows} == {"missing"} and len(rows) == len(sounds_of(language))
    assert [row.n_prompts for row in rows] == sorted((row.n_prompts for row in rows), reverse=True)


@pytest.mark.parametrize("language", ["zh", "yue"])
def test_a_character_of_the_prompts_is_the_example_of_its_sounds(language):
    rows = coverage(language, [], [SPOKEN[language][0]])
    assert {row.name: row.example for row in rows}[{"zh": "iong", "yue": "aang"}[language]] in "熊橙"


def test_english_words_in_another_language_are_not_its_sounds():
    with_english, without = (text_sounds(text, "zh") for text in ("我用 Linux 写作。", "我用写作。"))
    assert with_english.sounds == without.sounds and with_english.n_phonemes > without.n_phonemes


@pytest.mark.parametrize(("n", "state"), [(0, "missing"), (1, "rare"), (ENOUGH - 1, "rare"), (ENOUGH, "enough")])
def test_a_sound_is_rare_below_the_limit(n, state):
    rows = coverage("en", [text_sounds("zoo", "en")] * n, [])
    assert next(row for row in rows if row.name == "/z/").state == state


def test_a_text_that_cannot_be_read_has_no_sounds():
    assert text_sounds("!!!", "en") is None and text_sounds("привет", "ja") is None


@settings(deadline=None)
@given(st.lists(st.sampled_from(["go", "see you", "vision"]), max_size=6))
def test_counts_of_clips_add_up(texts):
    rows = coverage("en", [text_sounds(text, "en") for text in texts], [])
    assert sum(row.n for row in rows) == sum(text_sounds(text, "en").n_phonemes for text in texts)


def test_kinds_are_those_that_the_page_shows():
    kinds = {sound.kind for language in SPOKEN for sound in sounds_of(language)}
    assert kinds == {"vowel", "consonant", "initial", "final", "tone"} and Sound("consonant", "ZH") in sounds_of("en")
