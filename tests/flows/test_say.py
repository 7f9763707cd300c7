"""`vox say` in the languages of a voice."""

from __future__ import annotations

import pytest
from project import vox


def test_say_speaks_a_language_in_which_the_version_was_scored_by_its_code_or_alias(speaking):
    for code in ("zh", "CN"):
        output = speaking / f"{code}.wav"
        assert vox(speaking, "say", "anna", "你好。", "-o", str(output), "--language", code).returncode == 0
    assert (speaking / "zh.wav").read_bytes() == (speaking / "CN.wav").read_bytes()


@pytest.mark.parametrize(
    ("code", "message"),
    [("ja", "not scored in 'ja', only in en, zh"), ("Klingon", "unknown language 'Klingon'")],
)
def test_say_refuses_a_language_that_was_not_judged(speaking, code, message):
    output = speaking / "refused.wav"
    done = vox(speaking, "say", "anna", "hello", "-o", str(output), "--language", code)
    assert (done.returncode, done.stdout) == (2, "") and message in done.stderr
    assert not output.exists()
