"""Which of several takes of a sentence says its text best, told from its tokens before any sound is made.

Where the content encoder answers with the square roots of phone posteriors, as the starter base's does, a codeword is a
phone, or nearly one: what a take says can be read from its tokens and held against the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rapidfuzz.distance import Levenshtein
from torch import Tensor

from gpt_sovits.text.symbols import SYMBOLS

SILENCE = "sil"


def phones_of_codewords(codewords: Tensor, labels: Sequence[str]) -> tuple[str, ...]:
    """The phone of each codeword, the largest of its posteriors. codewords: (codes, dim); labels: dim phones"""
    return tuple(labels[number] for number in codewords.argmax(dim=1).tolist())


def phones_said(tokens: Iterable[int], token_phones: Sequence[str]) -> list[str]:
    """The phones of these tokens in order, each run once, without silence."""
    return [phone for phone, _ in groupby(token_phones[token] for token in tokens) if phone != SILENCE]


def phones_written(phoneme_ids: Iterable[int], known: Iterable[str]) -> list[str]:
    """The phones of a text without their stress; marks, and symbols that are not among the known ones, are left out."""
    spoken = set(known) - {SILENCE}
    names = (SYMBOLS[number].rstrip("012").lower() for number in phoneme_ids)
    return [name for name in names if name in spoken]


def n_misread(tokens: Iterable[int], phoneme_ids: Iterable[int], token_phones: Sequence[str]) -> int:
    """Phones that must be put in, taken out or replaced to make what the tokens say the text."""
    return Levenshtein.distance(phones_said(tokens, token_phones), phones_written(phoneme_ids, token_phones))
