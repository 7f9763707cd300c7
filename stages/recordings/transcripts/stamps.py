"""Reader of texts with times in front of their lines: `[0:12] text`, `0:00 - 0:04 text`, SBV, `Anna  0:03` above."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from stages.recordings.transcripts.clock import CLOCK, clock_seconds, is_exact
from stages.recordings.transcripts.rows import LayoutError

DASH = r"\s*(?:--?>|→|[-–—~～]|to\b)\s*"
GAP = rf"{DASH}|,|\s*[;|]\s*|\s+"
STAMP = re.compile(
    rf"(?:[-*•]\s+)?[*_`]{{0,3}}(?:(?P<open>[\[(])\s*)?(?P<start>{CLOCK})(?:(?P<gap>{GAP})(?P<end>{CLOCK}))?"
    r"(?:\s*(?P<close>[\])]))?(?P<rest>.*)"
)
REST = re.compile(r":?[*_`]{0,3}(?:\s*[-–—|:,;]+(?=\s|$)|[,;|](?=\S))?\s*(.*)")
SECOND = r"\d+(?:\.\d+)?\s*s?"
SECONDS = re.compile(rf"\[\s*(?P<start>{SECOND}){DASH}(?P<end>{SECOND})\s*\]:?\s*(?P<text>.*)")  # of faster-whisper
NAMED = re.compile(
    rf"[*_]{{0,3}}(?P<name>[^\W\d_][^:;!?\[\](){{}}|\t]{{0,59}}?)(?P<gap>\s*[\[(|–—]\s*|\s{{2,}}|\t\s*|:?\s)"
    rf"(?P<start>{CLOCK})(?:{DASH}{CLOCK})?(?:\s*[\])])?(?:\s*:)?[*_]{{0,3}}"
)
ZERO = re.compile(r"(?:0+:)?00?:")  # 0:05, and not the time of day in "10:30 is early"
CHARACTERS_PER_SECOND = (2, 60)  # of speech between two times, pauses and all scripts included
NUMBER = re.compile(r"\s*\d+\s*")
REMARK = re.compile(r"\s*transcribed by https?://\S+\s*", re.I)
ADVICE = "write times as [0:12] at the start of each line, or leave them out"

# What is left of times in a text that counts as spoken. One of the first makes a text unusable, or two of the others
CERTAIN_TIMES = re.compile(
    rf"\[\s*{CLOCK}(?:(?:{GAP}){CLOCK})?\s*\]|(?<![\d:])(?:\d+:)?\d?\d:[0-5]\d[.,]\d{{3}}(?!\d)|\b\d\d:\d\d:\d\d[:;]\d\d\b"
)
LIKELY_TIMES = re.compile(
    rf"\[[^\[\]\n]{{0,60}}{CLOCK}[^\[\]\n]{{0,20}}\]|\([^()\n]{{0,40}}{CLOCK}\s*\)|\b00:\d\d:\d\d\b"
    r"|^[^\w\n]*00?:[0-5]\d(?!\d)|^[ \t]*-?\d+(?:[.,]\d+)?\t[ \t]*-?\d+(?:[.,]\d+)?(?=\t|[ \t]*$)"
    r"|^[ \t]*\d+\.\d+[ \t]+\d+\.\d+\s",
    re.M,
)


class Stamp(NamedTuple):
    """The time in front of a line, and the rest of the line."""

    written: str
    start: float  # seconds
    end: float | None
    style: str  # [, ( or nothing, or the name of a speaker before it
    is_exact: bool
    text: str = ""
    speaker: str = ""

    @property
    def form(self) -> tuple[str, bool, bool, bool]:
        """Return what the times of one file have in common."""
        is_plain = not self.style and not self.is_exact and self.end is None
        return self.style, self.end is not None, self.is_exact, is_plain and not self.text


def read_stamped(lines: Sequence[str]) -> str | None:
    """Return the text without the times, one line per line, or None where no times stand in front of the lines.

    Args:
        lines: the lines of a text that are not blank.

    Raises:
        LayoutError: it cannot be known whether the times are spoken, or whether a line is.
    """
    every = [_stamp(line) for line in lines]
    stamps = _of_one_form(every)
    places = [place for place, stamp in enumerate(stamps) if stamp]
    found = [stamp for stamp in stamps if stamp]
    if not found or not _are_of_media(found, lines, places):
        return None
    speakers = list(dict.fromkeys(stamp.speaker for stamp in found if stamp.speaker))
    if len(speakers) > 1:
        raise LayoutError(f"has texts of the speakers {_quoted(speakers)}; keep what one of them says")
    skipped = _numbers(lines, stamps)
    title = next((line for place, line in enumerate(lines[: places[0]]) if place not in skipped), "")
    if title and found[0].start >= 1:
        raise LayoutError(
            f"has {title.strip()[:60]!r} above the first time, {found[0].written}; remove it, or give it a time"
        )
    kept = [
        stamp.text if stamp else line
        for place, (stamp, line) in enumerate(zip(stamps, lines, strict=True))
        if place >= places[0] and place not in skipped and not REMARK.fullmatch(line)
    ]
    return "\n".join(filter(None, kept))


def require_no_times(text: str) -> None:
    """Check that no times of media are left in a text that counts as spoken.

    Raises:
        LayoutError: there are some. A time of day within a line is none of them.
    """
    times = list(CERTAIN_TIMES.finditer(text))
    if not times and len(times := list(LIKELY_TIMES.finditer(text))) < 2:
        return
    line = text.count("\n", 0, times[0].start()) + 1
    raise LayoutError(
        f"holds times in a form that is not read, such as {times[0][0].strip()!r} in line {line}; {ADVICE}"
    )


def _stamp(line: str) -> Stamp | None:
    line = line.strip()
    if (match := SECONDS.fullmatch(line)) and re.search(r"[.s]", match["start"]) and re.search(r"[.s]", match["end"]):
        start, end = (float(match[part].rstrip("s ")) for part in ("start", "end"))
        return Stamp(match["start"], start, end, "[", is_exact=True, text=match["text"].strip())
    if match := STAMP.fullmatch(line):
        return _front_stamp(match)
    if match := NAMED.fullmatch(line):
        style = "name" if match["gap"].strip(" :") or (len(match["gap"]) > 1 and ":" not in match["gap"]) else "word"
        name, start = match["name"].strip(" *_-–—"), clock_seconds(match["start"]) or 0.0
        return Stamp(match["start"], start, None, style, is_exact(match["start"]), speaker=name)
    return None


def _front_stamp(match: re.Match[str]) -> Stamp | None:
    start, end, rest = match["start"], match["end"], match["rest"]
    if match["open"] and not match["close"]:
        return None
    # "0:00 10:30 is early" has one time in front, "0:00:01.000 0:00:03.000 Hello" has two
    is_spaced = end and not match["open"] and match["gap"].isspace() and "\t" not in match["gap"]
    if is_spaced and not all(is_exact(time) or time.count(":") > 1 for time in (start, end)):
        rest, end = match.string[match.start("end") - 1 :], None
    text = REST.fullmatch(rest)
    if text is None or (text[1] and not text.start(1) and not match["close"]):  # "0:03Hello"
        return None
    return Stamp(
        start,
        clock_seconds(start) or 0.0,
        clock_seconds(end) if end else None,
        match["open"] or "",
        is_exact(start) and (not end or is_exact(end)),
        text[1].strip(),
    )


def _of_one_form(stamps: Sequence[Stamp | None]) -> list[Stamp | None]:
    """Return the stamps of the form that most lines have. Other lines are texts, such as "10:30 is early" in SubRip."""
    forms = Counter(stamp.form for stamp in stamps if stamp)
    if not forms:
        return [None] * len(stamps)
    most = max(forms, key=lambda form: (forms[form], not form[-1]))
    alike = {most, (*most[:3], True)}  # a time alone is an empty line among lines with texts
    return [stamp if stamp and stamp.form in alike else None for stamp in stamps]


def _are_of_media(stamps: Sequence[Stamp], lines: Sequence[str], places: Sequence[int]) -> bool:
    """Return whether the times are those of the recording, and not of the day, which are spoken.

    Raises:
        LayoutError: they may be either.
    """
    first, is_alone = stamps[0], len(stamps) == 1
    is_zero = ZERO.match(first.written) is not None
    no_text = {*places, len(lines)}
    if first.style == "word":  # "Anna 0:03", or "We met at 10:30"
        if is_zero and not is_alone and all(place + 1 not in no_text for place in places):
            raise LayoutError(f"holds times in a form that is not read, such as {lines[places[0]]!r}; {ADVICE}")
        return False
    if first.style == "name" and all(place + 1 in no_text for place in places):
        return False
    if first.is_exact or first.style == "[" or (first.style == "(" and (is_zero or not is_alone)):
        return True
    if is_zero and (not is_alone or first.start == 0 or first.end is not None or first.style == "name"):
        return True
    if is_alone and first.end is None:
        return False
    has_ends = first.end is not None
    said = lines[places[0] :] if has_ends else lines[places[0] : places[-1]]
    n_characters = sum(map(len, said)) - sum(len(stamp.written) for stamp in (stamps if has_ends else stamps[:-1]))
    seconds = ((stamps[-1].end or 0.0) if has_ends else stamps[-1].start) - first.start
    lowest, highest = CHARACTERS_PER_SECOND
    is_plausible = lowest * seconds <= n_characters <= highest * seconds
    if is_plausible == has_ends:
        return is_plausible
    raise LayoutError(
        f"begins lines with times such as {first.written}, which may be spoken; write them as [{first.written}], "
        "or as words if they are spoken"
    )


def _numbers(lines: Sequence[str], stamps: Sequence[Stamp | None]) -> set[int]:
    """Return the places of the numbers above the times, as subtitles have them, if there is one above each."""
    above = [place - 1 for place, stamp in enumerate(stamps) if stamp and not stamp.text]
    has_all = len(above) == sum(stamp is not None for stamp in stamps)
    return set(above) if has_all and all(place >= 0 and NUMBER.fullmatch(lines[place]) for place in above) else set()


def _quoted(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names))
