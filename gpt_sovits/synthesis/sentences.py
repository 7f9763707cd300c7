"""A text as sentences to speak, each with phonemes, a seed, an expected length and a length bound."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gpt_sovits.bert import Bert, bert_features
from gpt_sovits.determinism import derive_seed
from gpt_sovits.gpt.generation import MIN_TOKENS
from gpt_sovits.synthesis.preset import TOKENS_PER_SECOND, Preset
from gpt_sovits.text.frontend import Phonemes, phonemize, split_sentences
from gpt_sovits.text.lexicon import Lexicon
from gpt_sovits.text.sentences import width

CLOSING = " \"'”’)]」』】》）"  # may follow the last punctuation mark
LOOSE = " ,;:，、；：—"  # marks that join clauses
CLAUSE_END = re.compile(r"(?<=[,;:—])(?=\s)|(?<=[，、；：])")  # not the comma of 10,000
# Phonemes of each front end that readers say in a second, see docs/languages.md
PHONEMES_PER_SECOND = {"en": 11.1, "zh": 7.6, "yue": 9.0, "ja": 17.1, "ko": 15.2}
MAX_TEXT_CHARACTERS = 20_000  # about 20 minutes of speech


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
        """Return a reader of texts in another language. None: the language of the preset.

        The speaker's pace is that of the preset's language. Phonemes of another front end are longer or shorter, by the
        ratio of what usual readers say in a second.
        """
        if language is None or language == self.preset.language:
            return self
        rates = [PHONEMES_PER_SECOND.get(code.removeprefix("all_")) for code in (self.preset.language, language)]
        factor = rates[0] / rates[1] if None not in rates else 1.0
        seconds = self.preset.seconds_per_phoneme * factor
        return replace(
            self, preset=self.preset.model_copy(update={"language": language, "seconds_per_phoneme": seconds})
        )

    def sentences(self, text: str, seed: int) -> list[Sentence]:
        """Split a text into one or more sentences, each with a seed derived from `seed` and its position.

        Raises:
            ValueError: the text is too long, a sentence does not fit into the GPT, or there is nothing to say.
        """
        if len(text) > MAX_TEXT_CHARACTERS:
            raise ValueError(
                f"the text has {len(text)} characters; at most {MAX_TEXT_CHARACTERS} are spoken in one call: split it"
            )
        return [self._sentence(piece, derive_seed("sentence", seed, i)) for i, piece in enumerate(self._pieces(text))]

    def expected_seconds(self, text: str) -> float:
        """Return how long the speaker would take for `text` at the preset's speed, by its number of phonemes."""
        pieces = self._pieces(text)
        n_phonemes = sum(len(self._phonemes(piece).ids) for piece in pieces)
        spoken = n_phonemes * self.preset.seconds_per_phoneme / self.preset.speed
        return spoken + (len(pieces) - 1) * self.preset.pause_seconds

    def _pieces(self, text: str) -> list[str]:
        most = self.preset.max_sentence_characters
        return [piece for sentence in _pieces(text) for piece in (clauses(sentence, most) if most else [sentence])]

    def _phonemes(self, sentence: str) -> Phonemes:
        return phonemize(add_full_stop(sentence), self.preset.language, self.lexicon)

    def _sentence(self, text: str, seed: int) -> Sentence:
        phonemes = self._phonemes(text)
        expected = len(phonemes.ids) * self.preset.seconds_per_phoneme * TOKENS_PER_SECOND
        if max(expected, MIN_TOKENS) > self.max_tokens:
            raise ValueError(
                f"the sentence {text[:40]!r}... would take {expected / TOKENS_PER_SECOND:.0f} s; this GPT has room for "
                f"{self.max_tokens / TOKENS_PER_SECOND:.0f} s: split the sentence"
            )
        bound = max(MIN_TOKENS, math.ceil(expected * self.preset.max_length_factor))
        features = bert_features(self.bert, phonemes) if self.bert else None
        return Sentence(text, torch.tensor(phonemes.ids), seed, expected, min(bound, self.max_tokens), features)


def add_full_stop(text: str) -> str:
    """Return the text with a full stop added if it ends with a letter or digit.

    The official models were trained on finished sentences. Without a final mark they break off or go on.
    """
    last = text.rstrip(CLOSING)[-1:]
    if not last.isalnum():
        return text
    return text + ("。" if "\u3041" <= last <= "\u9fff" else ".")


def clauses(sentence: str, most: int) -> list[str]:
    """Return a sentence longer than `most` Latin letters as groups of clauses of at most that length each.

    Characters that take longer to say count more, see gpt_sovits.text.sentences.width. A single clause may be longer. A
    group loses the mark at its end and is spoken as a sentence, because `add_full_stop` ends it with a full stop.
    """
    groups = [""]
    for clause in CLAUSE_END.split(sentence) if width(sentence) > most else [sentence]:
        if groups[-1] and width(groups[-1] + clause) > most:
            groups.append("")
        groups[-1] += clause
    spoken = [group.strip(LOOSE) for group in groups if any(character.isalnum() for character in group)]
    return spoken if len(spoken) > 1 else [sentence]


def _pieces(text: str) -> list[str]:
    """Return the sentences with something to say: a line of dashes between two sentences is not a sentence."""
    pieces = split_sentences(text)
    if not pieces:
        raise ValueError("the text is empty: there is nothing to say; it needs at least one word or number")
    # If none has a letter or digit, the front end refuses the text or reads a lone symbol by its name
    return [piece for piece in pieces if any(character.isalnum() for character in piece)] or pieces
