"""Faults planted into the transcript of a recording: words wrong, missing or added, sentences missing or swapped. Pure.

A wrong word is, by turns, any word of the vocabulary and one that looks like the right word ("form" for "from"), which
is the mistake that people make when they type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import Levenshtein

WRONG_SHARE = 0.05  # of the words, by the issue that this benchmark answers
MAX_EDITS = 2  # letters in which a near miss differs
MIN_LETTERS = 4  # of a word that has near misses. Among shorter words they are common and sound alike

Generator = np.random.Generator
Vocabulary = tuple[str, ...]
Sentences = Sequence[Sequence[str]]  # the tokens of each sentence

WORD = re.compile(r"[A-Za-z']*[A-Za-z][A-Za-z']*")


class PlantedText(NamedTuple):
    """A transcript with faults.

    Attributes:
        text: the transcript.
        touched: positions of the tokens that are wrong, missing, moved or behind an added word, counted in the right
            transcript.
    """

    text: str
    touched: frozenset[int]


PlantFault = Callable[[Sentences, Vocabulary, Generator], PlantedText]


def vocabulary_of(texts: Sequence[str]) -> Vocabulary:
    """Return the words of some texts in lower case, sorted."""
    return tuple(sorted({word.lower() for text in texts for word in WORD.findall(text)}))


def near_misses(word: str, vocabulary: Vocabulary) -> list[str]:
    """Return the words that differ from a word in one or two letters, the closest ones only."""
    if len(word) < MIN_LETTERS:
        return []
    distances = {other: Levenshtein.distance(word, other, score_cutoff=MAX_EDITS) for other in vocabulary}
    closest = min((distance for distance in distances.values() if distance), default=MAX_EDITS + 1)
    if closest > MAX_EDITS:
        return []
    return [other for other, distance in distances.items() if distance == closest]


def other_word(token: str, is_near: bool, vocabulary: Vocabulary, random: Generator) -> tuple[str, str]:
    """Return a token with another word in place of its own, and that word.

    Args:
        token: a piece of a text with a word in it.
        is_near: whether the other word looks like its own, where there is such a word.
        vocabulary: the words to choose from.
        random: source of the choice.
    """
    found = WORD.search(token)
    assert found, token
    choices = near_misses(found[0].lower(), vocabulary) if is_near else []
    other = str(random.choice(choices or vocabulary))
    while other == found[0].lower():
        other = str(random.choice(vocabulary))
    return token[: found.start()] + other + token[found.end() :], other


def unchanged(sentences: Sentences, vocabulary: Vocabulary, random: Generator) -> PlantedText:
    """Return the right transcript."""
    return PlantedText(_joined(sentences), frozenset())


def wrong_words(sentences: Sentences, vocabulary: Vocabulary, random: Generator) -> PlantedText:
    """Replace words, by turns with a near miss and with any word."""
    tokens = [token for sentence in sentences for token in sentence]
    chosen = _chosen(tokens, random)
    for turn, index in enumerate(chosen):
        tokens[index], _ = other_word(tokens[index], turn % 2 == 1, vocabulary, random)
    return PlantedText(_joined([tokens]), frozenset(chosen))


def missing_words(sentences: Sentences, vocabulary: Vocabulary, random: Generator) -> PlantedText:
    """Leave out words."""
    tokens = [token for sentence in sentences for token in sentence]
    chosen = frozenset(_chosen(tokens, random))
    return PlantedText(_joined([[token for i, token in enumerate(tokens) if i not in chosen]]), chosen)


def added_words(sentences: Sentences, vocabulary: Vocabulary, random: Generator) -> PlantedText:
    """Put any word of the vocabulary before some words."""
    tokens = [token for sentence in sentences for token in sentence]
    chosen = frozenset(_chosen(tokens, random))
    pieces = [[str(random.choice(vocabulary)), token] if i in chosen else [token] for i, token in enumerate(tokens)]
    return PlantedText(_joined(pieces), chosen)


def missing_sentence(sentences: Sentences, vocabulary: Vocabulary, random: Generator) -> PlantedText:
    """Leave out one sentence."""
    left_out = int(random.integers(len(sentences)))
    rest = [sentence for index, sentence in enumerate(sentences) if index != left_out]
    return PlantedText(_joined(rest), _positions(sentences, left_out, left_out + 1))


def swapped_sentences(sentences: Sentences, vocabulary: Vocabulary, random: Generator) -> PlantedText:
    """Swap two neighbouring sentences."""
    first = int(random.integers(len(sentences) - 1))
    swapped = list(sentences)
    swapped[first : first + 2] = swapped[first + 1], swapped[first]
    return PlantedText(_joined(swapped), _positions(sentences, first, first + 2))


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
    words = [index for index, token in enumerate(tokens) if WORD.search(token)]
    n_chosen = max(1, round(WRONG_SHARE * len(words)))
    return [int(index) for index in random.choice(words, n_chosen, replace=False)]


def _joined(sentences: Sentences) -> str:
    return " ".join(token for sentence in sentences for token in sentence)


def _positions(sentences: Sentences, first: int, end: int) -> frozenset[int]:
    """Return the positions of the tokens of sentences `first` to `end`."""
    before = sum(map(len, sentences[:first]))
    return frozenset(range(before, before + sum(map(len, sentences[first:end]))))
