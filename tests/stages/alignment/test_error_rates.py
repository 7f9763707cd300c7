"""How far a text is from what was heard."""

from __future__ import annotations

import pytest

from metrics.normalize import normalize_text
from stages.alignment.error_rates import text_error_rate
from stages.alignment.transcribe import spoken_words


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("He ran 3.5 km in 20 min.", "He ran three point five kilometers in twenty minutes."),
        ("Dr. Smith lives at 12 Main St.", "Doctor Smith lives at twelve Main Street."),
        ("There were fourteen ducks.", "There were 14 ducks."),
    ],
)
def test_a_right_text_is_close_in_one_of_its_forms(text: str, heard: str) -> None:
    rate = text_error_rate(text, spoken_words(text, "en"), normalize_text(heard), "en")
    assert rate is not None and rate <= 0.12


def test_another_text_is_far_in_both_forms() -> None:
    rate = text_error_rate("It costs 5 pounds.", ["it", "costs", "five", "pounds"], "the kettle is on the stove", "en")
    assert rate is not None and rate > 0.6


def test_a_text_without_words_has_no_rate() -> None:
    assert text_error_rate("...", [], "hello", "en") is None
    assert text_error_rate("你好", ["你", "好"], "你 好", "zh") == 0.0
