"""Reranking of candidates: how far the tokens of a candidate are from its text, before any sound is made.

Where the content encoder answers with the square roots of phone posteriors, as that of the starter base does, a
codeword is a phone, or nearly one. The phones of a candidate can then be read from its tokens and compared with the
phones of the text. Best of n keeps the candidate with the fewest phone errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rapidfuzz.distance import Levenshtein
from torch import Tensor

from gpt_sovits.text.symbols import SYMBOLS

SILENCE = "sil"


def label_codewords(codewords: Tensor, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the phone of each codeword, the one with the largest posterior.

    codewords: (codes, dim), labels: one phone per dimension
    """
    return tuple(labels[number] for number in codewords.argmax(dim=1).tolist())


def phones_of_tokens(tokens: Iterable[int], token_phones: Sequence[str]) -> list[str]:
    """Return the phones of these tokens in order, each run once, without silence."""
    return [phone for phone, _ in groupby(token_phones[token] for token in tokens) if phone != SILENCE]


def phones_of_text(phoneme_ids: Iterable[int], token_phones: Iterable[str]) -> list[str]:
    """Return the phones of a text without their stress. Symbols that no token stands for are left out."""
    known = set(token_phones) - {SILENCE}
    names = (SYMBOLS[number].rstrip("012").lower() for number in phoneme_ids)
    return [name for name in names if name in known]


def count_phone_errors(tokens: Iterable[int], phoneme_ids: Iterable[int], token_phones: Sequence[str]) -> int:
    """Count the phones that must be inserted, deleted or replaced to turn the tokens of a candidate into its text.

    Args:
        tokens: Semantic tokens of the candidate.
        phoneme_ids: The text to speak.
        token_phones: The phone of each semantic token.
    """
    return Levenshtein.distance(phones_of_tokens(tokens, token_phones), phones_of_text(phoneme_ids, token_phones))
