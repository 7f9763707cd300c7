"""English abbreviations: titles, streets, companies, "no." and "vs", with or without their period."""

import re

from gpt_sovits.text.english.numerals import rule
from gpt_sovits.text.rewriting import Rule, alternatives

TITLES = {  # before a name
    "mr": "mister", "mrs": "missus", "ms": "miz", "messrs": "messieurs", "prof": "professor",
    "dr": "doctor", "st": "saint", "mt": "mount", "ft": "fort", "rev": "reverend", "hon": "honorable",
    "gov": "governor", "sen": "senator", "rep": "representative", "pres": "president",
    "gen": "general", "col": "colonel", "capt": "captain", "maj": "major", "lt": "lieutenant", "sgt": "sergeant",
    "cpl": "corporal", "pvt": "private", "adm": "admiral", "cmdr": "commander", "det": "detective",
    "insp": "inspector", "supt": "superintendent", "fr": "father",
}  # fmt: skip
# without a period these could also be words or letters, so they keep their period
PERIOD_TITLES = {"fr", "st", "dr"}  # st and dr have a rule of their own
STREETS = {"St": ("saint", "street"), "Dr": ("doctor", "drive")}  # -> (before a name, after a name)
NAME_SUFFIXES = {
    "St": "street", "Dr": "drive", "Ave": "avenue", "Blvd": "boulevard", "Rd": "road", "Ln": "lane", "Sq": "square",
    "Hwy": "highway", "Pkwy": "parkway", "Jr": "junior", "Sr": "senior", "Esq": "esquire",
    "Inc": "incorporated", "Ltd": "limited", "Corp": "corporation", "Co": "company", "Bros": "brothers",
}  # fmt: skip
NUMBER_PREFIXES = {
    "no": "number", "nos": "numbers", "vol": "volume", "fig": "figure", "p": "page", "pp": "pages", "ch": "chapter",
    "sec": "section", "sept": "September", "jan": "January", "feb": "February", "mar": "March", "apr": "April",
    "jun": "June", "jul": "July", "aug": "August", "sep": "September", "oct": "October", "nov": "November",
    "dec": "December",
}  # fmt: skip
OTHER_ABBREVIATIONS = {
    "etc": "et cetera", "vs": "versus", "e.g": "for example", "i.e": "that is", "dept": "department",
    "approx": "approximately", "ph.d": "P H D",
}  # fmt: skip
PLAIN_ABBREVIATIONS = {"etc": "et cetera", "vs": "versus", "approx": "approximately", "dept": "department"}
SENTENCE_STARTERS = {  # words that begin a sentence and rarely are a name
    "A", "After", "And", "As", "At", "But", "He", "I", "If", "In", "It", "She", "The", "Then", "There", "They",
    "This", "We", "What", "When", "You",
}  # fmt: skip

# what makes "no." the answer and not "number": a verb of saying before it, or something that is counted after it
SAYS_NO = re.compile(
    r"\b(?:sa(?:id|ys?|ying)|answer(?:ed|s)?|repl(?:y|ied|ies)|shout(?:ed|s)?|vot(?:ed?|es|ing)|mean[st]?|means|"
    r"is|was|be|an?|oh|just|simply|still|absolutely|of course)[,:]?\s*[\"']?$",
    re.IGNORECASE,
)
NEAR = 40  # characters before "no." that can show what it means
COUNTED = re.compile(
    r"\s*\d[\d,.]*\s+(?:people|of (?:them|us|you)|men|women|children|(?:[a-z]+ )?(?!was\b|has\b|does\b)[a-z]+[^s\W]s)\b"
)


def is_answer_no(before: str, after: str) -> bool:
    """Return whether "no." ends a sentence (He said no. 12 people left) and does not mean "number".

    Args:
        before: The text before "no.".
        after: The text after it.
    """
    return bool(SAYS_NO.search(before[-NEAR:]) or COUNTED.match(after))


def full_stop(m: re.Match[str]) -> str:
    """Return the full stop of a text that ends with the period of an abbreviation, else nothing."""
    return "." if m[0].rstrip().endswith(".") and not m.string[m.end() :].strip(" )") else ""


def _number_prefix(m: re.Match[str]) -> str:
    if m[1] == "no" and is_answer_no(m.string[: m.start()], m.string[m.end() :]):
        return "no. "
    return NUMBER_PREFIXES[m[1].lower()]


def _saint_or_street(m: re.Match[str]) -> str:
    """Read St and Dr: saint and doctor before a name (St Ives), street and drive after one (Main St)."""
    before_name, after_name = STREETS[m["abbreviation"]]
    before = re.search(r"(?:(\d\S*)\s+)?([\w']+)\s+$", m.string[: m.start()])
    after = re.match(r"\s+([A-Z][\w']*)", m.string[m.end() :])
    follows_name = before is not None and (before[2][0].isupper() or before[2][0].isdigit())
    address = follows_name and before[1] is not None  # a house number: 12 Oak Dr Austin
    if after and not address and not (m["period"] and after[1] in SENTENCE_STARTERS):
        return before_name
    if follows_name:
        ended = m["period"] and after and after[1] in SENTENCE_STARTERS
        return after_name + ("." if ended else full_stop(m))
    return before_name if re.match(r"\s+and\s+M", m.string[m.end() :]) else m[0]


def _versus(m: re.Match[str]) -> str:
    return m[1] + " versus"


ABBREVIATION_RULES: list[Rule] = [
    rule(
        rf"\b({alternatives(OTHER_ABBREVIATIONS)})\.(?!\w)",
        lambda m: OTHER_ABBREVIATIONS[m[1].lower()] + full_stop(m),
        re.IGNORECASE,
    ),
    rule(rf"\b({alternatives(PLAIN_ABBREVIATIONS)})\b", lambda m: PLAIN_ABBREVIATIONS[m[1]]),
    rule(r"\b([A-Z][\w']*) v\.?(?= [A-Z][a-z])", _versus),  # Roe v. Wade
    rule(r"\b(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec) (?=\d{1,2}\b)", lambda m: NUMBER_PREFIXES[m[1].lower()]),
    rule(rf"\b({alternatives(NUMBER_PREFIXES)})\.\s?(?=\d)", _number_prefix, re.IGNORECASE),
    rule(r"\b(?P<abbreviation>St|Dr)\b(?P<period>\.?)(?!\w|')", _saint_or_street),
    rule(rf"\b((?i:{alternatives(TITLES)}))\.(?=\s+(?:and\b|&|[A-Z]))", lambda m: TITLES[m[1].lower()]),
    rule(
        rf"\b({alternatives(t.capitalize() for t in TITLES if t not in PERIOD_TITLES)})(?=\s+(?:and M|[A-Z][a-z]))",
        lambda m: TITLES[m[1].lower()],
    ),
    rule(rf"(?<=[\w,] )({alternatives(NAME_SUFFIXES)})\.(?!\w)", lambda m: NAME_SUFFIXES[m[1]] + full_stop(m)),
    rule(
        r"\b((?:[A-Z][\w'&]*|\d+(?:st|nd|rd|th)),?) (Ave(?! Maria)|Blvd|Rd|Hwy|Pkwy|Jr|Sr|Inc|Ltd|Corp|Bros)\b",
        lambda m: f"{m[1]} {NAME_SUFFIXES[m[2]]}",
    ),
]  # fmt: skip
