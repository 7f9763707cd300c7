"""A Jyutping syllable to its two symbols of the table: initial, and rhyme with tone, each after a Y.

The convention is upstream's: a syllable that begins with a vowel is cut after its first vowel, where the table has that
vowel without a tone (aan1 is Yaa Yn1, ok3 is Yok Yk3); m and ng alone are said twice (ng5 is Yng Yg5).
Where the table has no such pair, the syllable is spelled as its common variant: aang1 as ngaang1, and colloquial rhymes
as their nearest neighbour (deu6 as diu6).
Source: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS text/cantonese.py (the convention)
"""

import functools
import re

from gpt_sovits.text.symbols import CANTONESE, CANTONESE_INITIALS, CANTONESE_TONELESS

TABLE = set(CANTONESE)
INITIALS = sorted(CANTONESE_INITIALS, key=len, reverse=True)
ONSET_VOWELS = ["aa", "ai", "au", "ak", "a", "e", "on", "ou", "oi", "ok", "o", "uk"]  # the first that fits
RHYMES = {  # colloquial -> the nearest that the table has
    "eu": "iu", "em": "im", "ep": "ip", "en": "in", "et": "it", "um": "am", "up": "ap", "oet": "eot", "oen": "eon",
}  # fmt: skip
SYLLABIC = {"m": ("m", "m"), "ng": ("ng", "g"), "hm": ("h", "m"), "hng": ("h", "ang")}


@functools.cache
def symbols_of_jyutping(syllable: str) -> tuple[str, str]:
    """'zung1' -> ('Yz', 'Yung1'), 'oi3' -> ('Yoi', 'Yi3').

    syllable: Jyutping in lower case with its tone 1 to 6 at the end. Raises ValueError for anything else.
    """
    m = re.fullmatch(r"([a-z]+)([1-6])", syllable)
    if not m:
        raise ValueError(f"no Jyutping syllable with a tone 1 to 6: {syllable!r}; write it like jyut6")
    letters, tone = m[1], m[2]
    for initial, rhyme in _spellings(letters):
        symbols = (f"Y{initial}", f"Y{rhyme}{tone}")
        if symbols[0] in TABLE and symbols[1] in TABLE:
            return symbols
    raise ValueError(f"{syllable!r} is no syllable of Cantonese that the symbol table can spell")


def _spellings(letters: str) -> list[tuple[str, str]]:
    """(initial, rhyme), the most exact first."""
    if letters in SYLLABIC:
        return [SYLLABIC[letters]]
    initial = next((i for i in INITIALS if letters.startswith(i)), "")
    rhyme = letters.removeprefix(initial)
    if initial:
        return [(initial, rhyme), (initial, RHYMES.get(rhyme, rhyme))]
    vowel = next((v for v in ONSET_VOWELS if letters.startswith(v)), "")
    return [(vowel, letters.removeprefix(vowel) or vowel[-1]), ("ng", letters), ("ng", RHYMES.get(letters, letters))]


assert set(ONSET_VOWELS) == set(CANTONESE_TONELESS)
