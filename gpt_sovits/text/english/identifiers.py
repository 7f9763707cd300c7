"""English identifiers: telephone numbers, codes, room and model numbers, file names, network addresses."""

import re

from gpt_sovits.text.english.numerals import Rule, read_digits, read_label, rule

# ruff: noqa: SIM905 - tables of words read better as text
SPELLED_EXTENSIONS = set(
    "txt pdf csv tsv py js ts html htm css xml md jpg png svg gif mp4 wav mov avi gz rb rs cpp php sql yml ini cfg log "
    "doc docx xls xlsx ppt pptx dll iso apk rar".split()
)
READ_EXTENSIONS = set("jpeg json toml yaml zip tar exe bat bin java flac".split())
EXTENSION = "|".join(sorted(SPELLED_EXTENSIONS | READ_EXTENSIONS, key=len, reverse=True))
CALLS = "call|called|calling|dial|dialed|ring|rang|phone|phoned|text|texted|fax|tel|telephone|mobile|hotline|number"
NUMBERED_PLACES = (  # their numbers are read in pairs: room 705, flight 1549
    "room|flight|gate|suite|apartment|apt|route|highway|interstate|freeway|bus|channel|flat|seat|locker|exit|cabin|"
    "error|boeing|airbus|rtx|gtx|rx|ryzen|extension"
)
MIN_TELEPHONE_DIGITS = 6  # with fewer, "call 20 30" may be two numbers
CODES = (  # after them, digits are read one by one
    r"(?:(?:order|tracking|account|invoice|serial|reference|confirmation|ticket|booking|case|policy|card|passport|"
    r"membership|license|phone)\s(?:number|no\.?|code|id|#)|isbn|pin|passcode|password|zip(?:\scode)?|postcode|"
    r"(?:area|postal|access|security|verification|door|gate|promo)?\s?code|id(?:\snumber)?)"
)
UNIT_LETTERS = set(  # letters after a number that are units or times, not part of a name
    "K M B T G GB MB KB TB PB W V KW MW GW HZ KHZ MHZ GHZ DB AM PM KM KG CM MM ML L C F AD BC CE BCE PX FPS MPH KPH "
    "MI FT LB LBS OZ HA KWH MAH MS S H HR MIN SEC ST ND RD TH".split()
)


def _spaced(letters: str) -> str:
    return " ".join(letters.upper())


def _digit_groups(m: re.Match[str]) -> str:
    if len(re.findall(r"\d", m["digits"])) < MIN_TELEPHONE_DIGITS:
        return m[0]
    sign = "plus " if "+" in m["digits"] else ""
    before = m.groupdict().get("before") or ""
    return before + sign + ", ".join(read_digits(group) for group in re.findall(r"\d+", m["digits"]))


def _code(m: re.Match[str]) -> str:
    return f"{m['before']} {read_digits(m['digits'])}"


def _label(m: re.Match[str]) -> str:
    variant = f" {read_label(m['variant'])}" if m["variant"] else ""
    return f"{m['before']}{read_label(m['digits'])} {m['letter'] or ''}{variant}"


def _model(m: re.Match[str]) -> str:
    return f"{m['before']} {read_label(m['digits'])}"


def _digits_and_letters(m: re.Match[str]) -> str:
    """Read 705A as seven oh five A. Units (100GB) and magnitudes (100K) are left to their rules."""
    letters = m["letters"]
    if letters.upper() in UNIT_LETTERS and not (letters == "B" and re.match(r"\s[A-Z]", m.string[m.end() :])):
        return m[0]
    return f"{read_label(m['digits'])} {_spaced(letters)}"


def _mixed(m: re.Match[str]) -> str:
    """Spell a code in which letters and digits alternate: 7ABC123 -> seven A B C one two three."""
    parts = re.findall(r"\d+|[A-Z]+", m[0])
    if len(parts) < 3 and not any(len(part) > 4 for part in parts if part.isdigit()):
        return m[0]
    return " ".join(read_digits(part) if part.isdigit() else _spaced(part) for part in parts)


def _file_name(m: re.Match[str]) -> str:
    stem = re.sub(r"[_-]+", " ", m["stem"] or "")
    extensions = m["extensions"].lower().split(".")[1:]
    return " dot ".join([stem, *(_spaced(e) if e in SPELLED_EXTENSIONS else e for e in extensions)])


def _network_address(m: re.Match[str]) -> str:
    return " dot ".join(read_label(group) for group in m[0].split("."))


_GROUPS = r"\(?\+?\d{1,4}\)?(?:[ .-]\(?\d{2,4}\)?){1,4}"
IDENTIFIER_RULES: list[Rule] = [
    rule(
        rf"(?<![\w.])(?P<stem>[A-Za-z0-9][\w-]*)?(?P<extensions>(?:\.(?:{EXTENSION}))+)\b(?!\.?\w)",
        _file_name,
        re.IGNORECASE,
    ),
    rule(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]\w|\w)", _network_address),
    rule(
        rf"(?P<before>\b(?:{CALLS})\b\W{{0,2}}(?:(?:on|at|is|us|me|to|the)\s){{0,2}})(?P<digits>{_GROUPS})(?![\w:/%])",
        _digit_groups,
        re.IGNORECASE,
    ),
    rule(
        r"(?<![\w.+])(?P<digits>\+\d{1,3}(?:[ -]\(?\d{1,4}\)?){2,5}|1[38]00[ -]\d{3}[ -]\d{3,4}"
        r"|\(?0\d{1,4}\)?[ -]\d{3,4}[ -]\d{3,4})(?!\w)",
        _digit_groups,
    ),
    rule(
        r"(?<![\w-])(?P<digits>(?:\+?\d{1,2}[ -])?(?:\(?\d{3}\)?[ -])?\d{3}-\d{4}|\d{3}\.\d{3}\.\d{4})\b", _digit_groups
    ),
    rule(r"(?<![\w.-])(?P<digits>\d+(?:-\d+){2,})(?![\w-])", _digit_groups),  # an ISBN
    rule(
        r"(?P<before>\b(?:call|dial|ring|phone|text)(?:ed|ing|s)?)\s(?P<digits>\d{3,6})"
        r"(?![\d%]|[.,:]\d|\s[a-z]+s\b|\speople)",
        _code,
        re.IGNORECASE,
    ),
    rule(
        rf"(?P<before>\b{CODES}(?:\s(?:is|was)|:|=)?)\s?(?P<digits>\d{{3,}})(?![\d%A-Za-z]|[.,]\d)",
        _code,
        re.IGNORECASE,
    ),
    rule(r"(?<![\w.,$£€¥])(?P<before>)(?P<digits>\d{9,}(?<!000))(?![\d%]|[.,]\d|\s[a-z]+s\b)", _code),
    rule(r"(?<![\w.])(?=\w*\d)(?=\w*[A-Z])[A-Z0-9]{5,}(?![\w.-]\w|\w)", _mixed),
    rule(
        rf"(?P<before>\b(?:{NUMBERED_PLACES})\.?\s)(?P<digits>\d{{3,4}})(?P<letter>(?-i:[A-Z]))?"
        r"(?:-(?P<variant>\d{2,4}))?(?![\w%]|[.,]\d)",
        _label,
        re.IGNORECASE,
    ),
    rule(r"(?<![\w.,])(?P<digits>\d{3,4})(?P<letters>[A-Z]{1,3}|p)(?![\w'])", _digits_and_letters),
    rule(r"(?P<before>(?<![A-Za-z])[A-Z]{1,4})(?P<digits>\d{3,4})(?![\w]|[.,]\d)", _model),
]
