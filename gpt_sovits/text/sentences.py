"""Splitting of a text into sentences, the units of synthesis, in every language."""

import itertools
import re

from gpt_sovits.text.alphabets import HAN, HANGUL, KANA
from gpt_sovits.text.english.abbreviations import (
    NAME_SUFFIXES,
    NUMBER_PREFIXES,
    OTHER_ABBREVIATIONS,
    SENTENCE_STARTERS,
    STREETS,
    TITLES,
    is_answer_no,
)

MAX_SENTENCE_CHARACTERS = 300  # in Latin letters: about 20 s
WIDTHS = {HAN: 3, KANA: 2, HANGUL: 3}  # about as many Latin letters take the same time to say
SPACELESS_SCRIPTS = HAN + KANA + HANGUL

CLOSING_MARKS = "\"'”’)\\]」』】》）"
SENTENCE_END = re.compile(
    rf"[。！？｡]+[.!?…。！？]*[{CLOSING_MARKS}]*"  # these anywhere, the others only before a space (not in 3.14)
    rf"|[.!?…]+[{CLOSING_MARKS}]*(?=\s|$)|(?<=[{SPACELESS_SCRIPTS}])[.!?]+[{CLOSING_MARKS}]*(?=[{SPACELESS_SCRIPTS}])"
)
QUOTE_END = re.compile(rf"[」』”][{CLOSING_MARKS}]*$")  # 「…。」 before と does not end a sentence: it is a quotation
PAUSE_MARK = re.compile(rf"[,;:–—]+(?=\s)|\s-(?=\s)|[，、；：]+|[—–]+|[,;:]+(?=[{SPACELESS_SCRIPTS}])")
ABBREVIATIONS = {a.lower() for table in (TITLES, NAME_SUFFIXES, OTHER_ABBREVIATIONS) for a in table}
UNIT_END = re.compile(r"\d\s?[A-Za-z]{1,4}\.$")  # 5 min. before a small letter
LOOK_AHEAD = 100  # characters, more than any word has


def split_sentences(text: str, max_characters: int = MAX_SENTENCE_CHARACTERS) -> list[str]:
    """Split a text into sentences of limited length.

    A line break ends a sentence, and so do 。！？ without a space after them. A period does not end one inside a number
    (3.14), after an abbreviation (Mr., e.g.) or after an initial (J. Smith). Closing quotes stay with their sentence. A
    sentence that is too long is cut at its last comma, semicolon, colon or dash that fits. If there is none, it is cut
    between words, or between characters in scripts without spaces.

    Args:
        text: A text as written.
        max_characters: The longest sentence in Latin letters, at least 1. A Han character or a Hangul block counts 3
            and a kana 2, because they take longer to say. A single character always fits.

    Returns:
        The sentences in order, none empty. Only white space is lost.
    """
    if max_characters < 1:
        raise ValueError(f"max_characters must be at least 1, not {max_characters}")
    sentences = []
    for line in text.splitlines():
        start = 0
        for m in SENTENCE_END.finditer(line):
            if not _is_continued(line[start : m.end()], line[m.end() : m.end() + LOOK_AHEAD]):
                sentences.append(line[start : m.end()])
                start = m.end()
        sentences.append(line[start:])
    return [piece for s in sentences if s.strip() for piece in _cut_sentence(" ".join(s.split()), max_characters)]


def width(text: str) -> int:
    """Return the length of a text in Latin letters, as `split_sentences` counts it."""
    return len(text) + sum((n - 1) * len(re.findall(f"[{script}]", text)) for script, n in WIDTHS.items())


def _is_continued(before: str, after: str) -> bool:
    """Return whether `after` continues the sentence, so that the mark at the end of `before` does not end it."""
    following = after.strip().lstrip("(['\"“‘").split(" ")[0].rstrip(",")
    last = before.split()[-1].lstrip("(['\"“‘")
    if not following:
        return False
    if QUOTE_END.search(before):
        return after.startswith(("と", "って", "라고", "하고"))
    if not last.endswith("."):
        return following[0].islower() and not last.endswith(("?", "!"))  # "Really?" she asked
    word = last[:-1]
    if word.lower() in NUMBER_PREFIXES and following[0].isdigit():
        return word != "no" or not is_answer_no(before.rstrip()[: -len(last)], after)
    if not following[0].isupper():
        if word.lower() in ABBREVIATIONS or re.fullmatch(r"(?:[A-Za-z]\.)+", last):
            return True
        return following[0].islower() and bool(UNIT_END.search(before))
    if re.fullmatch(r"(?:[A-Z]\.){2,}", last):
        return following not in SENTENCE_STARTERS  # the U.S. Senate
    if word in STREETS and following in SENTENCE_STARTERS:
        return False  # Main St. The house
    return word.lower() in TITLES or bool(re.fullmatch(r"[A-HJ-Z]\.", last))  # Mr. Smith, J. Smith


def _cut_sentence(sentence: str, max_characters: int) -> list[str]:
    pieces = []
    while width(sentence[: max_characters + 1]) > max_characters:
        widths = itertools.accumulate(width(character) for character in sentence[:max_characters])
        n_fitting = max(1, sum(total <= max_characters for total in widths))
        window = sentence[: n_fitting + 1]
        marks = [m.end() for m in PAUSE_MARK.finditer(window) if m.end() <= n_fitting]
        cut = marks[-1] if marks else _last_word_boundary(window)
        pieces.append(sentence[:cut].strip())
        sentence = sentence[cut:].strip()
        if len(sentence) <= 1:
            break
    return [*pieces, sentence] if sentence else pieces


def _last_word_boundary(window: str) -> int:
    """Return the last position to cut at. The last character of the window is the first that does not fit."""
    for i in range(len(window) - 1, 0, -1):
        if window[i] == " " or (window[i].isalnum() and re.search(f"[{SPACELESS_SCRIPTS}]", window[i - 1 : i + 1])):
            return i
    return max(1, len(window) - 1)  # one word fills the window
