"""Sentences of the batch lane. The same sentence at the same place of a text with the same seed is spoken once.

The samples of a sentence of the batch lane follow from its phonemes and its seed (which is made of the seed of the text
and the place of the sentence in it), the pair and the preset. Its neighbours change nothing but the rounding of batched
sums: pauses are silence, and neither loudness nor the joins reach beyond a sentence. A test holds that.

In the real-time lane chunks grow from sentence to sentence, so there a sentence depends on those before it, and only
whole requests are kept.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gpt_sovits.synthesis.sentences import Sentence
from gpt_sovits.synthesis.speech import SentenceReport, Timings
from gpt_sovits.synthesis.synthesizer import SpokenSentence
from gpt_sovits.synthesis.words import read_words
from serving.caches.code import sound_code
from serving.caches.entries import pack, unpack
from serving.caches.layers import LayeredCache

FULL_SCALE = 32767


@dataclass(frozen=True, kw_only=True)
class Pronunciation:
    """Who speaks a sentence, and how.

    Attributes:
        candidate: Id of the pair. It stands for the weights, the references and the lexicon.
        preset: Name of the preset.
        precision: How the weights are stored.
        device: cpu or cuda, whose sums are rounded differently.
        word_times: Whether the times of the words are kept with it.
    """

    candidate: str
    preset: str
    precision: str
    device: str
    word_times: bool = False


def sentence_key(how: Pronunciation, sentence: Sentence) -> str:
    """Return the hash of everything that decides the samples of a sentence, and of its text.

    Args:
        how: Who speaks it.
        sentence: As the voice reads it.
    """
    bert = sentence.bert_features
    decides: list[Any] = [
        sound_code(),
        asdict(how),
        sentence.text,
        sentence.phoneme_ids.tolist(),
        sentence.seed,
        sentence.expected_tokens,
        sentence.max_tokens,
        None if bert is None else hashlib.sha256(bert.cpu().numpy().tobytes()).hexdigest(),
    ]
    return "sentence/" + hashlib.sha256(json.dumps(decides).encode()).hexdigest()


class SentenceCache:
    """Keeps spoken sentences as int16."""

    def __init__(self, cache: LayeredCache | None) -> None:
        """Take where they are kept, None for nowhere."""
        self._cache = cache
        sound_code()  # reads files, which no sentence waits for

    def get(self, key: str, sentence: Sentence, *, only_memory: bool = False) -> SpokenSentence | None:
        """Return a sentence as it was spoken before, with no work in its timings. None where it is not known.

        Args:
            key: Of the sentence.
            sentence: To say, whose report it becomes.
            only_memory: Ask neither the disk nor Redis, for which streams would wait.
        """
        content = self._cache.get(key, only_memory=only_memory) if self._cache is not None else None
        if content is None:
            return None
        try:
            header, pcm = unpack(content)
            header["words"] = read_words(header["words"])
            report = SentenceReport(text=sentence.text, n_samples=len(pcm) // 2, **header)
            samples = np.frombuffer(pcm, "<i2").astype(np.float32) / FULL_SCALE
        except (ValueError, TypeError, KeyError, AssertionError):  # of another version of this code
            self._cache.delete(key)  # type: ignore[union-attr]
            return None
        return SpokenSentence(samples, report, Timings())

    def put(self, key: str, spoken: SpokenSentence) -> None:
        """Keep a spoken sentence, whatever its outcome: the same text would have the same again."""
        if self._cache is None:
            return
        pcm = np.rint(spoken.waveform * FULL_SCALE).astype("<i2").tobytes()
        header = asdict(spoken.report)
        del header["text"], header["n_samples"]
        self._cache.put(key, pack(header, pcm))
