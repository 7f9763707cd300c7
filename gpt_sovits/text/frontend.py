"""Text to the ids of the symbol table, in English, Chinese, Cantonese, Japanese and Korean, mixed with English."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

from gpt_sovits.text.cleaning import clean
from gpt_sovits.text.lexicon import Entry, Lexicon
from gpt_sovits.text.scripts import AUTOMATIC, FORCED, Piece, by_script, stretches
from gpt_sovits.text.sentences import MAX_SENTENCE_CHARACTERS, split_sentences
from gpt_sovits.text.symbols import PUNCTUATION, SYMBOL_IDS

__all__ = ["LANGUAGES", "MAX_CHARACTERS", "MAX_SENTENCE_CHARACTERS", "Phonemes", "Segment", "clean", "phonemize",
           "split_sentences"]  # fmt: skip

MAX_CHARACTERS = 2000  # about two minutes of English; the models are trained on less than one


@dataclasses.dataclass(frozen=True)
class Segment:
    """A part of a text in one language.

    word2ph: for Chinese and Cantonese the number of symbols of each character of `normalized_text` (what BERT's
    features, one a character, are repeated by); None for the others.
    """

    language: str
    normalized_text: str
    symbols: tuple[str, ...]
    word2ph: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Phonemes:
    """What a text says: ids and symbols of the table, one for one, the words they stand for, and the languages."""

    ids: list[int]
    symbols: list[str]
    normalized_text: str
    segments: tuple[Segment, ...] = ()

    @property
    def word2ph(self) -> tuple[int, ...] | None:
        """Symbols of each character of `normalized_text`; None where a part is not Chinese or Cantonese."""
        parts = [segment.word2ph for segment in self.segments]
        return None if not parts or None in parts else tuple(n for part in parts for n in part)


Marks = Mapping[str, Entry]
Speaker = Callable[[str, Marks], list[tuple[str, tuple[str, ...]]]]


def _english(text: str, marks: Marks) -> list[tuple[str, tuple[str, ...]]]:
    from gpt_sovits.text.english.phonemes import phonemes_of

    symbols, spoken = phonemes_of(text, marks)
    return [(spoken, tuple(symbols))]


def _mandarin(text: str, marks: Marks) -> list[tuple[str, tuple[str, ...]]]:
    from gpt_sovits.text.chinese.mandarin import characters_of

    return characters_of(text, marks)


def _cantonese(text: str, marks: Marks) -> list[tuple[str, tuple[str, ...]]]:
    from gpt_sovits.text.chinese.cantonese import characters_of

    return characters_of(text, marks)


def _japanese(text: str, marks: Marks) -> list[tuple[str, tuple[str, ...]]]:
    from gpt_sovits.text.japanese.phonemes import phonemes_of

    return list(_around_marks(text, marks, phonemes_of))


def _korean(text: str, marks: Marks) -> list[tuple[str, tuple[str, ...]]]:
    from gpt_sovits.text.korean.phonemes import phonemes_of

    return list(_around_marks(text, marks, phonemes_of))


# language -> function from a text of that language alone to its parts (for zh and yue its characters) and their symbols
LANGUAGES: dict[str, Speaker] = {
    "en": _english, "zh": _mandarin, "yue": _cantonese, "ja": _japanese, "ko": _korean,
}  # fmt: skip
BY_CHARACTER = ("zh", "yue")


def phonemize(text: str, language: str = "en", lexicon: Lexicon | None = None) -> Phonemes:
    """The phonemes of one text, pauses as the marks ! ? … , . -

    language: "en"; "zh", "yue", "ja" or "ko", which speak Latin words as English; the same after "all_" (all_zh), which
    refuse them; "auto" or "auto_yue" for texts in several languages (gpt_sovits.text.scripts says how they are told
    apart). lexicon: words with their own sounds, looked up before any dictionary.

    Control characters and emoji are dropped and line breaks become full stops; a word that no English dictionary knows
    is spoken by rule, never dropped.

    Raises ValueError for an unknown language or one whose library is not installed, a text longer than MAX_CHARACTERS
    (`split_sentences` cuts it), letters of a script that the language cannot speak, and a text with nothing to say.
    """
    if language.removeprefix(FORCED) not in LANGUAGES and language not in AUTOMATIC:
        known = ", ".join([*LANGUAGES, *(FORCED + name for name in LANGUAGES), *AUTOMATIC])
        raise ValueError(f"no text front end for language {language!r}; known: {known}")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"the text has {len(text)} characters, at most {MAX_CHARACTERS} can be spoken at once: split it"
        )
    segments = [
        segment
        for stretch in stretches(clean(text), language)
        for segment in _segments(stretch, lexicon or Lexicon(), mixed=not language.startswith(FORCED))
    ]
    symbols = [symbol for segment in segments for symbol in segment.symbols]
    if all(symbol in PUNCTUATION for symbol in symbols):
        raise ValueError(f"the text {text[:40]!r} has nothing to say; it needs at least one word or number")
    spoken = _sentence(segments)
    return Phonemes([SYMBOL_IDS[symbol] for symbol in symbols], symbols, spoken, tuple(segments))


def _segments(stretch: Piece, lexicon: Lexicon, mixed: bool) -> Iterator[Segment]:
    """What a stretch of one main language says, English words apart."""
    main, (text, marks) = stretch.language, lexicon.marked(stretch.text, stretch.language)
    if main in BY_CHARACTER:
        text = _chinese_words(text, main)
    pieces = by_script(text, main)
    latin = [piece.text for piece in pieces if piece.language != main]
    if latin and not mixed:
        raise ValueError(
            f"cannot speak {latin[0].strip()!r} with language '{FORCED}{main}', which is {main} alone; "
            f"language {main!r} speaks such words as English"
        )
    for language, piece in pieces:
        parts = _speak(language, piece, marks)
        symbols = tuple(symbol for _, part in parts for symbol in part)
        if symbols:
            by_character = language in BY_CHARACTER
            word2ph = tuple(len(part) for _, part in parts) if by_character else None
            yield Segment(language, "".join(written for written, _ in parts), symbols, word2ph)


def _chinese_words(text: str, language: str) -> str:
    """Numbers, dates and units in characters, before English words are taken out: they may stand beside them."""
    from gpt_sovits.text.chinese.cantonese import CANTONESE
    from gpt_sovits.text.chinese.normalization import MANDARIN, spoken_form

    return spoken_form(text, MANDARIN if language == "zh" else CANTONESE)


def _speak(language: str, text: str, marks: Marks) -> list[tuple[str, tuple[str, ...]]]:
    try:
        return LANGUAGES[language](text, marks)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the text front end for language {language!r} is not installed: the package {error.name!r} is missing; "
            "install the requirements of this project again"
        ) from error


def _around_marks(
    text: str, marks: Marks, phonemes_of: Callable[[str], tuple[list[str], str]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The text in pieces, the lexicon's words said as it says and what is between them by the language."""
    between = ""
    for character in [*text, ""]:
        if character and character not in marks:
            between += character
            continue
        if any(c.isalnum() for c in between):
            symbols, spoken = phonemes_of(between)
            yield spoken, tuple(symbols)
        else:
            pauses = tuple(c for c in between if c in PUNCTUATION)[:1]
            yield "".join(pauses), pauses
        between = ""
        if character:
            yield marks[character].written, tuple(marks[character].symbols)


def _sentence(segments: list[Segment]) -> str:
    """What the segments say, joined, with a space between English and other languages."""
    joined = ""
    for before, segment in zip([None, *segments], segments, strict=False):
        joined += " " * (before is not None and "en" in (before.language, segment.language)) + segment.normalized_text
    return joined
