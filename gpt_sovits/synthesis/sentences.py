"""A text as sentences to speak: phonemes, a seed of its own, the expected length and a bound on it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from gpt_sovits.bert import Bert, bert_features
from gpt_sovits.determinism import derive_seed
from gpt_sovits.gpt.generation import MIN_TOKENS
from gpt_sovits.synthesis.preset import TOKENS_PER_SECOND, Preset
from gpt_sovits.text.frontend import Phonemes, phonemize, split_sentences
from gpt_sovits.text.lexicon import Lexicon

CLOSING = " \"'”’)]」』】》）"  # may stand after the last mark
LOOSE = " ,;:，、；：—"  # marks that join clauses
CLAUSE_END = re.compile(r"(?<=[,;:—])(?=\s)|(?<=[，、；：])")  # not the comma of 10,000
MAX_TEXT_CHARACTERS = 20_000  # about 20 minutes of speech


@dataclass(frozen=True)
class Sentence:
    """phoneme_ids: (X,) int64; expected_tokens: at the voice's pace; max_tokens: where it is cut at the latest;
    bert_features: (bert_dim, X) float, or None for a sentence without any."""

    text: str
    phoneme_ids: Tensor
    seed: int
    expected_tokens: float
    max_tokens: int
    bert_features: Tensor | None = None

    def seed_of(self, take: int) -> int:
        """The seed of a take, counted from 0: the sentence's own first."""
        return self.seed if take == 0 else derive_seed("retry", self.seed, take)


@dataclass(frozen=True)
class Reader:
    """How a voice reads a text. room: semantic tokens that the GPT has positions for; lexicon: the voice's own words"""

    preset: Preset
    room: int
    lexicon: Lexicon | None = None
    bert: Bert | None = None

    def sentences(self, text: str, seed: int) -> list[Sentence]:
        """The sentences of a text, at least one. A sentence's seed follows from the text's seed and its place alone.

        Raises ValueError for a text that is too long, for a sentence that does not fit, and where there is nothing to
        say.
        """
        if len(text) > MAX_TEXT_CHARACTERS:
            raise ValueError(
                f"the text has {len(text)} characters; at most {MAX_TEXT_CHARACTERS} are spoken in one call: split it"
            )
        return [self._sentence(piece, derive_seed("sentence", seed, i)) for i, piece in enumerate(self._pieces(text))]

    def expected_seconds(self, text: str) -> float:
        """How long the speaker would take for `text`, from the number of its phonemes, at the preset's speed."""
        pieces = self._pieces(text)
        n_phonemes = sum(len(self._phonemes(piece).ids) for piece in pieces)
        spoken = n_phonemes * self.preset.seconds_per_phoneme / self.preset.speed
        return spoken + (len(pieces) - 1) * self.preset.pause_seconds

    def _pieces(self, text: str) -> list[str]:
        most = self.preset.max_sentence_characters
        return [piece for sentence in _pieces(text) for piece in (clauses(sentence, most) if most else [sentence])]

    def _phonemes(self, sentence: str) -> Phonemes:
        return phonemize(finished(sentence), self.preset.language, self.lexicon)

    def _sentence(self, text: str, seed: int) -> Sentence:
        phonemes = self._phonemes(text)
        expected = len(phonemes.ids) * self.preset.seconds_per_phoneme * TOKENS_PER_SECOND
        if max(expected, MIN_TOKENS) > self.room:
            raise ValueError(
                f"the sentence {text[:40]!r}... would take {expected / TOKENS_PER_SECOND:.0f} s; this GPT has room for "
                f"{self.room / TOKENS_PER_SECOND:.0f} s: split the sentence"
            )
        bound = max(MIN_TOKENS, math.ceil(expected * self.preset.max_length_factor))
        features = bert_features(self.bert, phonemes) if self.bert else None
        return Sentence(text, torch.tensor(phonemes.ids), seed, expected, min(bound, self.room), features)


def finished(text: str) -> str:
    """The text with a full stop where it ends in no mark: the official models were trained on finished sentences, and
    break off or go on where one is missing."""
    last = text.rstrip(CLOSING)[-1:]
    if not last.isalnum():
        return text
    return text + ("。" if "\u3041" <= last <= "\u9fff" else ".")


def clauses(sentence: str, most: int) -> list[str]:
    """A sentence of more than `most` characters as groups of clauses, each of at most so many where its marks allow.

    A group loses the mark at its end, so that it is spoken as a sentence of its own: `finished` gives it a full stop.
    """
    groups = [""]
    for clause in CLAUSE_END.split(sentence) if len(sentence) > most else [sentence]:
        if groups[-1] and len(groups[-1]) + len(clause) > most:
            groups.append("")
        groups[-1] += clause
    spoken = [group.strip(LOOSE) for group in groups if any(character.isalnum() for character in group)]
    return spoken if len(spoken) > 1 else [sentence]


def _pieces(text: str) -> list[str]:
    """The sentences that say something: a line of dashes between two of them is no sentence of its own."""
    pieces = split_sentences(text)
    if not pieces:
        raise ValueError("the text is empty: there is nothing to say; it needs at least one word or number")
    # where none has a letter or digit, the front end says so, or reads a lone symbol by its name
    return [piece for piece in pieces if any(character.isalnum() for character in piece)] or pieces
