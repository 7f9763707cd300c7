"""Transcripts of a long recording with planted faults of which place and time are known. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.planted_faults import WORD, Vocabulary, other_word
from benchmarks.timed_sentences import TimedToken

WRONG_SHARE = 0.05  # of the words
MANY_SENTENCES = 7

Generator = np.random.Generator
Sentences = Sequence[Sequence[TimedToken]]


@dataclass(frozen=True)
class TruthFault:
    """A place where a transcript and its recording differ.

    Attributes:
        written: what the transcript has there, empty where something is missing.
        said: what is said there, empty where something was added.
        start: of the place, in seconds from the start of the recording. A place between two words reaches from the
            middle of the one to the middle of the other.
        end: of the place.
        is_unspoken: whether whole sentences were added, which belong to no clip.
    """

    written: str
    said: str
    start: float
    end: float
    is_unspoken: bool = False


@dataclass(frozen=True)
class TruthText:
    """A transcript and its faults."""

    text: str
    faults: tuple[TruthFault, ...] = ()


@dataclass(frozen=True)
class Ingredients:
    """What faults are made of: words, sentences that are not said, and a source of chance."""

    vocabulary: Vocabulary
    unspoken: Sequence[str]
    random: Generator


PlantFaults = Callable[[Sentences, Ingredients], TruthText]


def exact(sentences: Sentences, ingredients: Ingredients) -> TruthText:
    """Return the right transcript."""
    return TruthText(_joined(sentences))


def missing(n_sentences: int, place: float) -> PlantFaults:
    """Return a function that leaves out sentences.

    Args:
        n_sentences: how many neighbours.
        place: where they are, 0 (head) to 1 (tail).
    """

    def plant(sentences: Sentences, ingredients: Ingredients) -> TruthText:
        first = round(place * (len(sentences) - n_sentences))
        faults = tuple(
            TruthFault("", _joined([sentence]), sentence[0].start, sentence[-1].end)
            for sentence in sentences[first : first + n_sentences]
        )
        return TruthText(_joined([*sentences[:first], *sentences[first + n_sentences :]]), faults)

    return plant


def extra(n_sentences: int, place: float) -> PlantFaults:
    """Return a function that adds sentences that nobody says. It has the arguments of `missing`."""

    def plant(sentences: Sentences, ingredients: Ingredients) -> TruthText:
        index = round(place * len(sentences))
        first = int(ingredients.random.integers(len(ingredients.unspoken) - n_sentences))
        added = list(ingredients.unspoken[first : first + n_sentences])
        start = sentences[index - 1][-1].middle if index else 0.0
        end = sentences[index][0].middle if index < len(sentences) else sentences[-1][-1].end
        text = " ".join([_joined(sentences[:index]), *added, _joined(sentences[index:])])
        return TruthText(text, tuple(TruthFault(one, "", start, end, True) for one in added))

    return plant


def wrong_words(sentences: Sentences, ingredients: Ingredients) -> TruthText:
    """Replace words, by turns with a near miss and with any word."""
    tokens = _flat(sentences)
    written, faults = [token.written for token in tokens], []
    for turn, index in enumerate(_chosen(tokens, ingredients.random)):
        token = tokens[index]
        written[index], other = other_word(token.written, turn % 2 == 1, ingredients.vocabulary, ingredients.random)
        faults.append(TruthFault(other, token.written, token.start, token.end))
    return TruthText(" ".join(written), tuple(faults))


def missing_words(sentences: Sentences, ingredients: Ingredients) -> TruthText:
    """Leave out words."""
    tokens = _flat(sentences)
    chosen = _chosen(tokens, ingredients.random)
    faults = tuple(TruthFault("", tokens[i].written, tokens[i].start, tokens[i].end) for i in chosen)
    return TruthText(" ".join(token.written for i, token in enumerate(tokens) if i not in set(chosen)), faults)


def extra_words(sentences: Sentences, ingredients: Ingredients) -> TruthText:
    """Put any word of the vocabulary before some words."""
    tokens = _flat(sentences)
    chosen = {
        index: str(ingredients.random.choice(ingredients.vocabulary)) for index in _chosen(tokens, ingredients.random)
    }
    faults = tuple(
        TruthFault(word, "", tokens[index - 1].middle if index else 0.0, tokens[index].middle)
        for index, word in chosen.items()
    )
    return TruthText(
        " ".join(f"{chosen[i]} {token.written}" if i in chosen else token.written for i, token in enumerate(tokens)),
        faults,
    )


TEXTS: dict[str, PlantFaults] = {
    "exact": exact,
    **{
        f"{n} sentence{'s' * (n > 1)} missing, {name}": missing(n, place)
        for n in (1, MANY_SENTENCES)
        for name, place in (("head", 0.0), ("middle", 0.5), ("tail", 1.0))
    },
    "1 sentence extra": extra(1, 0.5),
    "7 sentences extra, head": extra(MANY_SENTENCES, 0.0),
    "7 sentences extra, tail": extra(MANY_SENTENCES, 1.0),
    "5 % of words wrong": wrong_words,
    "5 % of words missing": missing_words,
    "5 % of words extra": extra_words,
}


def _flat(sentences: Sentences) -> list[TimedToken]:
    return [token for sentence in sentences for token in sentence]


def _joined(sentences: Sentences) -> str:
    return " ".join(token.written for token in _flat(sentences))


def _chosen(tokens: Sequence[TimedToken], random: Generator) -> list[int]:
    """Return the positions of WRONG_SHARE of the tokens that hold a word, in order."""
    words = [index for index, token in enumerate(tokens) if WORD.search(token.written)]
    return sorted(random.choice(words, max(1, round(WRONG_SHARE * len(words))), replace=False).tolist())
