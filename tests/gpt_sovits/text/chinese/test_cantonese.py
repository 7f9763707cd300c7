"""Cantonese: normalization in Cantonese words, and Jyutping as symbols of the table."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.chinese.cantonese import CANTONESE
from gpt_sovits.text.chinese.jyutping_symbols import jyutping_to_symbols
from gpt_sovits.text.chinese.normalization import spoken_form
from gpt_sovits.text.cleaning import clean
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.symbols import SYMBOL_IDS


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("¥28，HK$100，2000蚊", "二十八元,一百港元,兩千蚊"),
        ("2024-05-17，9:30，14:05", "二零二四年五月十七日,九點半,十四點零五分"),
        ("50%，1/2，3-5日", "百分之五十,二分之一,三至五日"),
        ("-3°C，5km，2個，20000", "零下三攝氏度,五公里,兩個,兩萬"),
        ("致電21234567，13800138000", "致電二一二三四五六七,一三八,零零一三,八零零零"),
        ("user@site.org", "user at site dot org"),
        ("3.14、120km/h", "三點一四,每小時一百二十公里"),
    ],
)
def test_spoken_form(written, spoken):
    assert spoken_form(clean(written), CANTONESE) == spoken


@pytest.mark.parametrize(
    ("syllable", "symbols"),
    [
        ("zung1", "Yz Yung1"), ("gwok3", "Ygw Yok3"), ("jyut6", "Yj Yyut6"), ("m4", "Ym Ym4"), ("ng5", "Yng Yg5"),
        ("ngo5", "Yng Yo5"), ("oi3", "Yoi Yi3"), ("uk1", "Yuk Yk1"), ("aa3", "Yaa Ya3"), ("aan1", "Yaa Yn1"),
        ("ok3", "Yok Yk3"), ("ong1", "Yon Yg1"), ("aang1", "Yng Yaang1"), ("deu6", "Yd Yiu6"), ("lem2", "Yl Yim2"),
    ],
)  # fmt: skip
def test_jyutping_becomes_symbols_of_the_table(syllable, symbols):
    assert " ".join(jyutping_to_symbols(syllable)) == symbols


@pytest.mark.parametrize("syllable", ["", "zung", "zung7", "Zung1", "xyz1", "bbb3"])
def test_invalid_jyutping_is_refused(syllable):
    with pytest.raises(ValueError, match=r"is not a (Jyutping )?syllable"):
        jyutping_to_symbols(syllable)


def test_every_reading_of_the_dictionary_has_symbols():
    import ToJyutping

    characters = "".join(map(chr, range(0x4E00, 0xA000)))
    readings = {r for _, found in ToJyutping.get_jyutping_candidates(characters) for r in found or []}
    syllables = {syllable for reading in readings for syllable in reading.split()}
    assert len(syllables) > 1500
    assert all(symbol in SYMBOL_IDS for syllable in syllables for symbol in jyutping_to_symbols(syllable))


def test_simplified_characters_are_read_as_traditional_ones_but_kept_in_the_text():
    simplified, traditional = phonemize("几点钟开会，软件", "yue"), phonemize("幾點鐘開會，軟件", "yue")
    assert simplified.ids == traditional.ids
    assert simplified.normalized_text == "几点钟开会,软件"
    assert simplified.word2ph == (2, 2, 2, 2, 2, 1, 2, 2)


def test_ne_is_a_particle_at_the_end_and_a_demonstrative_before_a_noun():
    assert phonemize("你呢？", "yue").symbols == ["Yn", "Yei5", "Yn", "Ye1", "?"]
    assert phonemize("呢首歌", "yue").symbols == ["Yn", "Yi1", "Ys", "Yau2", "Yg", "Yo1"]


def test_other_scripts_are_refused_and_not_dropped():
    with pytest.raises(ValueError, match="as Cantonese"):
        phonemize("你好の", "yue")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="呢個係一二十百佢哋嘅銀行長重上樓坐請女，。！1250.%$-:/~", min_size=1, max_size=40))
def test_any_characters_with_digits_and_marks_get_two_symbols_each(text):
    try:
        result = phonemize(text, "yue")
    except ValueError as error:
        assert "nothing to say" in str(error)
    else:
        assert len(result.word2ph) == len(result.normalized_text)
        assert all(n in (1, 2) for n in result.word2ph)
