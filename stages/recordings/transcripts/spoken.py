"""What of a transcript is spoken: without tags, names of speakers and notes on sounds."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NamedTuple

# <i>, <unk>, <v Anna>, <00:01.5>, {\an8}, but not the comparison in "a <b and c> d"
TAG = re.compile(
    r"</?(?:[A-Za-z][\w.-]*|(?:v|c|a|p|span|font|lang|div)[. ][^<>\n]{0,80})\s*/?>|<\d\d:[\d:.]+>|\{\\[^{}\n]*\}"
)
SOUNDS = (
    "applause|background noise|breath|breathing|breathes|clears throat|cough|coughing|coughs|crosstalk|exhales|"
    "inaudible|indistinct|inhales|laugh|laughing|laughs|laughter|music|musik|noise|pause|sigh|sighing|sighs|silence|singing|"
    "sniffs|unintelligible"
)
SOUND = re.compile(rf"\[\s*(?:{SOUNDS})\s*\]|\((?:{SOUNDS})\)|[♩♪♫♬]", re.I)
NOTE = re.compile(r"\[[^\[\]]{0,80}\]|【[^【】]{0,80}】|^\s*[(（][^()（）\n]{0,80}[)）]\s*$|^\s*>>+", re.M)
DASH = re.compile(r"^\s*[-–—]\s*(?=\S)", re.M)  # a change of speaker in subtitles
# ANNA: or SPEAKER 1: at the start of a line, where not all of the text is in capitals
READ_ALOUD = "NOTE|NB|PS|WARNING|CAUTION|DANGER|IMPORTANT|ATTENTION|TIP|UPDATE|QUESTION|ANSWER|PROLOGUE|EPILOGUE"
CAPITALS = "A-ZÀ-ÖØ-Þ"
CAPITAL_LABEL = re.compile(
    rf"^\s*(?!(?:{READ_ALOUD})\s*:)[{CAPITALS}][{CAPITALS}0-9]*(?:[ .'’-]+[{CAPITALS}0-9]+){{0,2}}\s*:\s+(?=\S)", re.M
)
NUMBERED_LABEL = re.compile(r"^\s*\[?(?:speaker|spk)[ _]?[\dA-Z]{1,2}\]?\s*[:：]\s*(?=\S)", re.M | re.I)


class SpokenText(NamedTuple):
    """The spoken words of a transcript on one line, and whether anything was left out."""

    text: str
    shortened: bool


def spoken_text(text: str, speaker: str, *, subtitles: bool) -> SpokenText:
    """Return what is said, on one line.

    Tags, notes such as [music], and names of speakers at the start of a line are left out: names in capitals, numbered
    ones, and the voice's own. In subtitles, all that is in square brackets and a line in round ones is such a note. In
    other texts only known ones are, because people write spoken words in brackets too.

    Args:
        text: a text as written, of one line or more.
        speaker: the voice's name.
        subtitles: whether the text comes from subtitles or from a recogniser.
    """
    own_label = re.compile(rf"^\s*{re.escape(speaker)}\s*[:：]\s*(?=\S)", re.M | re.I)
    spoken = TAG.sub(" ", text)
    if subtitles:
        spoken = DASH.sub("", NOTE.sub(" ", html.unescape(spoken)))
    spoken = own_label.sub("", NUMBERED_LABEL.sub("", SOUND.sub(" ", spoken)))
    if spoken != spoken.upper():
        spoken = CAPITAL_LABEL.sub("", spoken)
    cleaned = clean_text(spoken)
    return SpokenText(cleaned, shortened=cleaned != clean_text(text))


def clean_text(text: str) -> str:
    """Return text on one line in composed form. Control characters and runs of white space become one space."""
    text = "".join(" " if unicodedata.category(char) == "Cc" or char == "\ufeff" else char for char in text)
    return unicodedata.normalize("NFC", " ".join(text.split()))
