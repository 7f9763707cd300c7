"""A Jyutping syllable to its two symbols of the table: initial, and rhyme with tone, each after a Y.

The convention is upstream's. A syllable that begins with a vowel is cut after that vowel, if the table has it without
a tone (aan1 is Yaa Yn1, ok3 is Yok Yk3). m and ng alone are written twice (ng5 is Yng Yg5). If the table has no such
pair, the syllable is spelled as its common variant (aang1 as ngaang1) and a colloquial rhyme as the nearest one (deu6
as diu6).
Source: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS text/cantonese.py (the convention)
"""

import functools
import re

from gpt_sovits.text.symbols import CANTONESE, CANTONESE_INITIALS, CANTONESE_TONELESS

TABLE = set(CANTONESE)
INITIALS = sorted(CANTONESE_INITIALS, key=len, reverse=True)
ONSET_VOWELS = ["aa", "ai", "au", "ak", "a", "e", "on", "ou", "oi", "ok", "o", "uk"]  # the first that fits wins
RHYMES = {  # colloquial -> the nearest that the table has
    "eu": "iu", "em": "im", "ep": "ip", "en": "in", "et": "it", "um": "am", "up": "ap", "oet": "eot", "oen": "eon",
}  # fmt: skip
SYLLABIC = {"m": ("m", "m"), "ng": ("ng", "g"), "hm": ("h", "m"), "hng": ("h", "ang")}


@functools.cache
def jyutping_to_symbols(syllable: str) -> tuple[str, str]:
    """Return the symbols of a Jyutping syllable: 'zung1' -> ('Yz', 'Yung1'), 'oi3' -> ('Yoi', 'Yi3').

    Args:
        syllable: Jyutping in lower case with a tone 1 to 6 at its end.

    Raises:
        ValueError: If it is not a syllable that the table can spell.
    """
    m = re.fullmatch(r"([a-z]+)([1-6])", syllable)
    if not m:
        raise ValueError(f"{syllable!r} is not a Jyutping syllable with a tone 1 to 6; write it like jyut6")
    letters, tone = m[1], m[2]
    for initial, rhyme in _spellings(letters):
        symbols = (f"Y{initial}", f"Y{rhyme}{tone}")
        if symbols[0] in TABLE and symbols[1] in TABLE:
            return symbols
    raise ValueError(f"{syllable!r} is not a syllable of Cantonese that the symbol table can spell")


def _spellings(letters: str) -> list[tuple[str, str]]:
    """Return candidates (initial, rhyme), the most exact first."""
    if letters in SYLLABIC:
        return [SYLLABIC[letters]]
    initial = next((i for i in INITIALS if letters.startswith(i)), "")
    rhyme = letters.removeprefix(initial)
    if initial:
        return [(initial, rhyme), (initial, RHYMES.get(rhyme, rhyme))]
    vowel = next((v for v in ONSET_VOWELS if letters.startswith(v)), "")
    return [(vowel, letters.removeprefix(vowel) or vowel[-1]), ("ng", letters), ("ng", RHYMES.get(letters, letters))]


assert set(ONSET_VOWELS) == set(CANTONESE_TONELESS)
