"""A pinyin syllable to its two symbols of the table: initial, and final with tone.

The convention is that of the table (upstream's, after the Opencpop corpus). The i of zi ci si is i0, and that of zhi
chi shi ri is ir. ü is v. ye and yan have E and En. y and w are initials. A syllable that begins with a vowel gets an
initial made of that vowel: AA, EE or OO.
Source: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS text/chinese2.py and text/opencpop-strict.txt (the convention)
"""

import functools
import re

from gpt_sovits.text.symbols import MANDARIN_FINALS, MANDARIN_INITIALS

INITIALS = sorted((i for i in MANDARIN_INITIALS if i.islower()), key=len, reverse=True)
FINALS = set(MANDARIN_FINALS)
NO_ONSET = {"a": "AA", "e": "EE", "o": "OO"}
RESPELLINGS = {  # written without a vowel, or with ê -> the nearest syllable that the table has
    "n": "en", "ng": "en", "m": "mu", "hm": "heng", "hng": "heng", "ê": "ei", "lüe": "lve", "nüe": "nve",
}  # fmt: skip


@functools.cache
def pinyin_to_symbols(syllable: str) -> tuple[str, str]:
    """Return the symbols of a pinyin syllable: 'zhong1' -> ('zh', 'ong1'), 'an4' -> ('AA', 'an4').

    Args:
        syllable: Pinyin in lower case with a tone 1 to 5 at its end. 5 is the neutral tone. ü, v and u: are the same.

    Raises:
        ValueError: If it is not a syllable that the table can spell.
    """
    m = re.fullmatch(r"([a-zêü:]+)([1-5])", syllable)
    if not m:
        raise ValueError(f"{syllable!r} is not a pinyin syllable with a tone 1 to 5; write it like zhong1")
    letters = m[1].replace("u:", "v")
    letters = RESPELLINGS.get(letters, letters).replace("ü", "v")
    if letters[0] in NO_ONSET:
        initial, final = NO_ONSET[letters[0]], letters
    else:
        initial = next((i for i in INITIALS if letters.startswith(i)), "")
        final = _final(initial, letters.removeprefix(initial))
    if not initial or final not in FINALS:
        raise ValueError(f"{syllable!r} is not a syllable of Mandarin that the symbol table can spell")
    return initial, final + m[2]


def _final(initial: str, final: str) -> str:
    if final == "i":
        return {"z": "i0", "c": "i0", "s": "i0", "zh": "ir", "ch": "ir", "sh": "ir", "r": "ir"}.get(initial, "i")
    if initial == "y" and final in ("e", "an"):
        return {"e": "E", "an": "En"}[final]
    if initial in ("j", "q", "x", "y") and final.startswith("u"):
        return "v" + final[1:]
    if final == "ue":  # lue, nue: the only syllables outside j q x y in which u is ü
        return "ve"
    return {"uei": "ui", "iou": "iu", "uen": "un"}.get(final, final)
