"""Japanese: written and spoken forms agree, and so do kanji and kana of common words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from metrics.normalize import normalize_text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1987年5月3日", "千九百八十七年五月三日"),
        ("7:30", "七時半"),
        ("7:05", "七時五分"),
        ("3,850円", "三千八百五十円"),
        ("216ページ", "二百十六ページ"),
        ("12%", "十二パーセント"),
        ("コンピューター", "コンピュータ"),
        ("1人", "ひとり"),
        ("3ヶ月", "三か月"),
        ("5km", "五キロメートル"),
        ("千円", "1000円"),
        ("1.5倍", "一点五倍"),
        ("人々", "人人"),
        ("子供達が出来る", "子ども達ができる"),
        ("ﾊﾟﾝ", "パン"),
        ("ヴァイオリン", "バイオリン"),
    ],
)
def test_japanese_as_written_and_as_spoken_agree(written: str, spoken: str) -> None:
    assert normalize_text(written, "ja") == normalize_text(spoken, "ja")


@pytest.mark.parametrize(
    ("one", "other"),
    [("四十", "十四"), ("おばさん", "おばあさん"), ("来て", "切って"), ("千葉", "百葉"), ("パン", "バン")],
)
def test_what_sounds_different_stays_different(one: str, other: str) -> None:
    assert normalize_text(one, "ja") != normalize_text(other, "ja")


def test_words_with_numerals_stay_readable() -> None:
    assert normalize_text("千葉の百貨店", "ja") == "千 葉 の 百 貨 店"


@given(st.integers(0, 10**12))
def test_every_number_agrees_with_its_kanji(number: int) -> None:
    spoken = num2words(number, lang="ja")
    assert normalize_text(f"全部で{number:,}円", "ja") == normalize_text(f"全部で{spoken}円", "ja")
