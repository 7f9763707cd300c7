"""The entry point of the text front end: text to ids of the symbol table.

The languages are English, Chinese (Mandarin), Cantonese, Japanese and Korean. English words may occur in any of them.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

from gpt_sovits.text.cleaning import clean
from gpt_sovits.text.lexicon import Entry, Lexicon
from gpt_sovits.text.scripts import (
    AUTOMATIC,
    SINGLE_LANGUAGE_PREFIX,
    Piece,
    join_names,
    split_by_main_language,
    split_off_english,
)
from gpt_sovits.text.sentences import MAX_SENTENCE_CHARACTERS, split_sentences
from gpt_sovits.text.symbols import PUNCTUATION, SYMBOL_IDS

__all__ = ["LANGUAGES", "MAX_CHARACTERS", "MAX_SENTENCE_CHARACTERS", "Phonemes", "Segment", "clean", "phonemize",
           "split_sentences"]  # fmt: skip

MAX_CHARACTERS = 2000  # about two minutes of English, while the models are trained on less than one minute


@dataclasses.dataclass(frozen=True)
class Segment:
    """A part of a text in one language.

    Attributes:
        language: A key of LANGUAGES.
        normalized_text: The words that are spoken.
        symbols: Symbols of the table.
        word2ph: For Chinese and Cantonese, the number of symbols of each character of `normalized_text`. BERT's
            features, one per character, are repeated that often. None for the other languages.
    """

    language: str
    normalized_text: str
    symbols: tuple[str, ...]
    word2ph: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Phonemes:
    """The phonemes of a text.

    Attributes:
        ids: Ids of the symbols in the table, one per symbol.
        symbols: Symbols of the table.
        normalized_text: The words that are spoken.
        segments: The parts of the text, each in one language. Their symbols joined are `symbols`.
    """

    ids: list[int]
    symbols: list[str]
    normalized_text: str
    segments: tuple[Segment, ...] = ()

    @property
    def word2ph(self) -> tuple[int, ...] | None:
        """The number of symbols of each character of `normalized_text`, None if a part has another language."""
        parts = [segment.word2ph for segment in self.segments]
        return None if not parts or None in parts else tuple(n for part in parts for n in part)


Placeholders = Mapping[str, Entry]  # private-use characters that stand for words of the lexicon
SpokenParts = list[tuple[str, tuple[str, ...]]]  # parts of a text (characters for zh and yue) and their symbols
LanguageFrontEnd = Callable[[str, Placeholders], SpokenParts]


def _speak_english(text: str, placeholders: Placeholders) -> SpokenParts:
    from gpt_sovits.text.english.phonemes import text_to_phonemes

    symbols, spoken = text_to_phonemes(text, placeholders)
    return [(spoken, tuple(symbols))]


def _speak_mandarin(text: str, placeholders: Placeholders) -> SpokenParts:
    from gpt_sovits.text.chinese.mandarin import text_to_character_symbols

    return text_to_character_symbols(text, placeholders)


def _speak_cantonese(text: str, placeholders: Placeholders) -> SpokenParts:
    from gpt_sovits.text.chinese.cantonese import text_to_character_symbols

    return text_to_character_symbols(text, placeholders)


def _speak_japanese(text: str, placeholders: Placeholders) -> SpokenParts:
    from gpt_sovits.text.japanese.phonemes import text_to_phonemes

    return list(_speak_between_placeholders(text, placeholders, text_to_phonemes))


def _speak_korean(text: str, placeholders: Placeholders) -> SpokenParts:
    from gpt_sovits.text.korean.phonemes import text_to_phonemes

    return list(_speak_between_placeholders(text, placeholders, text_to_phonemes))


# language -> function from a text in that language to its spoken parts
LANGUAGES: dict[str, LanguageFrontEnd] = {
    "en": _speak_english, "zh": _speak_mandarin, "yue": _speak_cantonese, "ja": _speak_japanese, "ko": _speak_korean,
}  # fmt: skip
CHARACTER_LANGUAGES = ("zh", "yue")


def phonemize(text: str, language: str = "en", lexicon: Lexicon | None = None) -> Phonemes:
    """Return the phonemes of a text, with the pauses ! ? … , . and - as symbols.

    Control characters and emoji are dropped, and line breaks become full stops. A word that no English dictionary knows
    is spoken by rule and never dropped.

    Args:
        text: At most MAX_CHARACTERS characters (`split_sentences` cuts longer texts).
        language: "en", or one of "zh", "yue", "ja" and "ko", which speak Latin words as English. With "all_" before it
            (all_zh), a language refuses Latin words. "auto" and "auto_yue" are for texts in several languages (see
            gpt_sovits.text.scripts).
        lexicon: Pronunciations that take precedence over every dictionary.

    Raises:
        ValueError: If the language is unknown or its library is not installed, if the text is too long or has nothing
            to say, or if it contains letters of a script that the language cannot speak.
    """
    if language.removeprefix(SINGLE_LANGUAGE_PREFIX) not in LANGUAGES and language not in AUTOMATIC:
        known = ", ".join([*LANGUAGES, *(SINGLE_LANGUAGE_PREFIX + name for name in LANGUAGES), *AUTOMATIC])
        raise ValueError(f"no text front end for language {language!r}; known: {known}")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"the text has {len(text)} characters, at most {MAX_CHARACTERS} can be spoken at once; split it"
        )
    mixed = not language.startswith(SINGLE_LANGUAGE_PREFIX)
    segments = [
        segment
        for part in split_by_main_language(clean(text), language)
        for segment in _segments(part, lexicon or Lexicon(), mixed=mixed)
    ]
    symbols = [symbol for segment in segments for symbol in segment.symbols]
    if all(symbol in PUNCTUATION for symbol in symbols):
        raise ValueError(f"the text {text[:40]!r} has nothing to say; it needs at least one word or number")
    ids = [SYMBOL_IDS[symbol] for symbol in symbols]
    return Phonemes(ids, symbols, _join_texts(segments), tuple(segments))


def _segments(part: Piece, lexicon: Lexicon, *, mixed: bool) -> Iterator[Segment]:
    """Yield the segments of a part with one main language. Its English words are segments of their own."""
    main, (text, placeholders) = part.language, lexicon.mark_words(join_names(part.text, part.language), part.language)
    if main in CHARACTER_LANGUAGES:
        text = _normalize_chinese(text, main)
    pieces = split_off_english(text, main)
    latin = [piece.text for piece in pieces if piece.language != main]
    if latin and not mixed:
        raise ValueError(
            f"cannot speak {latin[0].strip()!r} with language '{SINGLE_LANGUAGE_PREFIX}{main}', which has no English "
            f"words; language {main!r} speaks such words as English"
        )
    for language, piece in pieces:
        spoken_parts = _speak(language, piece, placeholders)
        symbols = tuple(symbol for _, part_symbols in spoken_parts for symbol in part_symbols)
        if symbols:
            counts = tuple(len(part_symbols) for _, part_symbols in spoken_parts)
            word2ph = counts if language in CHARACTER_LANGUAGES else None
            yield Segment(language, "".join(written for written, _ in spoken_parts), symbols, word2ph)


def _normalize_chinese(text: str, language: str) -> str:
    """Turn numbers, dates and units into characters, while the English words beside them are still there."""
    from gpt_sovits.text.chinese.cantonese import CANTONESE
    from gpt_sovits.text.chinese.normalization import MANDARIN, spoken_form

    return spoken_form(text, MANDARIN if language == "zh" else CANTONESE)


def _speak(language: str, text: str, placeholders: Placeholders) -> SpokenParts:
    try:
        return LANGUAGES[language](text, placeholders)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the text front end for language {language!r} is not installed: the package {error.name!r} is missing; "
            "install the requirements of this project again"
        ) from error


def _speak_between_placeholders(
    text: str, placeholders: Placeholders, text_to_phonemes: Callable[[str], tuple[list[str], str]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the spoken parts of a text: words of the lexicon with its sounds, the text between by the language."""
    between = ""
    for character in [*text, ""]:
        if character and character not in placeholders:
            between += character
            continue
        if any(c.isalnum() for c in between):
            symbols, spoken = text_to_phonemes(between)
            yield spoken, tuple(symbols)
        else:
            pauses = tuple(c for c in between if c in PUNCTUATION)[:1]
            yield "".join(pauses), pauses
        between = ""
        if character:
            yield placeholders[character].written, tuple(placeholders[character].symbols)


def _join_texts(segments: list[Segment]) -> str:
    """Join the texts of the segments, with a space between English and other languages."""
    joined = ""
    for before, segment in zip([None, *segments], segments, strict=False):
        joined += " " * (before is not None and "en" in (before.language, segment.language)) + segment.normalized_text
    return joined
