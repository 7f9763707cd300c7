"""Counts follow from texts and texts from the locked prompts, or the scorecard says where they do not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imports import ROOT
from release_helpers import JUDGES, language_scores, scorecard, utterance, with_rows

from metrics.failures import implied_failures, speech_failures
from metrics.normalize import normalize_text, normalizer_of, remove_unit_spaces
from metrics.prompts import PromptSet, load_prompts
from metrics.recounting import find_miscounts, find_other_texts
from metrics.scores import Scorecard, UtteranceScore
from metrics.sound import Sound
from metrics.wer import character_errors, word_errors

COUNTS = ("word_errors", "n_words", "char_errors", "n_chars")
words = st.lists(st.sampled_from(["one", "two", "three", "a", "colour", "5"]), max_size=8).map(" ".join)


def scored(reference: str, hypothesis: str, language: str) -> UtteranceScore:
    """Return a row with the counts that the evaluate stage would write."""
    in_words = word_errors(reference, hypothesis)
    in_characters = character_errors(*(remove_unit_spaces(text, language) for text in (reference, hypothesis)))
    return utterance(
        0,
        0,
        language=language,
        reference=reference,
        hypothesis=hypothesis,
        word_errors=in_words.errors,
        n_words=in_words.n_reference,
        char_errors=in_characters.errors,
        n_chars=in_characters.n_reference,
        failures=implied_failures(reference, hypothesis, 1.0, language=language),
    )


@given(words.filter(bool), words, st.sampled_from(["en", "zh"]), st.sampled_from(COUNTS), st.integers(1, 30))
def test_true_counts_are_believed_and_any_other_is_not(reference, hypothesis, language, name, more):
    row = scored(reference, hypothesis, language)
    card = scorecard(rows=(row,))
    assert find_miscounts(card) == []
    forged = row.model_copy(update={name: getattr(row, name) + more})
    (fault,) = find_miscounts(card.model_copy(update={"rows": (forged,)}))
    assert f"{name} {getattr(forged, name)}, not {getattr(row, name)}" in fault


WORDS = ["one", "two", "three", "four", "five", "six"]
texts = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)
SPEECH = Sound(
    level_dbfs=-20.0,
    clipped_share=0.0,
    silence_share=0.1,
    pitch_range_semitones=8.0,
    end_db=-40.0,
    floor_db=-40.0,
    steadiest_db=5.0,
)


@given(texts.filter(bool), texts, texts, st.floats(0.3, 30), st.floats(0.3, 30), st.sampled_from(["en", "zh"]))
def test_failures_that_the_texts_show_are_those_that_the_detectors_find(
    reference, hypothesis, clip, seconds, expected, language
):
    found = speech_failures(
        reference, hypothesis, seconds, expected, SPEECH, language=language, reference_clip_text=clip
    )
    implied = implied_failures(reference, hypothesis, seconds / expected, language=language)
    named = {*found, *(["repeated_clause"] if "leaked_prompt" in found else [])}
    assert set(implied) <= named


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"hypothesis": "", "word_errors": 10, "char_errors": 48}, "empty"),
        ({"hypothesis": "one two three four five", "word_errors": 5, "char_errors": 25}, "cut_off"),
        ({"hypothesis": "one two three eight nine ten", "word_errors": 4, "char_errors": 20}, "swallowed_clause"),
        ({"duration_ratio": 0.4}, "cut_off"),
    ],
)
def test_failure_that_the_texts_show_and_the_row_does_not_name_is_found(changes, name):
    row = utterance(0, 0, **changes)
    (fault,) = find_miscounts(scorecard(rows=(row,)))
    assert f"p000 seed 0 (no {name} among its failures)" in fault
    assert find_miscounts(scorecard(rows=(row.model_copy(update={"failures": (name,)}),))) == []


@pytest.mark.parametrize("part", ["rows", "held_out", "resynthesis", "other_languages"])
def test_every_part_of_a_scorecard_is_counted(part):
    wrong = utterance(7, 1, 3).model_copy(update={"word_errors": 0})
    rows = (language_scores(rows=(wrong,)),) if part == "other_languages" else (wrong,)
    (fault,) = find_miscounts(scorecard(**{part: rows}))
    assert "p007 seed 1 (word_errors 0, not 3)" in fault


def test_many_wrong_rows_are_counted_and_some_named():
    card = with_rows(scorecard(wer=0.5), lambda rows: [rows.append(rows.pop(0)) for _ in rows])
    card = card.model_copy(update={"rows": tuple(row.model_copy(update={"word_errors": 0}) for row in card.rows)})
    (fault,) = find_miscounts(card)
    assert fault.count("word_errors 0, not 5") == 5 and "and 35 more" in fault


@pytest.fixture(scope="module")
def prompts() -> PromptSet:
    return load_prompts(ROOT / "benchmarks/prompts/en.yaml")


@pytest.fixture(scope="module")
def card(prompts) -> Scorecard:
    """Return scores of the locked English prompts, one seed."""
    known = normalizer_of("en")
    texts = [(prompt, normalize_text(prompt.normalized)) for prompt in prompts.prompts]
    rows = tuple(
        scored(text, text, "en").model_copy(update={"prompt_id": prompt.id, "category": prompt.category})
        for prompt, text in texts
    )
    judges = JUDGES.model_copy(update={"normalizer": known.name, "normalizer_version": known.version})
    return scorecard(rows=rows, seeds=(0,), judges=judges)


def test_scores_of_the_locked_prompts_are_believed(card, prompts):
    assert find_other_texts(card, [prompts]) == []


@pytest.mark.parametrize(
    "changes", [{"reference": "an easier text"}, {"category": "short"}, {"prompt_id": "made_up"}], ids=str
)
def test_another_text_category_or_prompt_is_found(card, prompts, changes):
    row = next(row for row in card.rows if row.category == "numbers_and_dates")
    forged = with_rows(card, lambda rows: rows.__setitem__(rows.index(row), row.model_copy(update=changes)))
    (fault,) = find_other_texts(forged, [prompts])
    assert f"{changes.get('prompt_id', row.prompt_id)} seed 0 in en have another text or category" in fault


def test_texts_of_another_normaliser_are_not_compared(card, prompts):
    judges = card.judges.model_copy(update={"normalizer_version": "rules0"})
    (fault,) = find_other_texts(card.model_copy(update={"judges": judges}), [prompts])
    assert "normalised by whisper_english rules0, and this installation has whisper_english" in fault


def test_texts_in_another_language_are_compared_too(card):
    mandarin = load_prompts(ROOT / "benchmarks/prompts/zh.yaml")
    known = normalizer_of("zh")
    part = language_scores("zh", normalizer=known.name, normalizer_version=known.version)
    (fault,) = find_other_texts(card.model_copy(update={"other_languages": (part,)}), [mandarin])
    assert "in zh have another text or category" in fault


def test_counting_again_loads_no_model_library():
    code = (
        "import sys; from metrics.normalize import normalize_text; import metrics.recounting; "
        "print(normalize_text(\"It's 5 o'clock\"), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
