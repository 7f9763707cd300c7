"""What is not spoken is left out of a text, and everything else stays."""

from __future__ import annotations

import pytest

from stages.recordings.transcripts.spoken import clean_text, spoken_text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("<i>Hello</i> there", "Hello there"),
        ("<font color='red'>Hello</font>", "Hello"),
        ("well <unk> so", "well so"),
        ("[music] Hello [Laughter]", "Hello"),
        ("Hello (laughs) there", "Hello there"),
        ("♪ Hello ♪", "Hello"),
        ("ANNA: Hello.\nMR. SMITH: Good day.", "Hello. Good day."),
        ("anna: Hello.", "Hello."),
        ("Anna： 你好。", "你好。"),
        ("Speaker 1: Hello.\nSPEAKER_02: Good day.", "Hello. Good day."),
    ],
)
def test_what_is_not_spoken_is_left_out(written: str, spoken: str) -> None:
    assert spoken_text(written, "anna", subtitles=False) == (spoken, True)


@pytest.mark.parametrize(
    "written",
    [
        "He [Oswald] went (as he said) away.",
        "NOTE: mind the gap.",
        "Remember: it is 10:30, not 11.",
        "if a <b and c> d then stop",
        "I <3 you",
        "HE SAID: GO AWAY",
        "注意：今天是星期日 OK",
        "- a dash, {braces} and & signs &amp; more",
    ],
)
def test_what_may_be_spoken_stays(written: str) -> None:
    assert spoken_text(written, "anna", subtitles=False) == (written, False)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("- Hello.\n- Good day.", "Hello. Good day."),
        ("[door slams]\n(a dog barks)\nHello", "Hello"),
        (">> ANNA: yes &amp; no", "yes & no"),
        (r"{\an8}Hello (EU)", "Hello (EU)"),
        ("<v Anna Smith>Hello<00:00:01.500> there", "Hello there"),
    ],
)
def test_subtitles_lose_their_marks(written: str, spoken: str) -> None:
    assert spoken_text(written, "anna", subtitles=True).text == spoken


def test_clean_text_composes_and_joins() -> None:
    assert clean_text("\ufeffcafe\u0301\r\nau  lait\x07!") == "café au lait !"
