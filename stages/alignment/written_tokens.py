"""A transcript cut into the smallest pieces that get a time: words in Korean, characters in Chinese and Japanese. Pure.

English has its own way (stages/alignment/matching.py: `split_tokens`), because its words are aligned as they are spoken
and not as they are written.
"""

from __future__ import annotations

import re
import unicodedata

from metrics.judges.word_times import WITHOUT_SPACES
from stages.alignment.matching import Token

# a Latin word, a number, or both together (Wi-Fi, 3.5, GPT-4o), any other letter, or a sign
_PIECE = re.compile(r"[A-Za-z0-9\u00c0-\u024f]+(?:['\u2019.,:&+-][A-Za-z0-9\u00c0-\u024f]+)*|.", re.DOTALL)


def separator_of(language: str) -> str:
    """Return what stands between two tokens of `written_tokens`."""
    return "" if language in WITHOUT_SPACES else " "


def written_tokens(text: str, language: str) -> list[Token]:
    """Cut a text into tokens, of which each has one spoken unit.

    A sign joins the token before it, an opening bracket or quotation mark the one after it. Nothing of the text is
    lost: the written forms joined with `separator_of(language)` are the text, except for spaces in Korean.

    Args:
        text: the transcript as written, in any mixture of scripts.
        language: ISO 639 code, not English.

    Returns:
        The tokens. `spoken` has the written form without signs at its ends. A text without letters has none.
    """
    pieces = _PIECE.findall(text) if language in WITHOUT_SPACES else text.split()
    tokens: list[str] = []
    opening = ""
    separator = separator_of(language)
    for piece in pieces:
        if any(character.isalnum() for character in piece):
            tokens.append(opening + piece)
            opening = ""
        elif unicodedata.category(piece[0]) in ("Ps", "Pi") or not tokens:
            opening += piece + separator
        elif opening:
            opening += separator + piece
        else:
            tokens[-1] += separator + piece
    if tokens and opening:
        tokens[-1] += separator + opening
    return [Token(token, (_without_signs(token),)) for token in tokens]


def _without_signs(token: str) -> str:
    """Return a token from its first to its last letter or digit, with the marks that belong to that letter."""
    spoken = [index for index, character in enumerate(token) if character.isalnum()]
    end = spoken[-1] + 1
    while end < len(token) and unicodedata.category(token[end]).startswith("M"):
        end += 1
    return token[spoken[0] : end]
