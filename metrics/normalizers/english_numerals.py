"""English numerals that are written in several ways: Roman ones, days of a month, and pairs such as 24/7.

Roman numerals count only where a noun or a name before them makes them numerals, and capital letters are needed where
a single letter would be a word. So "I" stays the pronoun.
"""

import re

_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50}
_ROMAN = r"(?=[IVXL])(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_END = r"(?=\s*(?:[.,;:!?)\]\"]|['\u2019]s\b|$))"
_NOUNS = (
    "chapter|part|act|scene|volume|vol|book|section|article|type|phase|class|title|bowl|figure|table|appendix|canto|"
    "psalm|sonnet|lesson|verse|grade|stage|round|mark|amendment|apollo|category|level|schedule|paragraph|rocky|"
    "opus|page"
)
_RULERS = (
    "henry|edward|george|william|richard|james|charles|louis|elizabeth|mary|philip|ferdinand|frederick|francis|"
    "napoleon|pius|paul|benedict|leo|gregory|innocent|clement|urban|alexander|nicholas|peter|catherine|ivan|otto|"
    "leopold|christian|gustav|gustavus|robert|ramesses|ramses|ptolemy|cleopatra|xerxes|darius|mehmed|murad|"
    "constantine|wilhelm|sixtus|boniface|celestine|julius|umberto|victor emmanuel|haakon|albert|alfonso|john|"
    "maximilian|nebuchadnezzar|artaxerxes|amenhotep|antiochus|cyrus"
)
_TITLES = "king|queen|pope|emperor|empress|tsar|czar|kaiser|sultan|prince|saint"

_WAR = re.compile(rf"\b((?i:world wars?)) ((?i:{_ROMAN}))(?!\w)")
_NOUN = re.compile(rf"\b((?i:{_NOUNS})s?\.?) (?:({_ROMAN})|((?i:{_ROMAN})))(?![\w-])")
_NEXT = re.compile(rf"\b((?i:{_NOUNS}|war)s \d+,? (?:and|or|to|through)) ({_ROMAN})(?![\w-])")  # chapters 2 and III
_ONE = re.compile(rf"\b((?:[A-Z][a-z]+|[A-Z]+)) I{_END}")
_RULER = re.compile(rf"\b((?i:{_RULERS})) (?:({_ROMAN})|((?i:{_ROMAN})))(?![\w-])")
_TITLED_ONE = re.compile(rf"\b((?i:{_TITLES}) (?i:{_RULERS})) I(?![\w'\u2019])")

_MONTHS = frozenset(
    ["january", "february", "april", "june", "july", "august", "september", "october", "november", "december"]
)
_MONTHS_AND_VERBS = frozenset({"march", "may"})
_BEFORE_A_MONTH = frozenset(
    ["on", "of", "from", "until", "till", "by", "since", "before", "after", "last", "next", "every", "the"]
)
_YEAR = re.compile(r"1\d{3}|20\d{2}")
_DAY = re.compile(r"[1-9]|[12]\d|3[01]|one")

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_DAYS = {word: day for day, word in enumerate([*_ONES, *_TEENS, "twenty"], 1)} | {"thirty": 30}
_CENTURY = "|".join([*_TEENS, "twenty"])
_IN_CENTURY = "|".join(["o", "oh", "hundred", *_TEENS, *_TENS])
_DAY_AND_YEAR = re.compile(
    rf"\b({'|'.join([*sorted(_MONTHS), *sorted(_MONTHS_AND_VERBS)])}) (?:(twenty|thirty)[ -]({'|'.join(_ONES)})|"
    rf"({'|'.join(_DAYS)})),?(?= (?:(?:{_CENTURY})[ -](?:{_IN_CENTURY})|two thousand)\b)"
)

_PAIR = re.compile(r"(?<![\w/.,-])(?:(24)[/-](7)(?:/(365))?|(50|20)-\4|(9)/(11)|(\d0|\d5)/(\d0|\d5))(?![\w/-]|[.,]\d)")


def write_roman_numerals_as_digits(text: str) -> str:
    """Write Roman numerals after a noun or a ruler's name in digits. The text still has its capital letters."""
    text = _WAR.sub(lambda m: f"{m[1]} {_value(m[2])}", text)
    text = _TITLED_ONE.sub(r"\1 the first", text)
    text = _ONE.sub(_one, text)
    text = _NOUN.sub(_cardinal, text)
    text = _NEXT.sub(lambda m: f"{m[1]} {_value(m[2])}", text)
    return _RULER.sub(_title, text)


def separate_day_from_year(text: str) -> str:
    """Write a spoken day before a spoken year as an ordinal, because whisper reads both as one number.

    "june three eighteen seventy one" was june 31871. The text is in lower case.
    """
    return _DAY_AND_YEAR.sub(lambda m: f"{m[1]} {_ordinal(_DAYS[m[2]] + _DAYS[m[3]] if m[2] else _DAYS[m[4]])}", text)


def join_pairs(text: str) -> str:
    """Write 24/7, 9/11, 50/50 and other shares of 100 as whisper writes them when they are spoken: 247, 911, 5050."""
    return _PAIR.sub(_joined, text)


def write_days_as_ordinals(words: list[str]) -> list[str]:
    """Return normalised words with the day after a month as an ordinal: june 3 -> june 3rd."""
    result = list(words)
    for i in range(1, len(words)):
        if _DAY.fullmatch(words[i]) and _is_month(words, i - 1):
            result[i] = _ordinal(1 if words[i] == "one" else int(words[i]))
    return result


def _is_month(words: list[str], i: int) -> bool:
    if words[i] in _MONTHS:
        return True
    if words[i] not in _MONTHS_AND_VERBS:
        return False
    after = words[i + 2] if len(words) > i + 2 else ""
    return bool(_YEAR.fullmatch(after)) or after in ("is", "was") or (i > 0 and words[i - 1] in _BEFORE_A_MONTH)


def _one(m: re.Match[str]) -> str:
    """Write the numeral I before a mark or the end of the text, where it is hardly the pronoun."""
    if re.fullmatch(_NOUNS, m[1].lower()):
        return f"{m[1]} 1"
    return f"{m[1]} the first" if re.fullmatch(_RULERS, m[1].lower()) and not _is_initial(m) else m[0]


def _cardinal(m: re.Match[str]) -> str:
    # "Part X" is ten, "part X" may be a letter
    return f"{m[1]} {_value(m[2] or m[3])}" if _is_numeral(m) and (len(m[2] or m[3]) > 1 or m[1][0].isupper()) else m[0]


def _title(m: re.Match[str]) -> str:
    is_initial = m[2] and len(m[2]) == 1 and _is_initial(m)
    return f"{m[1]} the {_ordinal(_value(m[2] or m[3]))}" if _is_numeral(m) and not is_initial else m[0]


def _is_numeral(m: re.Match[str]) -> bool:
    """Return whether letters are not the pronoun I, a single small letter, or a letter that counts nothing here."""
    capital, lower = m[2], m[3]
    return len(lower or "") > 1 or (capital not in (None, "", "I", "L"))


def _is_initial(m: re.Match[str]) -> bool:
    """Return whether a name follows a letter and its point, as in "Robert I. Bouck"."""
    return bool(re.match(r"\.\s+[A-Z]", m.string[m.end() :]))


def _value(roman: str) -> int:
    values = [_VALUES[letter] for letter in roman.lower()]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _joined(m: re.Match[str]) -> str:
    numbers = [group for group in m.groups() if group]
    if m[4]:
        numbers = [m[4], m[4]]
    is_share = m[7] and int(m[7]) + int(m[8]) == 100
    return "".join(numbers) if is_share or not m[7] or m[0] == "20/20" else m[0]
