"""The words of a spoken consent: the agreement must be heard word for word."""

from __future__ import annotations

import pytest

from gpt_sovits.text.languages import LANGUAGES
from registry.consent.statement import SENTENCES, statement_text, why_not_said

NAMES = {"en": "Anna Miller", "zh": "王小明", "yue": "陳大文", "ja": "田中花子", "ko": "김철수"}


def test_every_language_has_its_sentence():
    assert set(SENTENCES) == set(LANGUAGES)


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_sentence_itself_is_accepted_and_the_name_alone_is_not(language):
    text = statement_text(language, NAMES[language])
    assert why_not_said(text, language, NAMES[language]) is None
    assert why_not_said(SENTENCES[language][0].format(speaker=NAMES[language]), language, NAMES[language])
    assert why_not_said(SENTENCES[language][1], language, NAMES[language])


@pytest.mark.parametrize(
    "heard",
    [
        "My name is Anna Miller, I agree that my voice is copied by a computer.",
        "my name is Hannah Muller. I agree that my voice is copied by a computer",
    ],
)
def test_name_that_is_misheard_is_accepted(heard):
    assert why_not_said(heard, "en", "Anna Miller") is None


@pytest.mark.parametrize(
    "heard",
    [
        "",
        "My name is Anna Miller. I do not agree that my voice is copied by a computer.",
        "My name is Anna Miller. I disagree that my voice is copied by a computer.",
        "My name is Anna Miller. I agree that my voice is not copied by a computer.",
        "My name is Anna Miller. I agree that my voice is copied by a computer. Not!",
        "My name is Anna Miller. Nobody heard me say that I agree that my voice is copied by a computer.",
        "My name is Robert Jones. I agree that my voice is copied by a computer.",
    ],
)
def test_words_that_are_not_the_agreement_are_refused(heard):
    assert "the speaker must say: My name is Anna Miller. I agree" in why_not_said(heard, "en", "Anna Miller")
