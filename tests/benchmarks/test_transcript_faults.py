"""The benchmark plants what it says, and counts clips by what was planted into them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.joined_recordings import NOISES, PAUSE_SECONDS, Sentence, add_noise, join
from benchmarks.nonspeech import SAMPLE_RATE
from benchmarks.planted_faults import FAULTS, near_misses, vocabulary_of
from metrics.wer import word_errors

SENTENCES = [[f"{word}{n}x" if n else word for word in ("form", "letters", "of", "the", "page")] for n in range(8)]
SENTENCES = [[token.replace("1", "a").replace("2", "b") for token in sentence] for sentence in SENTENCES]
RIGHT = " ".join(token for sentence in SENTENCES for token in sentence)
VOCABULARY = vocabulary_of([RIGHT, "from forms better other words"])


def plant(fault: str, seed: int = 0):
    return FAULTS[fault](SENTENCES, VOCABULARY, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("fault", "substitutions", "deletions", "insertions"),
    [("none", 0, 0, 0), ("words wrong", 2, 0, 0), ("words missing", 0, 2, 0), ("words added", 0, 0, 2)],
)
def test_one_word_in_twenty_is_wrong_missing_or_added(
    fault: str, substitutions: int, deletions: int, insertions: int
) -> None:
    planted = plant(fault)
    count = word_errors(RIGHT, planted.text)
    assert (count.substitutions, count.deletions, count.insertions) == (substitutions, deletions, insertions)
    assert len(planted.touched) == substitutions + deletions + insertions


def test_a_sentence_is_missing_and_its_tokens_are_touched() -> None:
    planted = plant("sentence missing")
    assert len(planted.touched) == 5
    left = [token for index, token in enumerate(RIGHT.split()) if index not in planted.touched]
    assert planted.text == " ".join(left)


def test_two_neighbouring_sentences_are_swapped_and_their_tokens_are_touched() -> None:
    planted = plant("sentences swapped")
    first = min(planted.touched)
    assert planted.touched == frozenset(range(first, first + 10))
    assert planted.text.split()[first : first + 5] == RIGHT.split()[first + 5 : first + 10]


def test_the_same_seed_plants_the_same_faults() -> None:
    for fault in FAULTS:
        assert plant(fault) == plant(fault)
    assert plant("words wrong").text != plant("words wrong", seed=1).text


def test_near_misses_are_the_closest_words() -> None:
    assert near_misses("form", VOCABULARY) == ["forms"]
    assert near_misses("of", VOCABULARY) == []


def test_noise_has_the_stated_level_and_the_words_keep_their_places() -> None:
    tone = (0.1 * np.sin(np.arange(SAMPLE_RATE) * 0.3)).astype(np.float32)
    sentences = [Sentence("one", tone, (("one", 0.5),)), Sentence("two", tone, (("two", 0.25),))]
    joined = join(sentences, np.random.default_rng(0))
    assert joined.text_between(0.0, 1.0) == "one"
    assert joined.text_between(1.0 + PAUSE_SECONDS[0], 9.0) == "two"
    for kind in NOISES:
        noisy = add_noise(joined, kind, 10.0, sentences, np.random.default_rng(0))
        noise = noisy - joined.waveform
        snr = 10 * np.log10(np.mean(tone.astype(float) ** 2) / np.mean(noise.astype(float) ** 2))
        assert snr == pytest.approx(10.0, abs=0.1)
