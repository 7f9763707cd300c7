"""Normalization of English: abbreviations, addresses, numbers and symbols become words."""

import re
import unicodedata

from gpt_sovits.text.addresses import ADDRESS, DOMAINS, spoken_address
from gpt_sovits.text.alphabets import ENGLISH_PLACEHOLDERS
from gpt_sovits.text.english.numbers import MONTHS, NUMBER_RULES, Rule, read_digits, rule

TITLES = {  # before a name
    "mr": "mister", "mrs": "missus", "ms": "miz", "messrs": "messieurs", "prof": "professor",
    "dr": "doctor", "st": "saint", "mt": "mount", "ft": "fort", "rev": "reverend", "hon": "honorable",
    "gov": "governor", "sen": "senator", "rep": "representative", "pres": "president",
    "gen": "general", "col": "colonel", "capt": "captain", "maj": "major", "lt": "lieutenant", "sgt": "sergeant",
    "adm": "admiral", "cmdr": "commander",
}  # fmt: skip
NAME_SUFFIXES = {
    "St": "street", "Dr": "drive", "Ave": "avenue", "Blvd": "boulevard", "Rd": "road", "Jr": "junior", "Sr": "senior",
    "Inc": "incorporated", "Ltd": "limited", "Corp": "corporation", "Co": "company", "Bros": "brothers",
}  # fmt: skip
NUMBER_PREFIXES = {
    "no": "number", "nos": "numbers", "vol": "volume", "fig": "figure", "p": "page", "pp": "pages", "ch": "chapter",
    "sec": "section", "sept": "september", **{month[:3].lower(): month for month in MONTHS if month != "May"},
}  # fmt: skip
OTHER_ABBREVIATIONS = {
    "etc": "et cetera", "vs": "versus", "e.g": "for example", "i.e": "that is", "dept": "department",
    "approx": "approximately", "ph.d": "P H D",
}  # fmt: skip
SYMBOLS = {
    "&": "and", "@": "at", "+": "plus", "=": "equals", "%": "percent", "°": "degrees", "×": "times",
    "÷": "divided by", "<": "less than", ">": "greater than", "§": "section", "±": "plus or minus", "≈": "about",
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


def _alternatives(table: dict[str, str]) -> str:
    return "|".join(re.escape(key) for key in sorted(table, key=len, reverse=True))


def _full_stop(m: re.Match[str]) -> str:
    """Return the full stop of a text that ends with the period of an abbreviation, else nothing."""
    return "." if m[0].rstrip().endswith(".") and not m.string[m.end() :].strip(" )") else ""


def _spell_initials(m: re.Match[str]) -> str:
    return " ".join(re.findall("[A-Z]", m[0].upper())) + _full_stop(m)


TEXT_RULES: list[Rule] = [
    rule(
        rf"\b({_alternatives(OTHER_ABBREVIATIONS)})\.(?!\w)",
        lambda m: OTHER_ABBREVIATIONS[m[1].lower()] + _full_stop(m),
        re.IGNORECASE,
    ),
    rule(rf"\b({_alternatives(NUMBER_PREFIXES)})\.\s?(?=\d)", lambda m: NUMBER_PREFIXES[m[1].lower()], re.IGNORECASE),
    rule(rf"\b((?i:{_alternatives(TITLES)}))\.(?=\s+(?:and\b|&|[A-Z]))", lambda m: TITLES[m[1].lower()]),
    rule(rf"(?<=[\w,] )({_alternatives(NAME_SUFFIXES)})\.(?!\w)", lambda m: NAME_SUFFIXES[m[1]] + _full_stop(m)),
    rule(r"(?<![A-Za-z])[ap]\.\s?m\.?(?!\w)", _spell_initials, re.IGNORECASE),
    rule(f"(?a:{ADDRESS})", lambda m: spoken_address(m[0], ADDRESS_SIGNS, read_digits, ""), re.IGNORECASE),
    rule(r"\b([A-G])#(?!\w)", lambda m: m[1] + " sharp"),
    rule(rf"(?<=\w)\.(?=(?:{DOMAINS})\b)", lambda m: "dot", re.IGNORECASE),
    rule(r"\b(?:[A-Za-z]\.){2,}", _spell_initials),
    rule(r"\b(?!I\b)([A-Z])\.(?=\s+[A-Z](?:\.|[a-z]))", lambda m: m[1]),  # J. Smith
    rule(r"(?<=[A-Za-z])-(?=\w)|(?<=\d)-(?=[A-Za-z])", lambda m: ""),  # well-known, 10-year-old: separate words
    *NUMBER_RULES,
    rule(f"(?<![{GREEK}])[{GREEK}](?![{GREEK}])", lambda m: unicodedata.name(m[0]).split()[-1].lower()),
    rule("[" + "".join(map(re.escape, SYMBOLS)) + "]", lambda m: SYMBOLS[m[0]]),
]
PAUSE_MARKS = "?!….-,"  # the strongest first
MARK = "[" + re.escape(PAUSE_MARKS) + "]"
MARK_TRANSLATIONS = str.maketrans({**dict.fromkeys(";:()[]{}、", ","), **dict.fromkeys("–—―", "-"), "。": "."})


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
    text = unicodedata.normalize("NFKD", text.translate(LETTER_FOLDS))
    text = "".join(c for c in text if not unicodedata.combining(c)).replace("...", "…").replace("−", "-")
    if not any(c.islower() for c in text) and len(re.findall("[A-Z]{4,}", text)) > 1:
        text = text.lower()  # the whole text is in capitals: emphasis, not acronyms
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
