"""A text as sentences to speak, each with phonemes, a seed, an expected length and a length bound."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gpt_sovits.bert import Bert, bert_features
from gpt_sovits.determinism import derive_seed
from gpt_sovits.gpt.generation import MIN_TOKENS
from gpt_sovits.synthesis.pieces import (
    expected_seconds,
    preset_in_language,
    read_piece,
    require_speakable_length,
    split_text,
)
from gpt_sovits.synthesis.preset import TOKENS_PER_SECOND, Preset
from gpt_sovits.text.lexicon import Lexicon


@dataclass(frozen=True)
class Sentence:
    """One sentence to speak.

    Attributes:
        text: the sentence as it stands in the text.
        phoneme_ids: (X,) int64.
        seed: seed of the first candidate.
        expected_tokens: number of semantic tokens at the voice's pace.
        max_tokens: number of semantic tokens at which the sentence is cut off.
        bert_features: (bert_dim, X) float, None for a sentence without them.
    """

    text: str
    phoneme_ids: Tensor
    seed: int
    expected_tokens: float
    max_tokens: int
    bert_features: Tensor | None = None

    def candidate_seed(self, number: int) -> int:
        """Return the seed of a candidate, counted from 0. The first has the seed of the sentence."""
        return self.seed if number == 0 else derive_seed("retry", self.seed, number)


@dataclass(frozen=True)
class Reader:
    """How a voice reads a text.

    Attributes:
        preset: language, pace and bounds.
        max_tokens: semantic tokens per sentence that the GPT has positions for.
        lexicon: the voice's own words.
        bert: the BERT, for a GPT that was trained with its features.
    """

    preset: Preset
    max_tokens: int
    lexicon: Lexicon | None = None
    bert: Bert | None = None

    def in_language(self, language: str | None) -> Reader:
        """Return a reader of texts in another language, see preset_in_language. None: the language of the preset."""
        return replace(self, preset=preset_in_language(self.preset, language))

    def sentences(self, text: str, seed: int) -> list[Sentence]:
        """Split a text into one or more sentences, each with a seed derived from `seed` and its position.

        Raises:
            ValueError: the text is too long, a sentence does not fit into the GPT, or there is nothing to say.
        """
        require_speakable_length(text)
        pieces = split_text(text, self.preset)
        return [self._sentence(piece, derive_seed("sentence", seed, i)) for i, piece in enumerate(pieces)]

    def expected_seconds(self, text: str) -> float:
        """Return how long the speaker would take for `text` at the preset's speed, by its number of phonemes."""
        return expected_seconds(text, self.preset, self.lexicon)

    def _sentence(self, text: str, seed: int) -> Sentence:
        phonemes = read_piece(text, self.preset, self.lexicon)
        expected = len(phonemes.ids) * self.preset.seconds_per_phoneme * TOKENS_PER_SECOND
        if max(expected, MIN_TOKENS) > self.max_tokens:
            raise ValueError(
                f"the sentence {text[:40]!r}... would take {expected / TOKENS_PER_SECOND:.0f} s; this GPT has room for "
                f"{self.max_tokens / TOKENS_PER_SECOND:.0f} s: split the sentence"
            )
        bound = max(MIN_TOKENS, math.ceil(expected * self.preset.max_length_factor))
        features = bert_features(self.bert, phonemes) if self.bert else None
        return Sentence(text, torch.tensor(phonemes.ids), seed, expected, min(bound, self.max_tokens), features)
