"""Normalization of English: abbreviations, addresses, numbers and symbols become words."""

import re
import unicodedata

from gpt_sovits.text.addresses import ADDRESS, DOMAINS, spoken_address
from gpt_sovits.text.alphabets import ENGLISH_PLACEHOLDERS
from gpt_sovits.text.english.abbreviations import ABBREVIATION_RULES, full_stop
from gpt_sovits.text.english.numbers import NAMES_OF_DAYS, NAMES_OF_MONTHS, NUMBER_RULES
from gpt_sovits.text.english.numerals import Rule, read_digits, rule
from gpt_sovits.text.english.roman_numerals import ROMAN_RULES

SYMBOLS = {
    "&": "and", "@": "at", "+": "plus", "=": "equals", "%": "percent", "°": "degrees", "×": "times",
    "÷": "divided by", "<": "less than", ">": "greater than", "§": "section", "±": "plus or minus", "≈": "about",
    "≤": "less than or equal to", "≥": "greater than or equal to",
    "$": "dollars", "£": "pounds", "€": "euros", "¥": "yen",
}  # fmt: skip
ADDRESS_SIGNS = {
    "@": " at ", ".": " dot ", "/": " slash ", "-": " dash ", "_": " underscore ", ":": " colon ", "=": " equals ",
    "?": " question mark ", "&": " and ", "#": " hash ", "%": " percent ", "+": " plus ", "~": " tilde ",
}  # fmt: skip
GREEK = "Α-Ωα-ω"
LETTER_FOLDS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D"}
)
LETTER_FOLDS |= str.maketrans({"ł": "l", "Ł": "L", "þ": "th", "Þ": "Th", "ð": "th", "Ð": "Th", "ı": "i"})


# words that acronyms are not made of. In capitals they show that a sentence is shouted (IT and US show nothing)
SHOUTED_WORDS = set(
    "THE AND TO OF IN IS ON IF NOT DO DON'T BE AT FOR WITH YOU WE HE SHE THEY ME MY YOUR THIS THAT ARE NO GO UP OFF OR "
    "AS AN BY SO HIS HER HAVE HAS WILL CAN ALL WHAT WHEN WHO WHY HOW WAS WERE NOW OUT HERE THERE THEN".split()
)
CAPITALS = re.compile(r"\b[A-Z][A-Z']*(?:[ ,;:-]+[A-Z][A-Z']*\b){2,}(?![a-z])")


def _lower_shouted(m: re.Match[str]) -> str:
    """Return three or more words in capitals in lower case if enough of them are words that no acronym is made of."""
    words = re.findall(r"[A-Z']+", m[0])
    n_shouted = sum(word in SHOUTED_WORDS for word in words)
    return _lower(m[0]) if n_shouted >= 2 and 3 * n_shouted >= len(words) else m[0]


def _lower(text: str) -> str:
    return re.sub(r"\bthe us\b", "the US", text.lower())


def _spell_initials(m: re.Match[str]) -> str:
    return " ".join(re.findall("[A-Z]", m[0].upper())) + full_stop(m)


# ruff: noqa: SIM905 - tables of words read better as text
_CALENDAR = f"(?:{NAMES_OF_DAYS}|{NAMES_OF_MONTHS})"
TEXT_RULES: list[Rule] = [
    *ABBREVIATION_RULES,
    *ROMAN_RULES,
    rule(r"(?<![A-Za-z])[ap]\.\s?m\.?(?!\w)", _spell_initials, re.IGNORECASE),
    rule(f"(?a:{ADDRESS})", lambda m: spoken_address(m[0], ADDRESS_SIGNS, read_digits, ""), re.IGNORECASE),
    rule(r"\b([A-G])#(?!\w)", lambda m: m[1] + " sharp"),
    rule(rf"(?<=\w)\.(?=(?:{DOMAINS})\b)", lambda m: "dot", re.IGNORECASE),
    rule(r"\b(?:[A-Za-z]\.){2,}", _spell_initials),
    rule(r"\b(?!I\b)([A-Z])\.(?=\s+[A-Z](?:\.|[a-z]))", lambda m: m[1]),  # J. Smith
    rule(rf"\b({_CALENDAR})\s?[-–—]\s?(?={_CALENDAR}\b)", lambda m: m[1] + " to"),
    rule(r"(?<=[A-Za-z])-(?=\w)|(?<=\d)-(?=[A-Za-z])", lambda m: ""),  # well-known, 10-year-old: separate words
    *NUMBER_RULES,
    rule(f"(?<![{GREEK}])[{GREEK}](?![{GREEK}])", lambda m: unicodedata.name(m[0]).split()[-1].lower()),
    rule("[" + "".join(map(re.escape, SYMBOLS)) + "]", lambda m: SYMBOLS[m[0]]),
]
PAUSE_MARKS = "?!….-,"  # the strongest first
MARK = "[" + re.escape(PAUSE_MARKS) + "]"
MARK_TRANSLATIONS = str.maketrans({**dict.fromkeys(";:()[]{}、", ","), **dict.fromkeys("–—―−", "-"), "。": "."})


def spoken_form(text: str) -> str:
    """Return an English text as it is spoken.

    Accents are folded (café -> cafe). A run of punctuation becomes its strongest mark. Symbols without a name (*, _)
    are dropped.

    Args:
        text: A text after `cleaning.clean`. Placeholders of English words are kept.

    Returns:
        Words of a-z, A-Z and ', single capitals for spelled letters, and the marks ! ? … , . - each before a space.

    Raises:
        ValueError: If the text contains letters or digits of another script. Dropping them would lose words.
    """
    text = unicodedata.normalize("NFKD", text.replace("≠", " is not equal to ").translate(LETTER_FOLDS))
    text = "".join(c for c in text if not unicodedata.combining(c)).replace("...", "…")
    if not any(c.islower() for c in text) and len(re.findall("[A-Z]{4,}", text)) > 1:
        text = _lower(text)  # the whole text is in capitals: emphasis, not acronyms
    text = CAPITALS.sub(_lower_shouted, text)
    for pattern, words in TEXT_RULES:
        text = pattern.sub(words, text)
    text = text.translate(MARK_TRANSLATIONS)
    foreign = sorted({c for c in text if ord(c) > 127 and unicodedata.category(c)[0] in "LN"})
    if foreign:
        raise ValueError(f"cannot speak {''.join(foreign[:10])!r} as English; write such words in Latin letters")
    text = "".join(
        c if re.match(f"[A-Za-z{ENGLISH_PLACEHOLDERS}]", c) or c in PAUSE_MARKS + "' " else " " for c in text
    )
    text = re.sub("'(?![A-Za-z])", " ", text)  # closing quotes and dogs'. Opening ones may belong to a word ('em)
    text = re.sub(rf"\s*{MARK}(?:\s*{MARK})*\s*", _strongest_mark, text)
    return re.sub(r"\s+", " ", text).strip().lstrip(PAUSE_MARKS + " ")


def _strongest_mark(m: re.Match[str]) -> str:
    mark = min((c for c in m[0] if c in PAUSE_MARKS), key=PAUSE_MARKS.index)
    return " - " if mark == "-" else mark + " "
