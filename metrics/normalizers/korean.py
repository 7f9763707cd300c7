"""Korean for scoring: digits become the syllables that are said for them, and spaces do not count."""

import re

from metrics.normalizers.characters import (
    CLOCK,
    DATE,
    NUMBER,
    Rule,
    apply_rules,
    clock,
    close_up,
    money,
    space_units,
    unify_characters,
    units_of_measure,
)

_SINO = "영일이삼사오육칠팔구"
_ONE_BY_ONE = str.maketrans("0123456789", "공일이삼사오육칠팔구")
_NATIVE_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_GROUPS = ("", "만", "억", "조", "경")
_MAX_DIGITS = 4 * len(_GROUPS)
# counters with native numbers up to 99, and what follows where the syllable is another word: 세 개, but 삼 개월
_NATIVE_COUNTERS = (
    "시간|개(?![월국년소비])|명(?!동)|사람|번째|번(?! ?(?:버스|출구|문제|국도|홈|게이트|선수|타자|창구|승강장))|살|마리"
    "|권(?!역)|장(?![관군소르])|잔|병(?![원실동])|그루|벌|켤레|송이|가지|달(?!러)|군데|줄|쌍|채|척|판|통|접시|조각|상자|봉지|그릇|곡"
)
_UNITS = {
    "%": "퍼센트", "km": "킬로미터", "cm": "센티미터", "mm": "밀리미터", "m": "미터", "kg": "킬로그램", "g": "그램",
    "°c": "도", "°": "도",
}  # fmt: skip


def _sino(digits: str) -> str:
    """Return 12345 as 만이천삼백사십오. Go digit by digit after a leading zero, or beyond the named numbers."""
    if len(digits) > _MAX_DIGITS or (len(digits) > 1 and digits[0] == "0"):
        return digits.translate(_ONE_BY_ONE)
    if digits == "0":
        return _SINO[0]
    words = ""
    for group, name in enumerate(_GROUPS):
        four = digits[::-1][4 * group : 4 * group + 4]
        said = "".join(_digit(int(d), place) for place, d in reversed(list(enumerate(four))))
        if said == "일" and name == "만" and len(digits) == 5:
            said = ""  # ten thousand is 만
        words = (said + name if four.strip("0") else "") + words
    return words


def _digit(value: int, place: int) -> str:
    """Return a digit with its place. One is silent before ten, hundred and thousand."""
    if not value:
        return ""
    return ("" if value == 1 and place else _SINO[value]) + ("", "십", "백", "천")[place]


def _counted(m: re.Match[str]) -> str:
    value = int(m[1])
    if value == 20:
        return "스무"
    if value == 1 and m.string[m.end() :].lstrip().startswith("번째"):
        return "첫"
    return _NATIVE_TENS[value // 10] + _NATIVE_ONES[value % 10]


_RULES: list[Rule] = [
    *money({"$": "달러", "₩": "원", "¥": "엔", "€": "유로", "£": "파운드"}),
    (CLOCK, lambda m: clock(m, "시 ", "분")),
    (DATE, r"\1년 \3월 \4일"),
    (r"(?<![0-9])([0-9]{2,4})-([0-9]{3,4})-([0-9]{4})(?![0-9])", lambda m: m[0].translate(_ONE_BY_ONE)),
    (r"(?<![0-9/])([0-9]+)/([0-9]+)(?![0-9/])", r"\2분의 \1"),
    *units_of_measure(_UNITS),
    (r"(?<=[0-9])\s?[~〜]\s?(?=[0-9])", "에서 "),
    (r"(?<![0-9a-z])[-−](?=[0-9])", "마이너스 "),
    (rf"({NUMBER})(?=[만억조])", lambda m: _number(m[1])),
    (r"(?<![0-9])6(?=\s?월)", "유"),
    (r"(?<![0-9])10(?=\s?월)", "시"),
    (r"(?<![0-9.])([1-9]|1[0-2])(?=\s?시(?!즌|리))", _counted),  # 18시 is 십팔 시
    (rf"(?<![0-9.])([1-9][0-9]?)(?=\s?(?:{_NATIVE_COUNTERS}))", _counted),
    (NUMBER, lambda m: _number(m[0])),
    # what sounds the same and is written by habit
    ("에요", "예요"),
    ("몇일", "며칠"),
    (r"([가-힣])께", lambda m: m[1] + ("게" if (ord(m[1]) - 0xAC00) % 28 == 8 else "께")),  # 할께, 할게
]


def _number(text: str) -> str:
    whole, _, part = text.partition(".")
    return _sino(whole) + ("점" + "".join(_SINO[int(d)] for d in part) if part else "")


def normalize_korean(text: str) -> str:
    """Normalise Korean. See metrics.normalize.normalize_text."""
    return space_units(close_up(apply_rules(unify_characters(text), _RULES)))
