"""The benchmark plants faults whose places it knows, and counts what became of them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.nonspeech import SAMPLE_RATE
from benchmarks.timed_sentences import TimedSentence, TimedToken
from benchmarks.true_recordings import TrueRecording, true_recording
from benchmarks.true_texts import TEXTS, Ingredients, TruthText
from benchmarks.truth_results import table, truth_result
from metrics.wer import word_errors
from stages.tables import AlignedClip, Clip, Disagreement

WORDS = ("form", "letters", "of", "the", "page")
SENTENCES = [
    tuple(
        TimedToken(f"{word}-{'abcdefghij'[n]}", ((word, n * 4 + i * 0.5, n * 4 + i * 0.5 + 0.4),))
        for i, word in enumerate(WORDS)
    )
    for n in range(10)
]
RIGHT = " ".join(token.written for sentence in SENTENCES for token in sentence)


def plant(name: str) -> TruthText:
    unspoken = [f"nobody says sentence {number}" for number in range(20)]
    return TEXTS[name](SENTENCES, Ingredients(("other", "words", "forms"), unspoken, np.random.default_rng(0)))


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_differs_from_the_right_one_by_its_faults(name: str) -> None:
    text = plant(name)
    changed = sum(max(len(fault.written.split()), len(fault.said.split())) for fault in text.faults)
    assert word_errors(RIGHT, text.text).errors == changed
    assert bool(text.faults) == (name != "exact")
    for fault in text.faults:
        assert 0 <= fault.start < fault.end


def test_missing_sentences_are_at_the_head_in_the_middle_or_at_the_tail() -> None:
    assert [fault.start for fault in plant("7 sentences missing, head").faults] == [n * 4 for n in range(7)]
    assert [fault.start for fault in plant("7 sentences missing, tail").faults] == [n * 4 for n in range(3, 10)]
    assert [fault.start for fault in plant("1 sentence missing, middle").faults] == [pytest.approx(16)]


def test_a_recording_is_as_long_and_as_noisy_as_it_should_be() -> None:
    sentence = TimedSentence(np.sin(np.arange(3 * SAMPLE_RATE) / 9).astype(np.float32), SENTENCES[0])
    clean = true_recording([sentence], 0.5, None, np.random.default_rng(1))
    noisy = true_recording([sentence], 0.5, 10.0, np.random.default_rng(1))
    assert 30 <= len(clean.waveform) / SAMPLE_RATE <= 34
    assert clean.sentences[1][0].start - clean.sentences[0][0].start > 3
    assert clean.sentences == noisy.sentences
    scale = (clean.waveform @ noisy.waveform) / (clean.waveform @ clean.waveform)
    noise = noisy.waveform / scale - clean.waveform
    speech = clean.waveform[np.abs(clean.waveform) > 0]
    assert 10 * np.log10(np.mean(speech**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.5)


def clip(number: int) -> Clip:
    start, end = number * 4 - 0.1, number * 4 + 2.5
    return Clip(
        clip_id=f"r-{number:04d}", recording_id="r", path="x.flac", start=max(0.0, start), end=end,
        seconds=end - max(0.0, start), gain_db=0.0,
    )  # fmt: skip


def aligned(number: int, text: str, *, kept: bool = True) -> AlignedClip:
    own = clip(number)
    words = tuple(
        (word, start - own.start, end - own.start + 0.2)
        for token in SENTENCES[number]
        for word, start, end in token.words
    )
    return AlignedClip(
        clip_id=own.clip_id, path="x.flac", seconds=own.seconds, language="en", text=text, text_source="given",
        asr_text="", cer=0.0, words=words, kept=kept, reason="" if kept else "bad", split="train",
    )  # fmt: skip


def test_kept_reported_and_wrong_clips_are_counted() -> None:
    texts = [" ".join(token.written for token in sentence) for sentence in SENTENCES]
    faulty = plant("1 sentence missing, head")
    rows = [aligned(number, text) for number, text in enumerate(texts)]
    rows[0] = aligned(0, "", kept=False)
    rows[3] = aligned(3, texts[3] + " and more")
    rows[4] = aligned(4, texts[4], kept=False)
    row = Disagreement(
        recording_id="r", clip_id="r-0000", start=0.0, end=2.5, written="", heard="form", doubt=None, outcome="rejected"
    )
    recording = TrueRecording(tuple(SENTENCES), np.zeros(0, np.float32))
    result = truth_result(("x", 10, None, "one"), recording, faulty, [clip(n) for n in range(10)], rows, [row])
    assert (result.n_clips, result.n_kept, result.n_untouched, result.n_exact) == (10, 8, 9, 7)
    assert (result.n_faults, result.n_reported, result.n_wrong) == (1, 1, 1)
    assert (result.n_words, result.n_good_starts, result.n_good_ends) == (35, 35, 0)
    assert "| one | 10 | 8/10 = 80.0% | 7/9 = 77.8% |" in table([result], "text", lambda one: one.text)


@pytest.mark.parametrize(
    ("first", "second", "n_wrong"), [(4, 6, 0), (5, 5, 0), (4, 5, 1), (5, 6, 1), (3, 7, 2)]
)  # words of the sentence in each clip, and how many of both clips are wrong
def test_a_word_that_a_cut_divides_may_be_in_either_clip_but_in_one(first: int, second: int, n_wrong: int) -> None:
    tokens = [TimedToken(word, ((word, number * 0.5, number * 0.5 + 0.5),)) for number, word in enumerate("abcdefghij")]
    cut = 2.3  # in "e", from 2.0 to 2.5, whose middle is in the first clip
    clips = [
        clip(0).model_copy(update={"clip_id": f"r-{number}", "start": start, "end": end})
        for number, (start, end) in enumerate([(0.0, cut), (cut, 5.0)])
    ]
    rows = [
        aligned(0, " ".join(token.written for token in part)).model_copy(update={"clip_id": f"r-{number}"})
        for number, part in enumerate((tokens[:first], tokens[-second:]))
    ]
    recording = TrueRecording((tuple(tokens),), np.zeros(0, np.float32))
    result = truth_result(("x", 10, None, "exact"), recording, TruthText("", ()), clips, rows, [])
    assert result.n_wrong == n_wrong
