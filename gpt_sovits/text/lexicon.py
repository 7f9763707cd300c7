"""The lexicon: pronunciations of the user's own words, which take precedence over every dictionary.

A voice has one YAML file with a section per language:

    format: 1
    en:
      voxfoundry: "V AA1 K S F AW2 N D R IY0"     # lower case: matches in any case
      AI: "EY1 AY1"                               # with a capital: matches only as written
      New Delhi: "N UW1 D EH1 L IY0"              # a phrase: a space matches any white space
    zh:
      重庆: "chong2 qing4"                        # pinyin, one syllable per character, 5 is the neutral tone
      卡拉OK: "k a3 l a1 OO ou1 k ei4"            # or symbols of the table, for any number of characters
    yue:
      𨋢口: "lip1 hau2"                           # Jyutping, one syllable per character
    ja:
      東雲: "sh i n o n o m e"                    # symbols of the table

Only whole words match: a match never begins or ends inside a run of Latin letters and digits. The longest word wins.
English words match in texts of every language, other words only in texts of their own main language. Sandhi does not
change an entry.
"""

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ruamel.yaml.nodes import Node

from gpt_sovits.text.symbols import PUNCTUATION, SYMBOL_IDS
from gpt_sovits.text.yaml_lines import check_format, location, mapping_items, read_nodes, text_value

LEXICON_FILE = "lexicon.yaml"  # in the folder of a voice
FORMAT = 1
LEXICON_LANGUAGES = ("en", "zh", "yue", "ja", "ko")
FIRST_ENGLISH_PLACEHOLDER = 0xF000  # of alphabets.ENGLISH_PLACEHOLDERS
FIRST_MAIN_PLACEHOLDER = 0xE000  # of alphabets.MAIN_PLACEHOLDERS
MAX_WORDS = 2000  # of one language in one text: they fit into alphabets.ENGLISH_PLACEHOLDERS


WordEntry = tuple[str, str, str]  # language, word and pronunciation, as they stand in a file


@dataclasses.dataclass(frozen=True)
class Entry:
    """A word and its pronunciation.

    Attributes:
        written: The word, with single spaces.
        parts: Pairs of characters and their symbols. One pair per character if the file gives syllables, else a single
            pair for the whole word.
    """

    written: str
    parts: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def symbols(self) -> list[str]:
        """Symbols of the whole word."""
        return [symbol for _, symbols in self.parts for symbol in symbols]


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """Entries by language and word.

    Attributes:
        entries: language -> word as written (with single spaces) -> entry.
    """

    entries: Mapping[str, Mapping[str, Entry]] = dataclasses.field(default_factory=dict)

    def mark_words(self, text: str, language: str) -> tuple[str, dict[str, Entry]]:
        """Replace each word of the lexicon by a private-use character, its placeholder.

        Returns:
            The text with placeholders, and the entry of each placeholder.
        """
        placeholders: dict[str, Entry] = {}
        for section in dict.fromkeys((language, "en")):
            first = FIRST_ENGLISH_PLACEHOLDER if section == "en" else FIRST_MAIN_PLACEHOLDER
            text = _mark_section(text, self.entries.get(section, {}), first, placeholders)
        return text, placeholders


def load_lexicon(path: str | Path) -> Lexicon:
    """Load the lexicon from a YAML file. The docstring of this module shows the format.

    Raises:
        ValueError: If the file is not YAML, a language or key is unknown, or a word is empty, not text or given twice.
            Also if a pronunciation is empty, has unknown symbols or only punctuation, or has more or fewer syllables
            than the word has characters. The message names file and line.
        OSError: If the file cannot be read.
    """
    path = Path(path)
    sections: dict[str, dict[str, Entry]] = {}
    has_format = False
    for key, key_node, value in mapping_items(read_nodes(path), path, "the lexicon"):
        if key == "format":
            check_format(value, path, FORMAT)
            has_format = True
        elif key in LEXICON_LANGUAGES:
            sections[key] = _load_section(value, path, key)
        else:
            known = ", ".join(LEXICON_LANGUAGES)
            raise ValueError(f"{location(path, key_node)}: unknown key {key!r}; known: format, {known}")
    if not has_format:
        raise ValueError(f"{path}: the line 'format: {FORMAT}' is missing; add it")
    return Lexicon(sections)


def _load_section(section: Node, path: Path, language: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for word, word_node, sounds in mapping_items(section, path, f"section {language}"):
        place = f"{location(path, word_node)}: {word!r}"
        written = _normalize_word(word, place)
        if written in entries:
            raise ValueError(f"{place} is the same word as {entries[written].written!r} above; remove one of them")
        pronunciation = text_value(sounds, path, f"the sound of {word!r}", word_node)
        entries[written] = _parse_entry(written, pronunciation, language, place)
    return entries


def read_words(words: Iterable[WordEntry]) -> Lexicon:
    """Return the lexicon of entries that come from elsewhere than a file.

    Raises:
        ValueError: As for load_lexicon. The message names language and word.
    """
    sections: dict[str, dict[str, Entry]] = {}
    for language, word, pronunciation in words:
        if language not in LEXICON_LANGUAGES:
            raise ValueError(f"unknown language {language!r} of a lexicon; known: {', '.join(LEXICON_LANGUAGES)}")
        place = f"the lexicon, {language}: {word!r}"
        written = _normalize_word(word, place)
        entries = sections.setdefault(language, {})
        if written in entries:
            raise ValueError(f"{place} is the same word as another one; remove one of them")
        entries[written] = _parse_entry(written, pronunciation, language, place)
    return Lexicon(sections)


def combine_lexicons(*lexicons: Lexicon) -> Lexicon:
    """Combine several lexicons into one. Where they share a word, the last one wins."""
    sections: dict[str, dict[str, Entry]] = {}
    for lexicon in lexicons:
        for language, entries in lexicon.entries.items():
            sections.setdefault(language, {}).update(entries)
    return Lexicon(sections)


def with_words(lexicon: Lexicon | None, words: Iterable[WordEntry]) -> Lexicon | None:
    """Return a lexicon with further words, which take precedence. Raises ValueError where one cannot be read."""
    more = read_words(words)
    return combine_lexicons(lexicon or Lexicon(), more) if more.entries else lexicon


def _normalize_word(word: str, place: str) -> str:
    written = " ".join(unicodedata.normalize("NFKC", word).split())
    if not any(c.isalnum() for c in written):
        raise ValueError(f"{place} has no letter or digit; a word needs at least one")
    return written


def _parse_entry(written: str, pronunciation: str, language: str, place: str) -> Entry:
    tokens = pronunciation.split()
    syllables = _syllables(tokens, language)
    if syllables is not None:
        if len(syllables) != len(written):
            raise ValueError(
                f"{place} has {len(written)} characters but {len(syllables)} syllables; give one syllable per "
                "character, or symbols of the table"
            )
        return Entry(written, tuple(zip(written, syllables, strict=True)))
    unknown = [token for token in tokens if token not in SYMBOL_IDS]
    if unknown:
        raise ValueError(f"{place} has the unknown symbol {unknown[0]!r}; gpt_sovits/text/symbols.py lists the symbols")
    if all(token in PUNCTUATION for token in tokens):
        raise ValueError(f"{place} has only punctuation as its sound ({pronunciation}); give it at least one sound")
    return Entry(written, ((written, tuple(tokens)),))


def _syllables(tokens: list[str], language: str) -> list[tuple[str, ...]] | None:
    """Return the symbols of each token, or None if the tokens are symbols and not syllables with a tone."""
    from gpt_sovits.text.chinese.jyutping_symbols import jyutping_to_symbols
    from gpt_sovits.text.chinese.pinyin_symbols import pinyin_to_symbols

    readers: dict[str, Callable[[str], tuple[str, ...]]] = {"zh": pinyin_to_symbols, "yue": jyutping_to_symbols}
    if language not in readers or any(token in SYMBOL_IDS and not token[-1].isdigit() for token in tokens):
        return None
    try:
        return [readers[language](token) for token in tokens]
    except ValueError:
        return None


def _mark_section(text: str, entries: Mapping[str, Entry], first: int, placeholders: dict[str, Entry]) -> str:
    """Replace the words of one section, and add their placeholders (from code point `first` on) to `placeholders`."""
    if not entries:
        return text
    words = tuple(sorted(entries, key=len, reverse=True))
    placeholder_by_group: dict[int, str] = {}

    def replace(m: re.Match[str]) -> str:
        if m.lastindex not in placeholder_by_group:
            if len(placeholder_by_group) == MAX_WORDS:
                raise ValueError(f"the text has more than {MAX_WORDS} different words of the lexicon; split the text")
            placeholder = chr(first + len(placeholder_by_group))
            placeholder_by_group[m.lastindex] = placeholder
            placeholders[placeholder] = entries[words[m.lastindex - 1]]
        return placeholder_by_group[m.lastindex]

    return _pattern(words).sub(replace, text)


@functools.lru_cache(maxsize=8)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern with one group per word, in this order. A word without a capital matches in any case."""
    alternatives = []
    for word in words:
        pattern = r"\s+".join(map(re.escape, word.split()))
        pattern = f"(?i:{pattern})" if word == word.lower() else pattern
        before = "(?<![A-Za-z0-9])" if re.match("[A-Za-z0-9]", word) else ""
        after = "(?![A-Za-z0-9])" if re.search("[A-Za-z0-9]$", word) else ""
        alternatives.append(f"({before}{pattern}{after})")
    return re.compile("|".join(alternatives))
