"""Normalization of Chinese: numbers, dates, money, units, addresses and symbols become characters.

Mandarin and Cantonese share one set of rules. The rules produce Mandarin words in simplified characters, which the
`wording` of the dialect then translates. English words stay as they are: gpt_sovits.text.scripts takes them out later.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Callable

from gpt_sovits.text.addresses import ADDRESS, spoken_address
from gpt_sovits.text.alphabets import ENGLISH_PLACEHOLDERS, HAN, LATIN, MAIN_PLACEHOLDERS
from gpt_sovits.text.chinese import identifiers
from gpt_sovits.text.chinese.numbers import cardinal, number, read_digits
from gpt_sovits.text.chinese.units import NOT_COUNTED, NOUNS_AFTER_LIANG, UNIT, unit_words
from gpt_sovits.text.roman import replace_numbered
from gpt_sovits.text.scripts import NO_UNIT

CURRENCIES = {
    "US$": "美元", "USD": "美元", "HK$": "港元", "HKD": "港元", "NT$": "新台币", "RMB": "元人民币", "CNY": "元人民币",
    "EUR": "欧元", "GBP": "英镑", "JPY": "日元", "$": "美元", "¥": "元", "€": "欧元", "£": "英镑", "₩": "韩元",
}  # fmt: skip
SYMBOLS = {
    "+": "加", "=": "等于", "×": "乘", "÷": "除以", "<": "小于", ">": "大于", "≤": "小于等于", "≥": "大于等于",
    "≈": "约等于", "≠": "不等于", "±": "正负", "%": "百分号", "‰": "千分号", "°": "度", "@": "艾特", "&": "和",
    "√": "根号", "∞": "无穷大", "$": "美元", "€": "欧元", "£": "英镑", "¥": "元", "^": "的",
}  # fmt: skip
GREEK = {
    "α": "阿尔法", "β": "贝塔", "γ": "伽马", "δ": "德尔塔", "ε": "艾普西龙", "ζ": "泽塔", "η": "伊塔", "θ": "西塔",
    "ι": "约塔", "κ": "卡帕", "λ": "拉姆达", "μ": "缪", "ν": "纽", "ξ": "克西", "ο": "奥密克戎", "π": "派", "ρ": "柔",
    "σ": "西格马", "τ": "陶", "υ": "宇普西龙", "φ": "斐", "χ": "希", "ψ": "普西", "ω": "欧米伽",
}  # fmt: skip
PAUSES = str.maketrans(
    {**dict.fromkeys(";:()[]{}、【】•", ","), **dict.fromkeys("—–―", "-"), "。": ".", "｡": ".", "~": "…"}
    | {**dict.fromkeys("《》〈〉「」『』·・", ""), "〇": "零"}
)
PAUSE_MARKS = "?!….-,"  # the strongest first
MARK = "[" + re.escape(PAUSE_MARKS) + "]"
NUMBER = r"(?>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)*)"  # atomic: without it long digits take seconds
NOT_IN_NUMBER = r"(?<![\d.])"  # the match does not begin inside a number
RANGE_SIGN = r"\s?[-~–—]\s?"
NUMBER_ENDS = "年月日号號时時点點分秒度元米章节節页頁期届屆级級楼樓层層题題人个個岁歲"  # a dash after these is a range
NUMERALS = "零一二三四五六七八九十百千万亿"
# a dash directly before a number is a minus sign, unless something that it could range from stands before it
MINUS_SIGN = re.compile(
    rf"(?<![A-Za-z0-9.%‰℃°)）–—{NUMERALS}])(?<![0-9{NUMERALS}][{NUMBER_ENDS}])(?:–|—(?=\d+(?:\.\d+)?\s?[°度]))(?=\.?\d)"
)
ROMAN_ENDS, ROMAN_SINGLE_ENDS = "章节節卷部册冊集期级級类類型届屆条條款阶階编編回幕季世篇讲講", "型期级級类類"


@dataclasses.dataclass(frozen=True)
class Dialect:
    """What differs between Mandarin and Cantonese.

    Attributes:
        name: The name of the language in messages.
        wording: Translates the words of a rule (Mandarin, in simplified characters) into this language.
        address_words: The names of the signs of an e-mail or web address.
        telephone_one: Whether 1 is 幺 in telephone numbers.
    """

    name: str
    wording: Callable[[str], str]
    address_words: dict[str, str]
    telephone_one: bool


def spoken_form(text: str, dialect: Dialect) -> str:
    """Return a Chinese text as it is spoken.

    A run of punctuation becomes its strongest mark. Symbols without a name are dropped.

    Args:
        text: A text after `cleaning.clean`. Placeholders of the lexicon's words are kept.
        dialect: MANDARIN or cantonese.CANTONESE.

    Returns:
        Characters, Latin words, placeholders and the marks ! ? … , . and -, with spaces only beside Latin words.

    Raises:
        ValueError: If the text contains letters or digits of another script. Dropping them would lose words.
    """
    text = MINUS_SIGN.sub("-", text.replace("...", "…").replace("−", "-"))
    text = replace_numbered(text, "第", ROMAN_ENDS, ROMAN_SINGLE_ENDS)
    text = re.sub("(?<=[A-Za-z0-9])-(?=[A-Za-z])", " ", text)  # F5-TTS
    for pattern, function in RULES:
        text = pattern.sub(lambda m, function=function: dialect.wording(function(m, dialect)), text)
    text = re.sub(rf"(?<=[{LATIN}])-(?=[{LATIN}\d])", " ", text).translate(PAUSES)
    foreign = sorted({c for c in text if unicodedata.category(c)[0] in "LN" and not SPOKEN_CHARACTER.match(c)})
    if foreign:
        raise ValueError(
            f"cannot speak {''.join(foreign[:10])!r} as {dialect.name}; write such words in Chinese or English, "
            "or pass the language of the text"
        )
    text = re.sub(
        " +", " ", "".join(c if SPOKEN_CHARACTER.match(c) or c in PAUSE_MARKS + "' &+#" else " " for c in text)
    )
    text = re.sub(rf"\s*{MARK}(?:\s*{MARK})*\s*", _strongest_mark, text)
    text = re.sub(
        rf"(?<![{LATIN}{ENGLISH_PLACEHOLDERS}{re.escape(PAUSE_MARKS)}'+#]) | (?![{LATIN}{ENGLISH_PLACEHOLDERS}])",
        "",
        text,
    )
    return text.lstrip(PAUSE_MARKS + " '&+#").rstrip()


SPOKEN_CHARACTER = re.compile(f"[{HAN}{LATIN}{MAIN_PLACEHOLDERS}{ENGLISH_PLACEHOLDERS}]")


def _strongest_mark(m: re.Match[str]) -> str:
    mark = min((c for c in m[0] if c in PAUSE_MARKS), key=PAUSE_MARKS.index)
    return mark + " " if re.match(f"[{LATIN}]", m.string[m.end() : m.end() + 1]) else mark


def _address(m: re.Match[str], dialect: Dialect) -> str:
    return spoken_address(m[0], dialect.address_words, read_digits, " ")


def _date(m: re.Match[str], dialect: Dialect) -> str:
    if not (1 <= int(m["month"]) <= 12 and 1 <= int(m["day"]) <= 31):
        return m[0]
    return f"{read_digits(m['year'])}年{cardinal(str(int(m['month'])))}月{cardinal(str(int(m['day'])))}日"


def _time(m: re.Match[str], dialect: Dialect) -> str:
    hour, minute, second = int(m["hour"]), int(m["minute"]), m["second"]
    half = {"a": "上午", "p": "下午"}.get((m["half"] or "").lower(), "")
    words = half + ("两" if hour == 2 else cardinal(str(hour))) + "点"
    if second:
        return words + f"{_two_digits(m['minute'])}分{_two_digits(second)}秒"
    if minute == 30:
        return words + "半"
    return words + (_two_digits(m["minute"]) + "分" if minute else "")


def _two_digits(digits: str) -> str:
    """Read minutes or seconds: '05' -> '零五', '15' -> '十五', '00' -> '零'."""
    value = int(digits)
    return cardinal(str(value)) if value >= 10 or value == 0 else "零" + cardinal(str(value))


def _telephone(m: re.Match[str], dialect: Dialect) -> str:
    digits = re.sub(r"[^\d+]", " ", m[0]).split()
    if len(digits) == 1 and len(digits[0]) == 11:  # a mobile number: 138 0013 8000
        digits = [digits[0][:3], digits[0][3:7], digits[0][7:]]
    groups = (read_digits(group.lstrip("+"), telephone=dialect.telephone_one) for group in digits)
    return ("加" if m[0].startswith("+") else "") + ",".join(groups)


def _money(m: re.Match[str], dialect: Dialect) -> str:
    amounts = (re.sub(r"\.0+$|(?<=\.\d)0$", "", a) for a in (m["amount"], m["until"]) if a)
    words = "到".join(number(amount) for amount in amounts)
    magnitude = {"k": "千", "m": "百万", "b": "十亿"}.get((m["magnitude"] or "").lower(), m["magnitude"] or "")
    return words + magnitude + CURRENCIES[m["currency"].upper()]


def _fraction(m: re.Match[str], dialect: Dialect) -> str:
    whole = cardinal(m["whole"]) + "又" if m["whole"] else ""
    return f"{whole}{cardinal(m['bottom'])}分之{cardinal(m['top'])}"


def _power(m: re.Match[str], dialect: Dialect) -> str:
    sign, power = "负" * m["power"].startswith("-"), m["power"].lstrip("-")
    return "的" + ({"2": "平方", "3": "立方"}.get(m["power"]) or f"{sign}{cardinal(power)}次方")


def _temperature(m: re.Match[str], dialect: Dialect) -> str:
    amount = ("零下" if m["minus"] else "") + number(m["amount"])
    if m["until"]:
        amount += "到" + ("零下" if m["until"].startswith("-") else "") + number(m["until"].lstrip("-"))
    return unit_words(m["unit"].replace(" ", "")).format(amount)


def _unit(m: re.Match[str], dialect: Dialect) -> str:
    return unit_words(m["unit"]).format("两" if m["amount"] == "2" else number(m["amount"]))


def _train(m: re.Match[str], dialect: Dialect) -> str:
    return cardinal(m["n"], "二")


def _identifier(one_is_yao: bool) -> Callable[[re.Match[str], Dialect], str]:
    """Return a function that reads the digits of an identifier and keeps what stands before them."""

    def words(m: re.Match[str], dialect: Dialect) -> str:
        before = m[0][: m.start("n") - m.start()]
        return before + read_digits(m["n"], telephone=one_is_yao and dialect.telephone_one)

    return words


Rule = tuple[re.Pattern[str], Callable[[re.Match[str], Dialect], str]]


def rule(pattern: str, function: Callable[[re.Match[str], Dialect], str] | str) -> Rule:
    """Return a rule that replaces each match by the words of the function, or by the given words."""
    words = (lambda m, dialect: function) if isinstance(function, str) else function
    return re.compile(pattern, re.IGNORECASE), words


def numeral(pattern: str, read: Callable[[str], str]) -> Rule:
    """Return a rule that replaces each match by group n, read by a function."""
    return rule(pattern, lambda m, dialect: read(m["n"]))


RULES: list[Rule] = [
    rule(f"(?a:{ADDRESS})", _address),
    rule(r"(?<![A-Za-z])(?:[A-Za-z]\.){2,}", lambda m, dialect: " ".join(m[0].replace(".", "")) + " "),  # U.S.
    rule(rf"{NOT_IN_NUMBER}(?P<year>\d{{4}})(?P<s>[-/.])(?P<month>\d{{1,2}})(?P=s)(?P<day>\d{{1,2}})(?![\d.-])", _date),
    numeral(rf"{NOT_IN_NUMBER}(?P<n>1\d{{3}}|20\d{{2}})(?={RANGE_SIGN}(?:1\d{{3}}|20\d{{2}})年)", read_digits),
    rule(rf"(?<=[{'零一二三四五六七八九'}]){RANGE_SIGN}(?=\d{{4}}年)", "到"),
    numeral(
        rf"{NOT_IN_NUMBER}(?P<n>1[1-9]\d\d|20\d\d|0\d)(?=\s?(?:年(?!级|前|以前|之前|历史)|届|级|款|财年|赛季))",
        read_digits,
    ),
    rule(rf"(?<=\d:\d\d){RANGE_SIGN}(?=\d{{1,2}}:\d\d)", "到"),
    rule(
        r"(?<![\d:])(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"
        r"(?:\s?(?P<half>[ap])\.?m\b\.?)?",
        _time,
    ),
    rule(r"(?<=\d):(?=\d)", "比"),
    rule(r"(?<![\d.])(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?![\d.])", _telephone),
    rule(r"(?<![\d.])(?:\+\d{1,3}[ -]?\d{2,4}(?:[ -]?\d{3,4}){1,3}|0\d{2,3}[ -]\d{3,4}[ -]?\d{4})(?!\d)", _telephone),
    rule(r"(?<![\d.])[48]00-\d{3,4}-?\d{3,4}(?!\d)", _telephone),
    rule(
        r"(?P<before>(?:拨打|撥打|致电|致電|电话|電話|热线|熱線|拨|撥|打)(?:号码|號碼)?[是为:为]?\s?)(?P<n>\d{3,8})(?![\d.%])",
        lambda m, dialect: m["before"] + read_digits(m["n"], telephone=dialect.telephone_one),
    ),
    rule(r"(?<![\d.])\d+(?:-\d+){2,}(?!\d)", lambda m, dialect: ",".join(map(read_digits, m[0].split("-")))),
    rule(
        rf"(?<![A-Za-z])(?P<currency>{'|'.join(map(re.escape, sorted(CURRENCIES, key=len, reverse=True)))})\s?"
        rf"(?P<amount>{NUMBER})(?:{RANGE_SIGN}(?P<until>{NUMBER}))?(?P<magnitude>[万亿千百萬億]+|[kmb](?![a-z]))?",
        _money,
    ),
    rule(
        rf"(?P<amount>{NUMBER})(?:{RANGE_SIGN}(?P<until>{NUMBER}))?(?P<magnitude>[万亿千百萬億]+)?\s?"
        rf"(?P<currency>{'|'.join(c for c in CURRENCIES if c.isalpha())}|[€£])(?![A-Za-z])",
        _money,
    ),
    rule(
        r"(?<![A-Za-z])(?P<letters>[A-Z]{2})[- ]?(?=\d{3,}(?![\d.,]*[A-Za-z]|\.\d))",
        lambda m, d: " ".join(m["letters"]),
    ),
    *(rule(pattern.pattern, _identifier(one)) for pattern, one in identifiers.RULES),
    rule(r"(?<=[GDCZTKYLS])\s?(?P<n>\d{1,2})(?=次)", _train),
    rule(rf"{NOT_IN_NUMBER}(?:(?P<whole>\d+) )?(?P<top>\d+)/(?P<bottom>\d+)(?![\d/.])", _fraction),
    rule(r"(?<=°[CF])\s?[-~–—]\s?(?=-?\d)", "到"),
    rule(
        rf"(?P<minus>(?<![A-Za-z0-9%])-)?(?P<amount>{NUMBER})(?:{RANGE_SIGN}(?P<until>-?{NUMBER}))?\s?"
        r"(?P<unit>° ?[cf])(?![a-z])",
        _temperature,
    ),
    rule(rf"{NOT_IN_NUMBER}2{RANGE_SIGN}(?={NUMBER}\s?[{NOUNS_AFTER_LIANG}](?!级|級))", "两到"),
    rule(rf"(?<=[0-9{NUMERALS}][{NUMBER_ENDS}])\s?[~–—]\s?(?=\d)", "到"),
    rule(rf"(?<=[{NUMBER_ENDS}{NUMERALS}])\s?[-~–—]\s?(?=第|周[一二三四五六日]|星期|礼拜)", "到"),
    rule(rf"(?<=[\d%‰]){RANGE_SIGN}(?=\d)", "到"),
    rule(
        rf"(?P<minus>(?<![A-Za-z0-9%])-)?(?P<amount>{NUMBER})\s?(?P<of>[%‰])",
        lambda m, d: ("百" if m["of"] == "%" else "千") + "分之" + "负" * bool(m["minus"]) + number(m["amount"]),
    ),
    rule(
        rf"(?P<amount>{NUMBER})\s?(?!{NO_UNIT})(?P<unit>{UNIT})"
        rf"(?![{LATIN}\d/'])",
        _unit,
    ),
    rule(r"\^(?P<power>-?\d{1,4})(?!\d)", _power),
    numeral(r"(?<=第)\s?(?P<n>\d+)(?!\d)", lambda digits: cardinal(digits, "二")),
    numeral(r"(?:\bno\.?|№|#)\s?(?P<n>\d+)(?!\d)", lambda digits: cardinal(digits, "二") + "号"),
    numeral(rf"(?<=[{LATIN}])[- ]?(?P<n>\d{{3,}})(?![\d.,]\d)", read_digits),  # H200, RTX 4090
    rule(rf"(?<=[{LATIN}])-(?=\d)", " "),
    rule("(?<=[苏歼图轰运直格风征舟娥问旗击浪表])-(?=\\d)", ""),  # the aircraft 苏-27, the figure 图-3
    rule(rf"(?<=[{HAN}])-(?=[零一二三四五六七八九十百千万])", "到"),  # 10 kg-20 kg
    rule(r"(?<![A-Za-z0-9.零一二三四五六七八九十年月日号点分])-(?=\.?\d)", "负"),
    rule(r"(?<![\w.])[~约]\s?(?=\d)", "约"),
    rule(r"(?<=\d)\+(?!\d|\s\d)", "多"),
    numeral(rf"{NOT_IN_NUMBER}(?P<n>2)(?=\s?(?!{NOT_COUNTED})[{NOUNS_AFTER_LIANG}](?!级|級))", lambda digits: "两"),
    numeral(rf"{NOT_IN_NUMBER}(?P<n>2)(?=室\d厅)", lambda digits: "两"),
    rule(rf"{NUMBER}", lambda m, dialect: number(m[0])),
    rule("[" + "".join(GREEK) + "]", lambda m, dialect: GREEK[m[0].lower().replace("ς", "σ")]),
    rule(  # C++ and AT&T are English words
        rf"(?<![{LATIN}+])[+]|(?<![{LATIN}])&|&(?![{LATIN}])|[{re.escape(''.join(set(SYMBOLS) - set('+&')))}]",
        lambda m, dialect: SYMBOLS[m[0]],
    ),
]
# fmt: off
MANDARIN = Dialect(
    name="Chinese",
    wording=lambda words: words,
    address_words={
        "@": "艾特",
        ".": "点",
        "/": "斜杠",
        ":": "冒号",
        "-": "横杠",
        "_": "下划线",
        "?": "问号",
        "=": "等于",
        "&": "和",
        "#": "井号",
        "%": "百分号",
        "+": "加",
        "~": "波浪线",
    },
    telephone_one=True,
)
# fmt: on
