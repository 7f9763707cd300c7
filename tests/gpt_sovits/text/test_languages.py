"""The languages of the project: one table of codes and aliases, which agrees with front ends and normalisers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gpt_sovits.text import frontend
from gpt_sovits.text.languages import ALIASES, AUTOMATIC, LANGUAGES, language_code, language_name
from metrics import normalize

ALIAS_TABLE = [(alias, code) for code, aliases in ALIASES.items() for alias in aliases]
# what lists and settings of GPT-SoVITS hold
UPSTREAM = [
    ("ZH", "zh"), ("JP", "ja"), ("JA", "ja"), ("EN", "en"), ("En", "en"), ("KO", "ko"), ("Ko", "ko"), ("YUE", "yue"),
    ("Yue", "yue"), ("CN", "zh"), ("KR", "ko"), ("ALL_ZH", "zh"), ("all_ja", "ja"), ("all_ko", "ko"),
    ("all_yue", "yue"), ("zh_CN", "zh"), ("zh-HK", "yue"), (" jp ", "ja"),
]  # fmt: skip


def test_front_ends_and_normalisers_are_there_for_exactly_these_languages():
    assert set(LANGUAGES) == set(frontend.LANGUAGES) == set(normalize.LANGUAGES) == set(ALIASES)


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_code_means_itself_in_any_case_and_form(code):
    assert {language_code(written) for written in (code, code.upper(), f"all_{code}", f"ALL_{code.upper()}")} == {code}


@pytest.mark.parametrize(("alias", "code"), [*ALIAS_TABLE, *UPSTREAM])
def test_an_alias_means_its_code(alias, code):
    assert language_code(alias) == language_code(alias.upper()) == code


def test_no_alias_means_two_languages():
    spellings = [alias for alias, _ in ALIAS_TABLE]
    assert len(set(spellings)) == len(spellings) and not set(spellings) & set(LANGUAGES)


@pytest.mark.parametrize("written", ["tlh", "", "de", "english please", "all_", "all_all_zh", "e n"])
def test_an_unknown_language_is_refused_with_the_known_ones(written):
    with pytest.raises(ValueError, match=r"unknown language '.*'; known are en \(English\), zh .*, yue .*, ja .*, ko"):
        language_code(written)


@pytest.mark.parametrize("written", [*AUTOMATIC, "AUTO"])
def test_automatic_is_no_language_of_a_voice(written):
    with pytest.raises(ValueError, match=r"lets each text choose its language, but a voice has one; write en"):
        language_code(written)


def test_a_language_is_named_with_its_code():
    assert language_name("yue") == "Cantonese (yue)"


def test_the_table_is_cheap_to_import():
    code = "import gpt_sovits.text.languages, sys; print({'torch', 'numpy', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
