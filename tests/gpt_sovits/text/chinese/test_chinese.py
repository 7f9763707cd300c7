"""Mandarin: normalization, readings, and an initial and a final with its tone for each character."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.chinese.normalization import MANDARIN, spoken_form
from gpt_sovits.text.chinese.numbers import cardinal, number
from gpt_sovits.text.chinese.pinyin_symbols import pinyin_to_symbols
from gpt_sovits.text.cleaning import clean
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.symbols import MANDARIN_FINALS, MANDARIN_INITIALS, PUNCTUATION, SYMBOL_IDS

SPOKEN = {
    # money
    "¥3.50，$1,200.5，€3.5万，HK$100": "三点五元,一千二百点五美元,三点五万欧元,一百港元",
    "100USD和£5-10": "一百美元和五到十英镑",
    # dates and times
    "2024-05-17，2024/5/7，1998年，08年": "二零二四年五月十七日,二零二四年五月七日,一九九八年,零八年",
    "2020-2024年，1000年前，2年，3年级": "二零二零到二零二四年,一千年前,两年,三年级",
    "9:30开会，14:05，8:30-17:00，2:00 pm": "九点半开会,十四点零五分,八点半到十七点,下午两点",
    "1:23:45，3:1": "一点二十三分四十五秒,三比一",
    # telephone numbers
    "13800138000，010-12345678": "幺三八,零零幺三,八零零零,零幺零,幺二三四五六七八",
    "拨打110，400-800-1234": "拨打幺幺零,四零零,八零零,幺二三四",
    # shares
    "50%，3.5%-5%，-3.5%，3‰": "百分之五十,百分之三点五到百分之五,百分之负三点五,千分之三",
    "1/2，2 1/2，½": "二分之一,二又二分之一,二分之一",
    # units
    "-3°C，37.5℃，25°": "零下三摄氏度,三十七点五摄氏度,二十五度",
    "5km，120km/h，3.5GHz，20m²，2kg": "五公里,每小时一百二十公里,三点五吉赫,二十平方米,两公斤",
    "10kg-20kg，5G，10M": "十公斤到二十公斤,五G,十M",
    "2个，2月2日，2万，200个，2000元，22个": "两个,二月二日,两万,二百个,两千元,二十二个",
    "1.5mm²，5mg/L，1.2g/cm3，2m³": "一点五平方毫米,每升五毫克,每立方厘米一点二克,两立方米",
    # ranges and signs with any dash
    "气温–5℃，温度—5℃，-3~-5℃": "气温零下五摄氏度,温度零下五摄氏度,零下三到零下五摄氏度",
    "5—10人，3℃~5℃，第3章–第5章，周一–周五": "五到十人,三摄氏度到五摄氏度,第三章到第五章,周一到周五",
    "2–3次，5月1日–5日，——5个": "两到三次,五月一日到五日-五个",
    "10⁻³，苏-27": "十的负三次方,苏二十七",
    # identifiers
    "密码2468，编号：669775550，尾号3306": "密码二四六八,编号,六六九七七五五五零,尾号三三零六",
    "705A，121B，175B参数，500G": "七零五A,一二一B,一百七十五B参数,五百G",
    "G2次，K571次，2次，2次方程": "G二次, K五七一次,两次,二次方程",
    "502室，801元，3栋1202，波音747": "五零二室,八百零一元,三栋一二零二,波音七四七",
    "12306，12306元，985高校，MU5101": "幺二三零六,一万二千三百零六元,九八五高校, M U五一零一",
    "123456789，123456789元，1000000000": "一二三四五六七八九,一亿二千三百四十五万六千七百八十九元,十亿",
    # Roman numerals
    "第II章，Ⅲ期，I型，V型，路易XIV世": "第二章,三期,一型, V型,路易十四世",
    # addresses
    "user@site.org": "user艾特site点org",
    "https://www.example.com/a1。": "example点com斜杠a一.",
    # letters, numbers, symbols
    "H200、RTX 4090、MP3、A4纸、GPT-4": "H二零零, RTX四零九零, MP三, A四纸, GPT四",
    "第3章，No.5，#1，3-5天，100+个，~50人": "第三章,五号,一号,三到五天,一百多个,约五十人",
    "10⁶，x²，π=3.14，2×3=6，≥18": "十的六次方, x的平方,派等于三点一四,二乘三等于六,大于等于十八",
    "007，192.168.1.1，3.11.2，1,234,567": "零零七,一九二点一六八点一点一,三点十一点二,一百二十三万四千五百六十七",
    "1，200和1,200": "一,二百和一千二百",
    "C++、C#、AT&T、well-known": "C++, C#, AT&T, well known",
    # marks
    "“你好……”——他说（真的）！？": "你好…他说,真的?",
    "《红楼梦》、阿尔伯特·爱因斯坦。": "红楼梦,阿尔伯特爱因斯坦.",
}


@pytest.mark.parametrize("written", SPOKEN)
def test_spoken_form(written):
    assert spoken_form(clean(written), MANDARIN) == SPOKEN[written]


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("0", "零"), ("10", "十"), ("12", "十二"), ("20", "二十"), ("110", "一百一十"), ("101", "一百零一"),
        ("1001", "一千零一"), ("1010", "一千零一十"), ("2002", "两千零二"), ("10000", "一万"), ("10010", "一万零一十"),
        ("12000", "一万二千"), ("20000", "两万"), ("100500", "十万零五百"), ("100000001", "一亿零一"),
        ("120000000", "一亿二千万"), ("1000000000000", "一万亿"), ("007", "零零七"),
    ],
)  # fmt: skip
def test_cardinal(digits, words):
    assert cardinal(digits) == words


VALUES = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2}


def value_of(words):
    """Return the number that a Chinese numeral stands for, by the rules of a textbook."""
    for unit, size in (("亿", 10**8), ("万", 10**4), ("千", 1000), ("百", 100), ("十", 10)):
        if unit in words:
            high, _, low = words.rpartition(unit) if unit in "亿万" else words.partition(unit)
            return (value_of(high) if high else 1) * size + (value_of(low) if low else 0)
    return VALUES[words.lstrip("零") or "零"]


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.integers(0, 10**16 - 1), st.integers(0, 10**5)))
def test_any_numeral_has_the_value_of_its_number(value):
    assert value_of(cardinal(str(value))) == value


def test_decimals_keep_their_zeros():
    assert [number(n) for n in ("3.14", "0.50", ".5", "1,234.5")] == [
        "三点一四",
        "零点五零",
        "零点五",
        "一千二百三十四点五",
    ]


@pytest.mark.parametrize(
    ("syllable", "symbols"),
    [
        ("zhong1", "zh ong1"), ("zi3", "z i03"), ("shi4", "sh ir4"), ("yi1", "y i1"), ("ye3", "y E3"),
        ("yan2", "y En2"), ("yuan2", "y van2"), ("ju4", "j v4"), ("lü4", "l v4"), ("lve4", "l ve4"),
        ("er2", "EE er2"), ("an1", "AA an1"),
        ("o5", "OO o5"), ("wu3", "w u3"), ("weng1", "w eng1"), ("jiong3", "j iong3"), ("liu2", "l iu2"),
        ("hui4", "h ui4"), ("n2", "EE en2"), ("nü3", "n v3"), ("qu:e4", "q ve4"),
    ],
)  # fmt: skip
def test_pinyin_becomes_symbols_of_the_table(syllable, symbols):
    assert " ".join(pinyin_to_symbols(syllable)) == symbols


@pytest.mark.parametrize("syllable", ["", "zhong", "zhong6", "ZHONG1", "xyz1", "zhong1 ", "1", "bü1x"])
def test_invalid_pinyin_is_refused(syllable):
    with pytest.raises(ValueError, match=r"is not a (pinyin )?syllable"):
        pinyin_to_symbols(syllable)


def test_every_reading_of_the_dictionary_has_symbols():
    from pypinyin.constants import PINYIN_DICT
    from pypinyin.contrib.tone_convert import to_tone3

    readings = {reading for readings in PINYIN_DICT.values() for reading in readings.split(",")}
    symbols = {pinyin_to_symbols(to_tone3(reading, neutral_tone_with_five=True)) for reading in readings}
    assert len(symbols) > 1400
    assert {initial for initial, _ in symbols} == set(MANDARIN_INITIALS)
    assert {final[:-1] for _, final in symbols} == set(MANDARIN_FINALS)


def test_word2ph_counts_the_symbols_of_each_character():
    result = phonemize("你好，2个世界。", "zh")
    assert result.normalized_text == "你好,两个世界."
    assert result.word2ph == (2, 2, 1, 2, 2, 2, 2, 1)
    assert phonemize("我用Python。", "zh").word2ph is None
    assert [segment.word2ph for segment in phonemize("我用Python。", "zh").segments] == [(2, 2), None]


def test_traditional_characters_are_read_as_simplified_ones_but_kept_in_the_text():
    traditional, simplified = phonemize("銀行的經理還書", "zh"), phonemize("银行的经理还书", "zh")
    assert traditional.ids == simplified.ids
    assert traditional.normalized_text == "銀行的經理還書"


@pytest.mark.parametrize(
    ("text", "pinyin"),
    [
        ("水和泥", "shui3 he2 ni2"),
        ("关系在变", "guan1 xi5 zai4 bian4"),
        ("他数了钱", "ta1 shu3 le5 qian2"),
        ("这个量大", "zhe4 ge5 liang4 da4"),
        ("人为因素", "ren2 wei2 yin1 su4"),
        ("买东西", "mai3 dong1 xi5"),
    ],
)
def test_a_context_does_not_change_other_sentences(text, pinyin):
    assert phonemize(text, "zh").symbols == [s for syllable in pinyin.split() for s in pinyin_to_symbols(syllable)]


@pytest.mark.parametrize(
    ("language", "name"), [("zh", "Chinese"), ("yue", "Cantonese"), ("ja", "Japanese"), ("ko", "Korean")]
)
def test_the_phonetic_alphabet_is_refused_in_the_name_of_the_language(language, name):
    with pytest.raises(ValueError, match=f"cannot speak 'ɪ' as {name}"):
        phonemize("[eɪ]", language)


@pytest.mark.parametrize("text", ["你好の", "Привет你好", "你好 안녕"])
def test_other_scripts_are_refused_and_not_dropped(text):
    with pytest.raises(ValueError, match="as Chinese; write such words in Chinese or English"):
        phonemize(text, "zh")


def test_a_character_without_a_reading_is_named():
    with pytest.raises(
        ValueError, match="no dictionary has a reading of '\U00030729' in Chinese; add it to the lexicon"
    ):
        phonemize("你好\U00030729", "zh")


@settings(max_examples=150, deadline=None)
@given(
    st.text(
        alphabet="一不个看百十零五九好老板很想买水果女儿花你我得地的了着子头上里，。！1250.%$-:/~",
        min_size=1,
        max_size=40,
    )
)
def test_any_characters_with_digits_and_marks_get_two_symbols_each(text):
    try:
        result = phonemize(text, "zh")
    except ValueError as error:
        assert "nothing to say" in str(error)
        return
    assert len(result.word2ph) == len(result.normalized_text)
    for character, n in zip(result.normalized_text, result.word2ph, strict=True):
        assert n == (1 if character in PUNCTUATION else 2)
    assert not re.search(r"[0-9$%]", result.normalized_text)


@settings(max_examples=100, deadline=None)
@given(
    st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5, codec="gb2312"), min_size=1, max_size=20)
)
def test_any_common_characters_are_spoken(text):
    result = phonemize(text, "zh")
    assert len(result.symbols) == 2 * len(text)
    assert all(symbol in SYMBOL_IDS for symbol in result.symbols)
