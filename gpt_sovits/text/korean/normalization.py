"""Normalization of Korean: numbers, dates, money, units, addresses and Latin letters become Hangul."""

import re
import unicodedata
from collections.abc import Callable

from gpt_sovits.text.korean.numbers import (
    SINO_DIGITS,
    number,
    number_before_counter,
    number_in_context,
    read_digits,
    sino_numeral,
)
from gpt_sovits.text.rewriting import Rule, alternatives
from gpt_sovits.text.rewriting import rule as rewrite_rule

# ruff: noqa: SIM905 - tables of short words read better as text

LETTER_NAMES = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "에이 비 시 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 아르 에스 티 유 브이 더블유 "
        "엑스 와이 제트".split(),
        strict=True,
    )
)
JAMO_NAMES = dict(
    zip(
        "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎㄲㄸㅃㅆㅉ",
        "기역 니은 디귿 리을 미음 비읍 시옷 이응 지읒 치읓 키읔 티읕 피읖 히읗 쌍기역 쌍디귿 쌍비읍 쌍시옷 "
        "쌍지읒".split(),
        strict=True,
    )
)
CURRENCIES = {"₩": ("원", ""), "$": ("달러", "센트"), "€": ("유로", "센트"), "£": ("파운드", "펜스"), "¥": ("엔", "")}
MAGNITUDES = {"K": "천", "M": "백만", "B": "십억"}
UNITS = {
    "km": "킬로미터", "m": "미터", "cm": "센티미터", "mm": "밀리미터", "μm": "마이크로미터", "nm": "나노미터",
    "kg": "킬로그램", "g": "그램", "mg": "밀리그램", "t": "톤", "L": "리터", "l": "리터", "ℓ": "리터",
    "mL": "밀리리터", "ml": "밀리리터", "dL": "데시리터", "ha": "헥타르", "m/s": "미터 퍼 세크",
    "GB": "기가바이트", "MB": "메가바이트", "KB": "킬로바이트", "kB": "킬로바이트", "TB": "테라바이트",
    "Gbps": "기가비피에스", "Mbps": "메가비피에스",
    "kbps": "킬로비피에스", "fps": "프레임", "Hz": "헤르츠", "kHz": "킬로헤르츠", "MHz": "메가헤르츠",
    "GHz": "기가헤르츠", "W": "와트", "kW": "킬로와트", "MW": "메가와트", "kWh": "킬로와트시", "V": "볼트",
    "A": "암페어", "mA": "밀리암페어", "mAh": "밀리암페어시", "dB": "데시벨", "px": "픽셀", "kcal": "킬로칼로리",
    "cal": "칼로리", "hPa": "헥토파스칼", "ms": "밀리초", "s": "초", "sec": "초", "min": "분", "h": "시간",
    "rpm": "알피엠", "ppm": "피피엠", "%p": "퍼센트포인트", "%": "퍼센트", "‰": "퍼밀", "°C": "도", "°": "도",
}  # fmt: skip
LENGTHS = {"km": "킬로미터", "m": "미터", "cm": "센티미터", "mm": "밀리미터", "μm": "마이크로미터"}
UNITS |= {length + "2": "제곱" + name for length, name in LENGTHS.items()}
UNITS |= {length + "3": "세제곱" + name for length, name in LENGTHS.items()}
RATES = ("m3", "cm3", "mm3", "m2", "cm2", "L", "mL", "dL", "l", "kg", "g")  # 5mg/L: 리터당 오밀리그램
SYMBOLS = {
    "%": "퍼센트", "&": "앤드", "@": "골뱅이", "+": "플러스", "=": "은", "≠": "낫이퀄", "≈": "약",
    "±": "플러스마이너스", "×": "곱하기", "÷": "나누기", "<": "작다", ">": "크다", "≤": "이하", "≥": "이상",
    "°": "도", "#": "샵", "₩": "원", "$": "달러", "€": "유로", "£": "파운드", "¥": "엔", "∞": "무한대", "§": "섹션",
}  # fmt: skip
ADDRESS_SIGNS = {
    ".": "점", "/": "슬래시", "-": "하이픈", "_": "언더바", ":": "콜론", "@": "골뱅이", "?": "물음표", "=": "이퀄",
    "&": "앤드", "#": "샵", "%": "퍼센트", "~": "물결", "+": "플러스",
}  # fmt: skip


def rule(pattern: str, words: str | Callable[[re.Match[str]], str], flags: int = re.ASCII) -> Rule:
    """Return a rule whose digits are those of ASCII, unless other flags are given."""
    return rewrite_rule(pattern, words, flags)


def _address(m: re.Match[str]) -> str:
    plain = re.sub(r"^(?:https?://)?(?:www\.)?", "", m[0], flags=re.IGNORECASE).rstrip("/")
    signs = "".join(f" {ADDRESS_SIGNS[c]} " if c in ADDRESS_SIGNS else c for c in plain)
    return re.sub(r"\d+", lambda digits: sino_numeral(digits[0]), signs) + _gap_after(m)


def _gap_after(m: re.Match[str]) -> str:
    """Return a space if a Latin word or number follows. Particles follow without a space."""
    return " " if re.match(r"\w", m.string[m.end() : m.end() + 1], re.ASCII) else ""


def _money(m: re.Match[str]) -> str:
    unit, cent = CURRENCIES[m["sign"]]
    whole, _, fraction = m["amount"].partition(".")
    if m["magnitude"]:
        return number(m["amount"]) + MAGNITUDES.get(m["magnitude"], m["magnitude"]) + " " + unit
    if cent and len(fraction) == 2:
        cents = f"{sino_numeral(str(int(fraction)))}{cent}" if int(fraction) else ""
        dollars = f"{sino_numeral(whole)}{unit}" if whole.strip("0") or not cents else ""
        return f"{dollars} {cents}".strip()
    return number(m["amount"]) + unit


def _date(m: re.Match[str]) -> str:
    month, day = int(m["month"]), int(m["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return m[0]
    return f"{m['year']}년 {month}월 {day}일"


def _time(m: re.Match[str]) -> str:
    hour, minute, second = int(m["hour"]), int(m["minute"]), int(m["second"] or 0)
    if hour > 24 or minute > 59 or second > 59:
        return f"{sino_numeral(str(hour))} 대 {sino_numeral(str(minute))}"
    parts = [f"{hour}시", f"{minute}분" if minute or second else "", f"{second}초" if m["second"] else ""]
    return " ".join(filter(None, parts))


def _slash(m: re.Match[str]) -> str:
    """Read 3/4 as a fraction, and 11/25 and 6/5 as days (see `is_day`)."""
    upper, lower, rest = int(m[1]), int(m[2]), m[3] or ""
    day = 1 <= upper <= 12 and 1 <= lower <= 31 and (m[3] is not None or is_day(upper, lower))
    return (f"{upper}월 {lower}일" if day else f"{sino_numeral(str(lower))}분의 {sino_numeral(str(upper))}") + rest


def is_day(upper: int, lower: int) -> bool:
    """Return whether a/b is more likely month and day than a fraction, which is below 1 with a common denominator."""
    return upper >= lower or (lower > 10 and lower not in (12, 16, 20, 24))


def _anniversary(m: re.Match[str]) -> str:
    """Read the date of an event: 6·25 is 육이오, 12·12 is 십이십이."""
    return sino_numeral(m[1]) + (
        "".join(SINO_DIGITS[digit] for digit in m[2]) if len(m[1]) == 1 else sino_numeral(m[2])
    )


def _telephone(m: re.Match[str]) -> str:
    return ", ".join(read_digits(group) for group in re.findall(r"\d+", m[0]))


def _rate(m: re.Match[str]) -> str:
    return f"{UNITS[m['rate']]}당 {number(m['amount'])}{UNITS[m['unit']]}"


def _counted(m: re.Match[str]) -> str:
    """Read a number with the Hangul after it, which together with its neighbours decides between 삼 and 세."""
    before, after = m.string[: m.start()], m.string[m.start("counter") :]
    words = number_in_context(m["digits"], m["counter"], before, after)
    return words + m["gap"] + m["counter"]


def _code(m: re.Match[str]) -> str:
    return m["before"] + read_digits(m["digits"])


def _range(m: re.Match[str]) -> str:
    """Read a range with a counter (10~20명). The counter decides how both numbers are read."""
    first, last = (number_before_counter(m[side], m["counter"]) for side in ("first", "last"))
    return f"{first}에서 {last}{m['gap']}{m['counter']}"


NUMBER = r"\d+(?:\.\d+)?"
CODE_NOUNS = "번호|비밀번호|코드|암호|아이디|ID|PIN"  # after these, digits are read one by one
# before these words 번 means a number and not "times": 3번 출구 is 삼번
NUMBERED = "출구|문제|문항|버스|국도|선수|타자|홈|게이트|창구|채널|트랙|좌석|후보|항목"
RULES: list[Rule] = [
    rule(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}", _address),
    rule(r"(?i:https?://|www\.)[A-Za-z0-9._/:?=&#%~+-]*[A-Za-z0-9/]", _address),
    rule(r"(?<![A-Za-z0-9.])(?:[A-Za-z0-9-]{1,63}\.){1,8}(?:com|org|net|kr|io|ai|dev|tv)(?:/[\w./-]*\w)?(?![A-Za-z0-9])",
         _address),
    rule(r"(?<=\d),(?=\d{3}(?!\d))", ""),
    rule(rf"(?P<sign>[{''.join(CURRENCIES)}])\s?(?P<amount>{NUMBER})\s?(?P<magnitude>[만억조천KMB]?)(?![A-Za-z])",
         _money),
    rule(r"(?<![\d/.-])(?P<year>\d{4})(?P<s>[/.-])\s?(?P<month>\d{1,2})(?P=s)\s?(?P<day>\d{1,2})(?![\d/-]|\.\d)",
         _date),
    rule(r"(?<![\d:])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?![\d:])", _time),
    rule(r"(?<!\d)(\d{1,4})(?::|\s?대\s?)(?=\d)", lambda m: f"{sino_numeral(m[1])} 대 "),
    rule(r"(?<!\d)(\d{1,2})·(\d{1,2})(?!\d)", _anniversary),
    rule(r"(?<![\d/])(\d{1,2})/(\d{1,3})(?![\d/])((?=\([월화수목금토일]\))|일|까지|부터|에)?", _slash),
    rule(r"\(([월화수목금토일])\)", lambda m: f" {m[1]}요일"),
    rule(r"\(주\)\s?", "주식회사 "),
    rule(r"\+(?=\d{1,3}-\d)", "플러스 "),
    rule(r"(?<![\d-])\(?0\d{1,3}\)?[- ]?\d{3,4}-\d{4}(?![\d-])|(?<![\d-])\d{1,4}-\d{2,4}-\d{3,4}(?:-\d{4})?(?![\d-])"
         r"|(?<![\d-])1\d{3}-\d{4}(?![\d-])", _telephone),
    rule(rf"(?P<before>(?:{CODE_NOUNS})(?:는|은|가|이|:)?\s?)(?P<digits>\d{{3,}})(?!\d|[.,]\d|-|\s?[개명원번])", _code),
    rule(r"(?P<before>(?<![\d.,-]))(?P<digits>\d{9,}(?<!000))(?!\d|[.,]\d|-|\s?[개명원번])", _code),
    rule(rf"(?<![\d.])(?P<first>{NUMBER})\s?[~∼〜–—-]\s?(?P<last>{NUMBER})(?P<gap>\s?)(?P<counter>[가-힣]+)", _range),
    rule(rf"(?<=\d)\s?[~∼〜–—]\s?(?={NUMBER})|(?<=\d[시분월일])\s?[~∼〜–—-]\s?(?=\d)", "에서 "),
    rule(r"(?<![\w.])[-−–](?=\.?\d+(?:\.\d+)?\s?°)", "영하 "),
    rule(r"(?<![\w.])[-−–](?=\.?\d)", "마이너스 "),
    rule(r"(?<=\d)\s?[-−]\s?(?=\d)", " 다시 "),
    rule(r"(?<![\d.])\.(?=\d)", "0."),
    rule(rf"(?<![\d.])({NUMBER})\s?°F", lambda m: f"화씨 {number(m[1])}도"),
    rule(rf"(?<![\d.])({NUMBER})\s?km/h", lambda m: f"시속 {number(m[1])}킬로미터"),
    rule(rf"(?<![\d.])(?P<amount>{NUMBER})\s?(?P<unit>mg|kg|g|μg|mL)/(?P<rate>{'|'.join(RATES)})(?![A-Za-z0-9])",
         _rate),
    rule(rf"(?<![\d.])({NUMBER})\s?({alternatives(UNITS)})(?![A-Za-z0-9])", lambda m: number(m[1]) + UNITS[m[2]]),
    rule(r"#(?=\d)", "넘버 "),
    rule(r"#(?=[가-힣])", "해시태그 "),
    rule(r"(?<=\d)\s?\+\s?(?=\d)", " 더하기 "),
    rule(rf"(?<=\d)\s?=\s?(?={NUMBER})", "은 "),
    rule(rf"(?<=제)\s?(\d+)|(?<![\d.])(\d+)(?=번 (?:{NUMBERED}))", lambda m: sino_numeral(m[1] or m[2])),
    rule(r"(?<![\d.])(?P<digits>\d+(?:\.\d+)?)(?P<gap>\s?)(?P<counter>[가-힣]+)", _counted),
    rule(r"\d+(?:\.\d+)*", lambda m: number(m[0])),
    rule(r"(?<=[A-Za-z])[-'](?=\w)", " ", 0),
    rule(f"[{re.escape(''.join(SYMBOLS))}]", lambda m: f" {SYMBOLS[m[0]]} "),
]  # fmt: skip
# punctuation, the strongest mark first, and other marks that become one of these
PAUSE_MARKS = "?!….-,"
MARK_TRANSLATIONS = str.maketrans({**dict.fromkeys(";:()[]{}/·・→|、", ","), **dict.fromkeys("–—―─", "-"), "。": "."})
MARK = "[" + re.escape(PAUSE_MARKS) + "]"


def spoken_form(text: str) -> str:
    """Return a Korean text as it is spoken. A spoken form is its own spoken form.

    Compatibility forms are composed, quotes are dropped, and brackets become pauses. A run of punctuation becomes its
    strongest mark. Single Korean letters become their names (ㄱ 기역), or sounds if they stand for a noise (ㅋㅋ 크크).
    Symbols without a name are dropped. Private-use characters are kept, because they may be placeholders of the
    lexicon's words.

    Args:
        text: Any text.

    Returns:
        Hangul, Chinese characters, Latin words, placeholders and spaces with the marks ! ? … , . and -.
    """
    text = unicodedata.normalize("NFKC", text).replace("\N{FRACTION SLASH}", "/").replace("...", "…")
    text = re.sub(r"\s+", " ", text)
    text = re.sub("[\u1100-\u1112\u1161-\u1175\u11a8-\u11c2]+", _lone_letters, text)
    text = re.sub("[\u00c0-\u024f\u1e00-\u1eff]", lambda m: unicodedata.normalize("NFKD", m[0])[0], text)
    for pattern, words in RULES:
        text = pattern.sub(words, text)
    text = text.translate(MARK_TRANSLATIONS)
    text = "".join(c if c.isalnum() or c in PAUSE_MARKS or "\ue000" <= c <= "\uf8ff" else _replacement(c) for c in text)
    text = re.sub(rf" ?{MARK}(?: ?{MARK})* ?", _strongest_mark, re.sub(r"\s+", " ", text))
    return re.sub(r"\s+", " ", text).strip().lstrip(PAUSE_MARKS + " ")


def name_letters(text: str) -> str:
    """Replace Latin letters by their Korean names, as GPT-SoVITS does: 'GPU' -> '지피유'."""
    return re.sub("[A-Za-z]", lambda m: LETTER_NAMES[m[0].lower()], text)


def _replacement(character: str) -> str:
    return "" if character in "\"'‘’“”「」『』" or unicodedata.category(character) in ("Mn", "Cf") else " "


def _strongest_mark(m: re.Match[str]) -> str:
    mark = min((c for c in m[0] if c in PAUSE_MARKS), key=PAUSE_MARKS.index)
    return " - " if mark == "-" else mark + " "


INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ["", *"ㄱ ㄲ ㄳ ㄴ ㄵ ㄶ ㄷ ㄹ ㄺ ㄻ ㄼ ㄽ ㄾ ㄿ ㅀ ㅁ ㅂ ㅄ ㅅ ㅆ ㅇ ㅈ ㅊ ㅋ ㅌ ㅍ ㅎ".split()]
CLUSTERS = dict(
    zip("ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ", "ㄱㅅ ㄴㅈ ㄴㅎ ㄹㄱ ㄹㅁ ㄹㅂ ㄹㅅ ㄹㅌ ㄹㅍ ㄹㅎ ㅂㅅ".split(), strict=True)
)


def syllable(initial: str, vowel: str, final: str = "") -> str:
    """Return the syllable made of three letters: 'ㄱ', 'ㅏ', 'ㅇ' -> '강'.

    Args:
        initial: A letter of INITIALS.
        vowel: A letter of VOWELS.
        final: A letter of FINALS, or "".
    """
    return chr(0xAC00 + (INITIALS.index(initial) * 21 + VOWELS.index(vowel)) * 28 + FINALS.index(final))


def _lone_letters(m: re.Match[str]) -> str:
    letters = "".join(_compatibility_letter(c) for c in m[0])
    if letters in JAMO_NAMES:
        return JAMO_NAMES[letters]
    letters = "".join(CLUSTERS.get(letter, letter) for letter in letters)
    return "".join(syllable("ㅇ", c) if c in VOWELS else syllable(c, "ㅡ") for c in letters)


def _compatibility_letter(jamo: str) -> str:
    """Return the letter of a conjoining jamo."""
    if jamo < "\u1161":
        return INITIALS[ord(jamo) - 0x1100]
    return VOWELS[ord(jamo) - 0x1161] if jamo < "\u11a8" else FINALS[ord(jamo) - 0x11A7]
