"""The prompts that are committed in benchmarks/prompts."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pocketsphinx
import pytest

from gpt_sovits.text import symbols
from gpt_sovits.text.frontend import phonemize
from metrics.normalize import LANGUAGES, normalize_text
from metrics.prompts import CATEGORIES, CUSTOM, PromptSet, custom_files, load_prompts, main

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "prompts"
ENGLISH = FOLDER / "en.yaml"
MIN_PROMPTS = dict.fromkeys(LANGUAGES, 100)


@pytest.fixture(scope="module", params=sorted(MIN_PROMPTS))
def fixed(request: pytest.FixtureRequest) -> PromptSet:
    """The committed prompts of a language, without what a user may have added."""
    found = load_prompts(FOLDER / f"{request.param}.yaml")
    return found.model_copy(update={"prompts": tuple(p for p in found.prompts if p.category != CUSTOM)})


def test_every_language_that_can_be_scored_has_a_prompt_file() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(MIN_PROMPTS) == sorted(LANGUAGES)


def test_every_file_of_the_folder_is_locked(capsys: pytest.CaptureFixture[str]) -> None:
    files = [*FOLDER.glob("*.yaml"), *custom_files(ENGLISH)]
    assert main(["check", *map(str, files)]) == 0, capsys.readouterr().err


def test_committed_prompts_are_enough_and_spread_over_the_categories(fixed: PromptSet) -> None:
    assert len(fixed.prompts) >= MIN_PROMPTS[fixed.language]
    for category in set(CATEGORIES) - {CUSTOM}:
        assert sum(prompt.category == category for prompt in fixed.prompts) >= 12, category


def test_committed_prompts_are_spoken_with_three_seeds(fixed: PromptSet) -> None:
    assert fixed.seeds == (0, 1, 2)


def test_text_and_spoken_words_normalise_to_the_same(fixed: PromptSet) -> None:
    both = {p.id: [normalize_text(text, fixed.language) for text in (p.text, p.normalized)] for p in fixed.prompts}
    assert {id_: pair for id_, pair in both.items() if pair[0] != pair[1] or not pair[1]} == {}


def test_what_the_front_end_reads_is_what_a_listener_writes(fixed: PromptSet) -> None:
    """A prompt whose numbers or signs the front end misreads would fail every voice."""

    def said(text: str) -> str:
        read = phonemize(text, fixed.language)
        if fixed.language == "ja":  # Open JTalk keeps digits in its text and reads them by itself
            return " ".join(symbol for symbol in read.symbols if symbol.isalpha() and symbol != "UNK")
        if fixed.language == "en":  # 216 with and without its "and"
            return normalize_text(read.normalized_text)
        return _letters(read.normalized_text)

    both = {prompt.id: (said(prompt.text), said(prompt.normalized)) for prompt in fixed.prompts}
    assert {id_: pair for id_, pair in both.items() if pair[0] != pair[1]} == {}


# all sounds of a language, with stress or tone, and the share of them that its prompts have, measured and rounded down
SOUNDS = {
    "en": (set(symbols.ENGLISH) - set(symbols.ENGLISH_STRESSLESS), 0.91),
    "zh": (set(symbols.MANDARIN), 0.85),
    "yue": ({f"Y{s}" for s in symbols.CANTONESE_INITIALS}
            | {f"Y{rhyme}{tone}" for rhyme in symbols.CANTONESE_RHYMES for tone in "123456"}, 0.66),
    "ja": (set(symbols.JAPANESE + symbols.JAPANESE_PITCH) - set("IU"), 1.0),  # I, U: the front end does not devoice
    "ko": (set(symbols.KOREAN) - set("空停"), 1.0),
}  # fmt: skip


def test_prompts_have_every_sound_and_most_stresses_and_tones(fixed: PromptSet) -> None:
    sounds, least = SOUNDS[fixed.language]
    spoken = {symbol for prompt in fixed.prompts for symbol in phonemize(prompt.text, fixed.language).symbols}

    def bare(some: set[str]) -> set[str]:
        return {re.sub("(?<!^i)[0-6]$", "", symbol) for symbol in some}

    assert bare(sounds) - bare(spoken) == set()
    assert len(sounds & spoken) / len(sounds) >= least


def test_english_prompts_are_ascii_and_speakable() -> None:
    for prompt in load_prompts(ENGLISH).prompts:
        assert prompt.text.isascii() and prompt.text[-1] in ".?!", prompt.id
        seconds = len(prompt.normalized) / 14  # about 14 characters a second are read aloud in English
        assert 0.9 <= seconds <= 15, prompt.id


def test_words_are_in_the_offline_judges_dictionary() -> None:
    lines = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8").splitlines()
    known = {line.split()[0] for line in lines}
    words = {word for prompt in load_prompts(ENGLISH).prompts for word in prompt.normalized.split()}
    assert words - known == set()


def test_no_prompt_is_a_sentence_of_the_sample_voice() -> None:
    metadata = ROOT / "data" / "1_recordings" / "sample" / "metadata.csv"
    with metadata.open(encoding="utf-8", newline="") as file:
        recorded = {_letters(row[-1]) for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)}
    for prompt in load_prompts(ENGLISH).prompts:
        for sentence in recorded:
            assert _letters(prompt.text) not in sentence and sentence not in _letters(prompt.text), prompt.id


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalpha())
