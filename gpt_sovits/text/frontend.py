"""Text to the ids of the symbol table, for every language that is installed."""

import dataclasses
import re
import unicodedata
from collections.abc import Callable

from gpt_sovits.text import english
from gpt_sovits.text.english_text import AFTER_NAMES, ANYWHERE, BEFORE_NUMBERS, TITLES
from gpt_sovits.text.symbols import PUNCTUATION, SYMBOL_IDS

# language -> function from cleaned text to (symbols, spoken form)
LANGUAGES: dict[str, Callable[[str], tuple[list[str], str]]] = {"en": english.phonemes_of}
MAX_CHARACTERS = 2000  # about two minutes of speech; the models are trained on less than one
MAX_SENTENCE_CHARACTERS = 300  # about 20 s

QUOTES = str.maketrans({**dict.fromkeys("‘’‛′`´", "'"), **dict.fromkeys('“”„‟«»″"', " "), **dict.fromkeys("™®©", " ")})
DASHES = str.maketrans(dict.fromkeys("‐‑‒", "-"))
DROPPED_CATEGORIES = {"Cc", "Cf", "Co", "Cn", "Cs", "So", "Sk", "Me"}  # controls, unassigned, emoji, modifiers
SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)")
ABBREVIATIONS = {a.lower() for table in (TITLES, AFTER_NAMES, ANYWHERE) for a in table}
STARTERS = {"A", "After", "And", "As", "At", "But", "He", "I", "If", "In", "It", "She", "The", "Then", "There", "They"}
STARTERS |= {"This", "We", "What", "When", "You"}  # words that begin a sentence and rarely follow an acronym


@dataclasses.dataclass(frozen=True)
class Phonemes:
    """What a text says: ids and symbols of the table, one for one, and the words they stand for."""

    ids: list[int]
    symbols: list[str]
    normalized_text: str


def phonemize(text: str, language: str = "en") -> Phonemes:
    """The phonemes of one text, pauses as the marks ! ? … , . -

    Control characters and emoji are dropped and line breaks become full stops; a word that no dictionary knows is
    spoken by rule, never dropped.

    Raises ValueError for a language that is not installed, a text longer than MAX_CHARACTERS (`split_sentences` cuts
    it), letters of a script that the language cannot speak, and a text with nothing to say.
    """
    if language not in LANGUAGES:
        raise ValueError(f"no text front end for language {language!r}; installed: {', '.join(sorted(LANGUAGES))}")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"the text has {len(text)} characters, at most {MAX_CHARACTERS} can be spoken at once: split it"
        )
    symbols, spoken = LANGUAGES[language](clean(text))
    if all(symbol in PUNCTUATION for symbol in symbols):
        raise ValueError(f"the text {text[:40]!r} has nothing to say; it needs at least one word or number")
    return Phonemes([SYMBOL_IDS[symbol] for symbol in symbols], symbols, spoken)


def clean(text: str) -> str:
    """One line of composed Unicode with plain quotes and dashes, without control characters and emoji."""
    text = text.translate(QUOTES).translate(DASHES)
    text = unicodedata.normalize("NFKC", re.sub(r"([^\s])?[ \t]*[\r\n\u2028\u2029]+\s*", _line_break, text))
    text = text.replace("\N{FRACTION SLASH}", "/")
    text = "".join(c if c == "°" or unicodedata.category(c) not in DROPPED_CATEGORIES else _gap(c) for c in text)
    return re.sub(r"\s+", " ", text).strip()


def _line_break(m: re.Match[str]) -> str:
    """A full stop, unless the line ends with a mark already."""
    last = m[1] or ""
    return last + (". " if last.isalnum() else " ")


def _gap(character: str) -> str:
    """Format characters (zero-width joiners, soft hyphens) sit inside words, the others between them."""
    return "" if unicodedata.category(character) == "Cf" else " "


def split_sentences(text: str, max_characters: int = MAX_SENTENCE_CHARACTERS) -> list[str]:
    """Sentences of at most `max_characters`, in order, none empty; joined by spaces they are the text again.

    A period inside a number (3.14), after an abbreviation (Mr., e.g.) or an initial (J. Smith) ends no sentence, a line
    break does. A sentence that is too long is cut at its last comma, semicolon, colon or dash that fits, else between
    words.
    """
    if max_characters < 1:
        raise ValueError(f"max_characters must be at least 1, not {max_characters}")
    sentences = []
    for line in text.splitlines():
        start = 0
        for m in SENTENCE_END.finditer(line):
            if not _goes_on(line[start : m.end()], line[m.end() :]):
                sentences.append(line[start : m.end()])
                start = m.end()
        sentences.append(line[start:])
    return [piece for s in sentences if s.strip() for piece in _pieces(" ".join(s.split()), max_characters)]


def _goes_on(before: str, after: str) -> bool:
    """Whether the mark that ends `before` ends no sentence, because `after` continues it."""
    following = after.strip().lstrip("(['\"“‘").split(" ")[0].rstrip(",")
    last = before.split()[-1].lstrip("(['\"“‘")
    if not following:
        return False
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
    while len(sentence) > max_characters:
        window = sentence[: max_characters + 1]
        marks = [m.end() for m in re.finditer(r"[,;:–—]+(?=\s)|\s-(?=\s)", window) if m.end() <= max_characters]
        cut = marks[-1] if marks else window.rfind(" ")
        cut = cut if cut > 0 else max_characters  # one endless word
        pieces.append(sentence[:cut].strip())
        sentence = sentence[cut:].strip()
    return [*pieces, sentence] if sentence else pieces
