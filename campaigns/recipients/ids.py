"""Ids of recipients: which characters they have, and which of them look alike.

An id is printed, searched and compared by people, so what cannot be told apart by eye is refused. Letters are those
of the languages that are spoken: ASCII, ASCII with accents, Han, kana and Hangul. That leaves out Cyrillic and Greek,
in which most homoglyphs of Latin letters are. The look-alikes that remain, and ids that differ in capitals only, are
compared by `skeleton`. Files are named after ids, so an id has nothing that means something in a path and fits into a
file name of every system.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from gpt_sovits.text.alphabets import HAN, HANGUL, KANA, LATIN

MAX_ID_CHARACTERS, MAX_ID_BYTES = 128, 200  # a file name has at most 255 bytes
LETTER = f"0-9{LATIN}{HAN}{KANA}{HANGUL}"
ID = re.compile(rf"[{LETTER}](?:[{LETTER}._@+-]{{0,{MAX_ID_CHARACTERS - 2}}}[{LETTER}])?")
LOOK_ALIKES = str.maketrans("一ー丨〇二工力口夕卜八へべぺりオチ", "--l0ニエカロタトハヘベペリ才千")
RULE = (
    f"an id has 1 to {MAX_ID_CHARACTERS} letters, digits and . _ - @ + in at most {MAX_ID_BYTES} bytes, begins and "
    "ends with a letter or digit, and has no letters of alphabets besides Latin, Han, kana and Hangul"
)


def valid_id(written: str) -> str | None:
    """Return an id in NFC, or None where it cannot be one."""
    if len(written) > 4 * MAX_ID_CHARACTERS:
        return None
    name = unicodedata.normalize("NFC", written.strip(" "))
    if not ID.fullmatch(name) or ".." in name or not all(map(_is_plain, name)) or len(name.encode()) > MAX_ID_BYTES:
        return None
    return name


def _is_plain(character: str) -> bool:
    """Return whether a Latin letter is one of ASCII, with accents or without: ı and ǃ are not."""
    is_latin = not character.isascii() and re.match(f"[{LATIN}]", character) is not None
    return not is_latin or unicodedata.normalize("NFD", character)[0].isascii()


def skeleton(name: str) -> str:
    """Return what ids that look alike have in common."""
    return name.translate(LOOK_ALIKES).casefold()


class KnownIds:
    """The ids of the rows so far, as hashes of 16 bytes: about 100 bytes of memory per row."""

    def __init__(self) -> None:
        """Begin with none."""
        self._exact: set[bytes] = set()
        self._skeletons: set[bytes] = set()

    def add(self, name: str) -> str:
        """Add an id, and return "duplicate", "look_alike" or "new"."""
        exact, like = _digest(name), _digest(skeleton(name))
        kind = "duplicate" if exact in self._exact else "look_alike" if like in self._skeletons else "new"
        self._exact.add(exact)
        self._skeletons.add(like)
        return kind


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
