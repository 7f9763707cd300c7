"""Roman numerals in English texts: Henry VIII is "the eighth", World War II is "two", and the I of "I think" stays.

A numeral is only read as one where its neighbours show it: after a monarch, after a noun that is numbered (Chapter IV),
before "century", as a year (MCMXCIX), or as two letters or more after a name (Rocky IV).
"""

# ruff: noqa: SIM905 - tables of words read better as text
import re

from gpt_sovits.text.english.numerals import cardinal, ordinal, year
from gpt_sovits.text.rewriting import Rule, rule
from gpt_sovits.text.roman import NUMERAL, roman_value

SMALL = r"(?:(?:X{0,2})(?:IX|IV|VI{1,3}|I{2,3})|XI{1,3}|X?XV|XVI{0,3})"  # two letters or more, below 30
ROYAL_TITLES = "King|Queen|Pope|Emperor|Empress|Tsar|Tsarina|Czar|Kaiser|Prince|Princess|Sultan|Pharaoh|Shah|Patriarch"
MONARCHS = (
    "Henry Elizabeth Charles George Edward Richard William James Louis Napoleon Philip Catherine Peter Paul John Pius "
    "Benedict Leo Gregory Clement Innocent Urban Alexander Nicholas Francis Frederick Ramses Ramesses Ptolemy Thutmose "
    "Xerxes Darius Mehmed Ivan Harald Haakon Gustav Carl Christian Wilhelm Otto Rudolf Ferdinand Alfonso Alphonse Juan "
    "Carlos Felipe Pedro Umberto Emmanuel Leopold Albert Robert David Constantine Theodosius Basil Rama Mary Margaret "
    "Margrethe Stephen Joseph Boniface Celestine Sixtus Julius Martin Eugene Adrian Valdemar Olaf Kamehameha Mahmud "
    "Murad Selim Suleiman Cleopatra"
).split()
NUMBERED = (  # nouns before a number
    "Chapter Part Volume Book Act Scene Section Article Title Appendix Figure Table Type Phase Stage Class Category "
    "Grade Level Mark Psalm Canto Episode Season Schedule Annex War Bowl Saturn Pentium Round Unit Lesson Division "
    "Tier Corps Symphony Sonata Concerto Exhibit Amendment Area Zone Form Protocol Apollo Vatican Olympiad"
).split()
LETTERED = {"Type", "Class", "Grade", "Category", "Exhibit", "Form", "Zone", "Area", "Level", "Table"}  # X is a letter
NOT_NAMES = set("A An The His Her Their Our My Your Its This That I And Or But In On At With Of For To By No".split())
PRONOUN_VERBS = (  # after them, I is the pronoun: the part I like
    r"\s+(?:am|have|had|will|would|can|could|should|shall|must|may|might|do|did|don't|think|thought|know|knew|like|"
    r"liked|love|loved|want|wanted|need|needed|see|saw|read|wrote|say|said|mean|meant|played|bought|got|took|just|"
    r"really|never|always|used|hope|guess|believe|feel|felt|met|heard|called)\b"
)
AFTER_FIRST = r"(?=\s*(?:[,.;:!?)]|$|'s)|\s+(?:[a-z]+ed|was|is|of|and|had|became|who|came|in|to|on|built)\b)"
JOINED = rf"(?:\s*(?:,|,?\s*(?:and|or|to|&)|[-–])\s*(?!I\b)(?:{NUMERAL})(?![\w']))*"


def _ordinal(m: re.Match[str]) -> str:
    return ordinal(str(roman_value(m["n"])))


def _cardinal(numeral: str) -> str:
    return cardinal(str(roman_value(numeral)))


def _monarch(m: re.Match[str]) -> str:
    return f"{m['name']} the {_ordinal(m)}"


def _year(m: re.Match[str]) -> str:
    return year(str(roman_value(m["n"]))) if 1000 < roman_value(m["n"]) < 2100 else m[0]


def _numbered(m: re.Match[str]) -> str:
    """Read the numeral after a numbered noun, and those that are joined to it (Parts I, II and III)."""
    first, noun = m["first"], m["noun"].removesuffix("s")
    if re.fullmatch("[CDLM]+", first) or (first == "X" and noun in LETTERED) or (first == "I" and _is_pronoun(m)):
        return m[0]  # Appendix C, Type X, the part I like
    joined = re.sub(rf"(?<![A-Za-z])(?:{NUMERAL})(?![A-Za-z])", lambda n: _cardinal(n[0]) if n[0] else "", m["rest"])
    return f"{m['noun']} {_cardinal(first)}{re.sub('[-–]', ' to ', joined)}"


def _is_pronoun(m: re.Match[str]) -> bool:
    """Return whether the I after a noun is the pronoun: the part I like."""
    after = m.string[m.end() :]
    relative = re.search(r"\b(?:the|a|this|that|every|each|one)\s+$", m.string[: m.start()], re.IGNORECASE)
    return bool(re.match(PRONOUN_VERBS, after)) or bool(relative and m["noun"].islower())


def _after_name(m: re.Match[str]) -> str:
    return m[0] if m["name"] in NOT_NAMES else f"{m['name']} {_cardinal(m['n'])}"


_NAMES = "|".join(MONARCHS)
_NOUNS = "|".join(NUMBERED)
_SECOND_NAME = rf"(?: (?!(?:{_NOUNS})\b)[A-Z][a-z]+)?"
ROMAN_RULES: list[Rule] = [
    rule(rf"\b(?P<n>{NUMERAL})(?:th|st|nd|rd)?(?= (?:century|centuries|dynasty)\b)", _ordinal),
    rule(r"\b(?P<n>M(?=[MDCLXVI]{3})M{0,2}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))\b", _year),
    rule(
        rf"\b(?P<name>(?:{ROYAL_TITLES}) [A-Z][a-z]+{_SECOND_NAME}) (?P<n>[IVX]|{SMALL})(?!\w)(?!{PRONOUN_VERBS})",
        _monarch,
    ),
    rule(rf"\b(?P<name>(?:{_NAMES})) (?P<n>I){AFTER_FIRST}", _monarch),
    rule(rf"\b(?P<name>(?:{_NAMES})) (?P<n>[VX]|{SMALL})(?!\.?\w)", _monarch),
    rule(rf"\b(?P<name>(?:{_NAMES}){_SECOND_NAME}) (?P<n>III?|IV)(?!\w)", _monarch),
    rule(
        rf"\b(?P<noun>(?:{_NOUNS}|{_NOUNS.lower()})s?) (?P<first>{NUMERAL})(?![\w'])(?P<rest>{JOINED})",
        _numbered,
    ),
    rule(
        rf"\b(?P<noun>(?:{_NOUNS}|{_NOUNS.lower()})) (?P<first>i{{2,3}}|iv|vi{{1,3}}|ix|xi{{0,3}}|xiv|xv)(?![\w'])"
        r"(?P<rest>)",
        _numbered,
    ),
    rule(rf"\b(?P<name>[A-Z][\w'&]*) (?P<n>{SMALL})(?![\w'])", _after_name),
    rule(r"\((?P<n>i{1,3}|iv|vi{1,3}|ix)\)", lambda m: f"({_cardinal(m['n'])})"),
]
