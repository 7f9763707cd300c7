"""Faults planted into the transcript of a recording: words wrong, missing or added, sentences missing or swapped. Pure.

A wrong word is, by turns, any word of the vocabulary and one that looks like the right word ("form" for "from"), which
is the mistake that people make when they type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein

WRONG_SHARE = 0.05  # of the words, by the issue that this benchmark answers
MAX_EDITS = 2  # letters in which a near miss differs
MIN_LETTERS = 4  # of a word that has near misses. Among shorter words they are common and sound alike

Generator = np.random.Generator
Vocabulary = tuple[str, ...]
PlantFault = Callable[[Sequence[str], Vocabulary, Generator], str]

_WORD = re.compile(r"[A-Za-z']*[A-Za-z][A-Za-z']*")


def vocabulary_of(texts: Sequence[str]) -> Vocabulary:
    """Return the words of some texts in lower case, sorted."""
    return tuple(sorted({word.lower() for text in texts for word in _WORD.findall(text)}))


def near_misses(word: str, vocabulary: Vocabulary) -> list[str]:
    """Return the words that differ from a word in one or two letters, the closest ones only."""
    if len(word) < MIN_LETTERS:
        return []
    distances = {other: Levenshtein.distance(word, other, score_cutoff=MAX_EDITS) for other in vocabulary}
    closest = min((distance for distance in distances.values() if distance), default=MAX_EDITS + 1)
    if closest > MAX_EDITS:
        return []
    return [other for other, distance in distances.items() if distance == closest]


def unchanged(sentences: Sequence[str], vocabulary: Vocabulary, random: Generator) -> str:
    """Return the right transcript."""
    return " ".join(sentences)


def wrong_words(sentences: Sequence[str], vocabulary: Vocabulary, random: Generator) -> str:
    """Replace words, by turns with a near miss and with any word."""
    tokens = " ".join(sentences).split()
    for turn, index in enumerate(_chosen(tokens, random)):
        found = _WORD.search(tokens[index])
        assert found, tokens[index]
        choices = near_misses(found[0].lower(), vocabulary) if turn % 2 else []
        other = str(random.choice(choices or vocabulary))
        while other == found[0].lower():
            other = str(random.choice(vocabulary))
        tokens[index] = tokens[index][: found.start()] + other + tokens[index][found.end() :]
    return " ".join(tokens)


def missing_words(sentences: Sequence[str], vocabulary: Vocabulary, random: Generator) -> str:
    """Leave out words."""
    tokens = " ".join(sentences).split()
    chosen = set(_chosen(tokens, random))
    return " ".join(token for index, token in enumerate(tokens) if index not in chosen)


def added_words(sentences: Sequence[str], vocabulary: Vocabulary, random: Generator) -> str:
    """Put any word of the vocabulary before some words."""
    tokens = " ".join(sentences).split()
    chosen = set(_chosen(tokens, random))
    pieces = [[str(random.choice(vocabulary)), token] if i in chosen else [token] for i, token in enumerate(tokens)]
    return " ".join(piece for pair in pieces for piece in pair)


def missing_sentence(sentences: Sequence[str], vocabulary: Vocabulary, random: Generator) -> str:
    """Leave out one sentence."""
    left_out = int(random.integers(len(sentences)))
    return " ".join(sentence for index, sentence in enumerate(sentences) if index != left_out)


def swapped_sentences(sentences: Sequence[str], vocabulary: Vocabulary, random: Generator) -> str:
    """Swap two neighbouring sentences."""
    first = int(random.integers(len(sentences) - 1))
    swapped = list(sentences)
    swapped[first : first + 2] = swapped[first + 1], swapped[first]
    return " ".join(swapped)


FAULTS: dict[str, PlantFault] = {
    "none": unchanged,
    "words wrong": wrong_words,
    "words missing": missing_words,
    "words added": added_words,
    "sentence missing": missing_sentence,
    "sentences swapped": swapped_sentences,
}


def _chosen(tokens: Sequence[str], random: Generator) -> list[int]:
    """Return the positions of WRONG_SHARE of the tokens that hold a word, at least one, in random order."""
    words = [index for index, token in enumerate(tokens) if _WORD.search(token)]
    n_chosen = max(1, round(WRONG_SHARE * len(words)))
    return [int(index) for index in random.choice(words, n_chosen, replace=False)]
