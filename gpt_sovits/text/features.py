"""What the models read of a text: ids of phonemes, and BERT features where there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpt_sovits.text.bert import bert_features
from gpt_sovits.text.frontend import Phonemes, phonemize
from gpt_sovits.text.lexicon import Lexicon

if TYPE_CHECKING:
    from transformers import BertModel

BERT_LANGUAGES = ("zh",)  # the official GPTs had zeros for the others


@dataclass(frozen=True)
class TextFeatures:
    """phoneme_ids: (X,) int64 on the CPU; bert_features: (bert_dim, X) float32, or None, which counts as zeros."""

    phoneme_ids: Tensor
    bert_features: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Bert:
    """The network, and token -> row of its embedding."""

    model: BertModel
    vocabulary: Mapping[str, int]

    def features_of(self, phonemes: Phonemes) -> Tensor | None:
        """(bert_dim, X) float32, zeros for what is not Chinese; None where nothing is."""
        if not any(segment.language in BERT_LANGUAGES for segment in phonemes.segments):
            return None
        parts = [
            bert_features(self.model, self.vocabulary, segment.normalized_text, segment.word2ph).cpu()
            if segment.language in BERT_LANGUAGES
            else torch.zeros(self.model.config.hidden_size, len(segment.symbols))
            for segment in phonemes.segments
        ]
        return torch.cat(parts, dim=1)


@dataclass(frozen=True, eq=False)
class TextReader:
    """How one voice reads: its language (see frontend.phonemize), its own words, and BERT where its GPT knew one."""

    language: str
    lexicon: Lexicon = field(default_factory=Lexicon)
    bert: Bert | None = None

    def read(self, text: str) -> TextFeatures:
        """Raises ValueError as phonemize does."""
        phonemes = phonemize(text, self.language, self.lexicon)
        features = None if self.bert is None else self.bert.features_of(phonemes)
        return TextFeatures(torch.tensor(phonemes.ids), features)
