"""Sentences of a text, in every language: what is spoken in one go."""

import itertools
import re

from gpt_sovits.text.alphabets import HAN, HANGUL, KANA
from gpt_sovits.text.english.normalization import AFTER_NAMES, ANYWHERE, BEFORE_NUMBERS, TITLES

MAX_SENTENCE_CHARACTERS = 300  # in Latin letters: about 20 s
WIDTHS = {HAN: 3, KANA: 2, HANGUL: 3}  # about as many Latin letters take the same time to say
SPACELESS = HAN + KANA + HANGUL

CLOSING = "\"'”’)\\]」』】》）"
SENTENCE_END = re.compile(
    rf"[。！？｡]+[.!?…。！？]*[{CLOSING}]*"  # wherever they stand; the others only before a space, as in 3.14
    rf"|[.!?…]+[{CLOSING}]*(?=\s|$)|(?<=[{SPACELESS}])[.!?]+[{CLOSING}]*(?=[{SPACELESS}])"
)
QUOTED = re.compile(rf"[」』”][{CLOSING}]*$")  # 「…。」 before と ends no sentence: somebody says it
PAUSE = re.compile(rf"[,;:–—]+(?=\s)|\s-(?=\s)|[，、；：]+|[—–]+|[,;:]+(?=[{SPACELESS}])")
ABBREVIATIONS = {a.lower() for table in (TITLES, AFTER_NAMES, ANYWHERE) for a in table}
STARTERS = {"A", "After", "And", "As", "At", "But", "He", "I", "If", "In", "It", "She", "The", "Then", "There", "They"}
STARTERS |= {"This", "We", "What", "When", "You"}  # words that begin a sentence and rarely follow an acronym
LOOK_AHEAD = 100  # characters; a word is shorter


def split_sentences(text: str, max_characters: int = MAX_SENTENCE_CHARACTERS) -> list[str]:
    """Sentences of at most `max_characters`, in order, none empty; nothing but white space is lost.

    max_characters: in Latin letters; a Han character or a Hangul block counts 3 and a kana 2, since they take longer
    to say. A single character always fits.

    A period inside a number (3.14), after an abbreviation (Mr., e.g.) or an initial (J. Smith) ends no sentence, a line
    break does, and 。！？ do without a space after them. Closing quotes stay with their sentence. A sentence that is
    too long is cut at its last comma, semicolon, colon or dash that fits, else between words (in scripts without
    spaces between characters).
    """
    if max_characters < 1:
        raise ValueError(f"max_characters must be at least 1, not {max_characters}")
    sentences = []
    for line in text.splitlines():
        start = 0
        for m in SENTENCE_END.finditer(line):
            if not _goes_on(line[start : m.end()], line[m.end() : m.end() + LOOK_AHEAD]):
                sentences.append(line[start : m.end()])
                start = m.end()
        sentences.append(line[start:])
    return [piece for s in sentences if s.strip() for piece in _pieces(" ".join(s.split()), max_characters)]


def width(text: str) -> int:
    """The length of a text in Latin letters, as `split_sentences` counts it."""
    return len(text) + sum((n - 1) * len(re.findall(f"[{script}]", text)) for script, n in WIDTHS.items())


def _goes_on(before: str, after: str) -> bool:
    """Whether the mark that ends `before` ends no sentence, because `after` continues it."""
    following = after.strip().lstrip("(['\"“‘").split(" ")[0].rstrip(",")
    last = before.split()[-1].lstrip("(['\"“‘")
    if not following:
        return False
    if QUOTED.search(before):
        return after.startswith(("と", "って", "라고", "하고"))
    if not last.endswith("."):
        return following[0].islower() and not last.endswith(("?", "!"))  # "Really?" she asked
    word = last[:-1]
    if word.lower() in BEFORE_NUMBERS and following[0].isdigit():
        return True
    if not following[0].isupper():
        return word.lower() in ABBREVIATIONS or bool(re.fullmatch(r"(?:[A-Za-z]\.)+", last))
    if re.fullmatch(r"(?:[A-Z]\.){2,}", last):
        return following not in STARTERS  # the U.S. Senate
    return word.lower() in TITLES or bool(re.fullmatch(r"[A-HJ-Z]\.", last))  # Mr. Smith, J. Smith


def _pieces(sentence: str, max_characters: int) -> list[str]:
    pieces = []
    while width(sentence[: max_characters + 1]) > max_characters:
        widths = itertools.accumulate(width(character) for character in sentence[:max_characters])
        n_fitting = max(1, sum(total <= max_characters for total in widths))
        window = sentence[: n_fitting + 1]
        marks = [m.end() for m in PAUSE.finditer(window) if m.end() <= n_fitting]
        cut = marks[-1] if marks else _last_word_boundary(window)
        pieces.append(sentence[:cut].strip())
        sentence = sentence[cut:].strip()
        if len(sentence) <= 1:
            break
    return [*pieces, sentence] if sentence else pieces


def _last_word_boundary(window: str) -> int:
    """The last place to cut; the window's last character is the first that no longer fits."""
    for i in range(len(window) - 1, 0, -1):
        if window[i] == " " or (window[i].isalnum() and re.search(f"[{SPACELESS}]", window[i - 1 : i + 1])):
            return i
    return max(1, len(window) - 1)  # one endless word
