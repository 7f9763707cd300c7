"""Korean numbers: Sino-Korean numerals for money, dates and measures, native numerals before most counters."""

import re

# ruff: noqa: SIM905 - tables of short words read better as text

SINO_DIGITS = dict(zip("0123456789", "영일이삼사오육칠팔구", strict=True))
SPELLED_DIGITS = SINO_DIGITS | {"0": "공"}  # in telephone numbers and codes
PLACES = ("", "십", "백", "천")
GROUPS = ("", "만", "억", "조", "경")
NATIVE_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
MAX_DIGITS = 4 * len(GROUPS)  # longer numbers are read digit by digit
# counters that take native numerals up to 99
NATIVE_COUNTERS = """
가지 가닥 가마 갑 개 개비 걸음 곡 곳 군데 권 그루 그릇 끼 달 닢 다발 대 덩이 돌 되 마디 마리 말 명 모 모금 묶음 바가지
바구니 바퀴 발 발짝 방 방울 배 벌 번 번째 병 봉지 사람 살 상자 송이 술 숟갈 시 시간 식구 쌍 알 움큼 자루 잔 장 접시
조각 줄 줄기 짝 차례 채 척 첩 청년 축 칸 켤레 컵 타래 톨 통 팀 판 편 포기 폭 푼 해 홉
""".split()
IRREGULAR_MONTHS = {"6": "유", "10": "시"}  # 유월, 시월


def read_digits(digits: str) -> str:
    """Return digits in words, one by one: '010' -> '공일공'."""
    return "".join(SPELLED_DIGITS[digit] for digit in digits)


def sino_numeral(digits: str) -> str:
    """Return a Sino-Korean numeral: '12345' -> '만이천삼백사십오'.

    Numbers with a leading zero or with more than MAX_DIGITS digits are read digit by digit.
    """
    if len(digits) > MAX_DIGITS or (len(digits) > 1 and digits[0] == "0"):
        return read_digits(digits)
    if digits == "0":
        return SINO_DIGITS["0"]
    words = ""
    for start in range(0, len(digits), 4):
        group = digits.zfill(-(-len(digits) // 4) * 4)[start : start + 4]
        name = GROUPS[-(-len(digits) // 4) - 1 - start // 4]
        group_words = "".join(_sino_place(digit, 3 - i) for i, digit in enumerate(group))
        if group_words == "일" and name == "만" and not words:
            group_words = ""  # ten thousand is 만, a hundred million 일억
        words += group_words + name if int(group) else ""
    return words


def _sino_place(digit: str, place: int) -> str:
    """Return a digit with its place. One is silent before ten, hundred and thousand."""
    if digit == "0":
        return ""
    return ("" if digit == "1" and place else SINO_DIGITS[digit]) + PLACES[place]


def native_numeral(digits: str) -> str:
    """Return a native numeral before a counter: '21' -> '스물한'. Above 99 the numeral is Sino-Korean."""
    if len(digits) > 2 or digits.startswith("0"):
        return sino_numeral(digits)
    tens, ones = int(digits) // 10, int(digits) % 10
    return "스무" if digits == "20" else NATIVE_TENS[tens] + NATIVE_ONES[ones]


def number(text: str) -> str:
    """Return a whole number, decimal or version in words: '3.14' -> '삼점일사', '2.0.1' -> '이점영점일'."""
    whole, *parts = text.split(".")
    if len(parts) == 1:
        return f"{sino_numeral(whole)}점" + "".join(SINO_DIGITS[digit] for digit in parts[0])
    return "점".join(sino_numeral(part) for part in (whole, *parts))


def number_before_counter(digits: str, counter: str) -> str:
    """Return a number as it is spoken before a counter: ('3', '개') -> '세', ('3', '원') -> '삼', ('6', '월') -> '유'.

    Args:
        digits: The number.
        counter: The Korean letters after the number, with or without a particle (개를). The longest known counter
            decides.
    """
    if counter.startswith("월") and digits in IRREGULAR_MONTHS:
        return IRREGULAR_MONTHS[digits]
    if digits == "1" and counter.startswith("번째"):
        return "첫"
    if "." in digits:
        return number(digits)
    if counter.startswith("시") and not counter.startswith("시간") and not 1 <= int(digits[:3]) <= 12:
        return sino_numeral(digits)  # hours of a 24-hour clock
    if counter.startswith("대") and digits.endswith("0"):
        return sino_numeral(digits)  # people in their twenties
    if NATIVE_COUNTER.match(counter):
        return native_numeral(digits)
    return sino_numeral(digits)


# what may follow a counter: nothing, a particle or a suffix. Thus 개 is not found in 개월, 시 in 시즌, 대 in 대학
PARTICLE_STARTS = "경당을를이가은는의에도와과로만씩쯤째정까부밖마나랑하입이였인짜들당반전후남여"
NATIVE_COUNTER = re.compile(
    f"(?:{'|'.join(sorted(NATIVE_COUNTERS, key=len, reverse=True))})(?![가-힣])"
    f"|(?:{'|'.join(sorted(NATIVE_COUNTERS, key=len, reverse=True))})(?=[{PARTICLE_STARTS}])"
)


# 권, 장, 편 name a part of a work before these particles (1권에서), and count things elsewhere (책 1권을)
PART = re.compile(
    r"(?:권|장|편|막)(?:(?:과|와|이나|이랑|하고|,)\s?\d+(?:권|장|편|막))*"
    "(?:에서|에는|에도|에선|의|부터|까지|에)(?![가-힣])"
)
COPIES = re.compile(
    "(?:책|소설|공책|노트|만화|잡지|사전|시집|종이|사진|표|카드|그림|지폐|우표|신문|서류|계약서|보고서|사본)"
    r"[을를이가은는]?\s?$"
)
PRINTED = re.compile(r"부(?:[를을가는도씩만]|\s|$)")
PERSONS = re.compile(r"(?:손님|어른|어르신|선생님|고객|관객|회원|여러)[을를이가은는]?\s?$")
HONORED = re.compile(r"분(?:[이을은께도만씩]|\s|$)")
GREAT = re.compile(
    r"대\s?(?:보험|강국|방송사|기업|은행|명절|원칙|요소|문명|산맥|도시|영양소|독자|의무|불가사의|메이저|째)"
)


def number_in_context(digits: str, counter: str, before: str, after: str) -> str:
    """Return a number before a counter as the words around both ask for it: 1권에서 is 일권, 책 3권 is 세권.

    Args:
        digits: The number.
        counter: The Korean letters after the number.
        before: The text before the number.
        after: The text after the number, which begins with the counter.
    """
    counts_copies = bool(COPIES.search(before))
    if (PART.match(after) and not counts_copies) or GREAT.match(after):
        return number(digits) if "." in digits else sino_numeral(digits)
    counts = (counts_copies and PRINTED.match(after)) or (PERSONS.search(before) and HONORED.match(after))
    return native_numeral(digits) if counts and "." not in digits else number_before_counter(digits, counter)
