"""Mandarin and Cantonese: written and spoken forms agree, and different sounds stay different."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_sovits.text.chinese.numbers import cardinal
from metrics.normalize import normalize_text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("这座桥是1987年5月3日通车的。", "这座桥是一九八七年五月三日通车的"),
        ("7:45从14号", "七点四十五分从十四号"),
        ("38.5元", "三十八点五元"),
        ("第216页", "第二百一十六页"),
        ("12%", "百分之十二"),
        ("3万5千", "35000"),
        ("1.2万", "一万二"),
        ("1.2万", "一点二万"),
        ("十二点五亿", "12.5亿"),
        ("3:30", "三点半"),
        ("3:05", "三点零五分"),
        ("350", "三百五"),
        ("1,250米", "一千二百五十米"),
        ("两千零五", "2005"),
        ("13800138000", "幺三八零零幺三八零零零"),
        ("三万亿", "3万亿"),
        ("-5度", "负五度"),
        ("3/4", "四分之三"),
        ("她说：「為什麼」", "他说为什么"),
        ("Wi-Fi", "WIFI"),
        ("$20", "二十美元"),
        ("10~20", "十到二十"),
        ("5km", "五公里"),
        ("ＡＢＣ１２", "abc 十二"),
        ("二十三万五千六百", "235600"),
        ("一百零三万", "1030000"),
        ("五十，六十", "50、60"),
        ("三千八百万", "38000000"),
        ("2024/10/05", "二零二四年十月五日"),
    ],
)
def test_mandarin_as_written_and_as_spoken_agree(written: str, spoken: str) -> None:
    assert normalize_text(written, "zh") == normalize_text(spoken, "zh")


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("廿幾", "二十幾"),
        ("385蚊", "三百八十五蚊"),
        ("$385", "三百八十五蚊"),
        ("裏面", "裡面"),
        ("係咪俾咗你", "系咪畀左你"),
        ("D人", "啲人"),
        ("7:45", "七點四十五分"),
        ("12%", "百分之十二"),
        ("电话", "電話"),
    ],
)
def test_cantonese_as_written_and_as_spoken_agree(written: str, spoken: str) -> None:
    assert normalize_text(written, "yue") == normalize_text(spoken, "yue")


@pytest.mark.parametrize("language", ["zh", "yue"])
@pytest.mark.parametrize(
    ("one", "other"),
    [("四十", "十四"), ("买", "卖油"), ("五十", "五"), ("三点", "三天"), ("三百五", "三百零五"), ("你", "他")],
)
def test_what_sounds_different_stays_different(language: str, one: str, other: str) -> None:
    assert normalize_text(one, language) != normalize_text(other, language)


def test_words_with_numerals_stay_readable() -> None:
    assert normalize_text("我们一起去百货商店。", "zh") == "我 们 一 起 去 百 货 商 店"


@pytest.mark.parametrize(("language", "two"), [("zh", "两"), ("zh", "二"), ("yue", "二")])
@given(number=st.integers(0, 10**15))
def test_every_number_agrees_with_its_characters(language: str, two: str, number: int) -> None:
    spoken = cardinal(str(number), two)
    assert normalize_text(f"有{number:,}个", language) == normalize_text(f"有{spoken}个", language)
    assert normalize_text(f"有{number}个", language) == normalize_text(f"有{spoken}个", language)
