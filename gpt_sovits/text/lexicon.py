"""Pronunciations of the user's own words, before any dictionary: a YAML file per voice, a section per language.

    format: 1
    en:
      voxfoundry: "V AA1 K S F AW2 N D R IY0"     # lower case: matches in any case
      AI: "EY1 AY1"                               # with a capital: matches as written only
      New Delhi: "N UW1 D EH1 L IY0"              # phrases; white space matches any
    zh:
      重庆: "chong2 qing4"                        # pinyin, one syllable a character; 5 is the neutral tone
      卡拉OK: "k a3 l a1 OO ou1 k ei4"            # or symbols of the table, here for any number of characters
    yue:
      𨋢口: "lip1 hau2"                           # Jyutping, one syllable a character
    ja:
      東雲: "sh i n o n o m e"                    # symbols of the table

A word matches as a whole: Latin letters and digits end where others begin, and the longest word wins. English words
match in every language's texts, the others in texts whose main language is theirs. No sandhi touches an entry.
"""

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

from gpt_sovits.text.symbols import PUNCTUATION, SYMBOL_IDS
from gpt_sovits.text.yaml_lines import check_format, items, read_nodes, text, where

LEXICON_FILE = "lexicon.yaml"  # in the folder of a voice
FORMAT = 1
LEXICON_LANGUAGES = ("en", "zh", "yue", "ja", "ko")
FIRST_MARK = {"en": 0xF000}  # scripts.ENGLISH_MARKS; the others begin at scripts.MAIN_MARKS
FIRST_MAIN_MARK = 0xE000
MAX_WORDS = 2000  # of one language in one text: as many marks as scripts.ENGLISH_MARKS has


@dataclasses.dataclass(frozen=True)
class Entry:
    """A word and what it sounds like.

    parts: ((characters, their symbols), ...): one part a character where the file gives syllables, else one for all.
    """

    written: str
    parts: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def symbols(self) -> list[str]:
        return [symbol for _, symbols in self.parts for symbol in symbols]


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """Language -> word as written (white space single) -> entry."""

    entries: Mapping[str, Mapping[str, Entry]] = dataclasses.field(default_factory=dict)

    def marked(self, text: str, language: str) -> tuple[str, dict[str, Entry]]:
        """The text with a private-use character for each word of the lexicon, and what each stands for."""
        marks: dict[str, Entry] = {}
        for section in dict.fromkeys((language, "en")):
            text = _marked(text, self.entries.get(section, {}), FIRST_MARK.get(section, FIRST_MAIN_MARK), marks)
        return text, marks


def load_lexicon(path: str | Path) -> Lexicon:
    """The lexicon of a YAML file as the head of this module shows it.

    Raises ValueError that names file and line: for text that is no YAML, an unknown language or key, a word that is
    empty, no text or stands twice, and pronunciations that are empty, hold unknown symbols or nothing but marks, or
    have another number of syllables than the word has characters. OSError where the file cannot be read.
    """
    path = Path(path)
    sections: dict[str, dict[str, Entry]] = {}
    has_format = False
    for key, key_node, value in items(read_nodes(path), path, "the lexicon"):
        if key == "format":
            check_format(value, path, FORMAT)
            has_format = True
        elif key in LEXICON_LANGUAGES:
            sections[key] = {}
            for word, word_node, sounds in items(value, path, f"section {key}"):
                place = f"{where(path, word_node)}: {word!r}"
                written = _written(word, place)
                if written in sections[key]:
                    raise ValueError(f"{place} is the same word as {sections[key][written].written!r} above")
                sections[key][written] = _entry(
                    written, text(sounds, path, f"the sound of {word!r}", word_node), key, place
                )
        else:
            known = ", ".join(LEXICON_LANGUAGES)
            raise ValueError(f"{where(path, key_node)}: unknown key {key!r}; known: format, {known}")
    if not has_format:
        raise ValueError(f"{path}: no 'format: {FORMAT}'")
    return Lexicon(sections)


def combined(*lexicons: Lexicon) -> Lexicon:
    """One lexicon of several; where a word stands in more than one, the last says how it sounds."""
    sections: dict[str, dict[str, Entry]] = {}
    for lexicon in lexicons:
        for language, entries in lexicon.entries.items():
            sections.setdefault(language, {}).update(entries)
    return Lexicon(sections)


def _written(word: str, place: str) -> str:
    written = " ".join(unicodedata.normalize("NFKC", word).split())
    if not any(c.isalnum() for c in written):
        raise ValueError(f"{place} has no letter or digit")
    return written


def _entry(written: str, sounds: str, language: str, place: str) -> Entry:
    tokens = sounds.split()
    syllables = _syllables(tokens, language)
    if syllables is not None:
        if len(syllables) != len(written):
            raise ValueError(
                f"{place} has {len(written)} characters but {len(syllables)} syllables; give one syllable a character, "
                "or symbols of the table"
            )
        return Entry(written, tuple(zip(written, syllables, strict=True)))
    unknown = [token for token in tokens if token not in SYMBOL_IDS]
    if unknown:
        raise ValueError(f"{place} has the unknown symbol {unknown[0]!r}; gpt_sovits/text/symbols.py lists the symbols")
    if all(token in PUNCTUATION for token in tokens):
        raise ValueError(f"{place} sounds like nothing but marks ({sounds}); give it at least one sound")
    return Entry(written, ((written, tuple(tokens)),))


def _syllables(tokens: list[str], language: str) -> list[tuple[str, ...]] | None:
    """The symbols of each token where all are syllables with a tone, None where they are symbols of the table."""
    from gpt_sovits.text.chinese.jyutping_symbols import symbols_of_jyutping
    from gpt_sovits.text.chinese.pinyin_symbols import symbols_of_pinyin

    readers: dict[str, Callable[[str], tuple[str, ...]]] = {"zh": symbols_of_pinyin, "yue": symbols_of_jyutping}
    if language not in readers or any(token in SYMBOL_IDS and not token[-1].isdigit() for token in tokens):
        return None
    try:
        return [readers[language](token) for token in tokens]
    except ValueError:
        return None


def _marked(text: str, entries: Mapping[str, Entry], first: int, marks: dict[str, Entry]) -> str:
    if not entries:
        return text
    words = tuple(sorted(entries, key=len, reverse=True))
    found: dict[int, str] = {}

    def mark(m: re.Match[str]) -> str:
        if m.lastindex not in found:
            if len(found) == MAX_WORDS:
                raise ValueError(f"more than {MAX_WORDS} different words of the lexicon in one text: split it")
            found[m.lastindex] = chr(first + len(found))
            marks[found[m.lastindex]] = entries[words[m.lastindex - 1]]
        return found[m.lastindex]

    return _pattern(words).sub(mark, text)


@functools.lru_cache(maxsize=8)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """A group for each word, in this order; words without a capital in any case, Latin letters and digits whole."""
    alternatives = []
    for word in words:
        pattern = r"\s+".join(map(re.escape, word.split()))
        pattern = f"(?i:{pattern})" if word == word.lower() else pattern
        before = "(?<![A-Za-z0-9])" if re.match("[A-Za-z0-9]", word) else ""
        after = "(?![A-Za-z0-9])" if re.search("[A-Za-z0-9]$", word) else ""
        alternatives.append(f"({before}{pattern}{after})")
    return re.compile("|".join(alternatives))
