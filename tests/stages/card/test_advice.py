"""Every piece of advice follows from the tables, and tidy recordings get none."""

from __future__ import annotations

import pytest
from card_helpers import aligned, cut, disagreement, recording, sample_texts
from imports import ROOT

from stages.card.card import DataCard, make_card
from stages.card.coverage import Coverage
from stages.card.inputs import VoiceTables
from stages.card.recording_plan import plan_recordings
from stages.card.sentences import SentenceKind
from stages.params import load_params
from stages.tables import Reject

PARAMS = load_params(ROOT / "params.yaml")
TEXTS = [text for _, text in sample_texts(92)]


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)  # the prompts and the curves are named relative to it


def card_of(n: int = 4, changes=None, recordings=None, disagreements=(), rejects=()) -> DataCard:
    """Return the card of n clips with the sample voice's texts, of which `changes` has other values by number."""
    rows = [aligned(i, TEXTS[i], **(changes or {}).get(i, {})) for i in range(n)]
    files = [recording(i, **(recordings or {}).get(i, {})) for i in range(n)]
    tables = VoiceTables(
        voice="anna",
        language="en",
        recordings=tuple(files),
        ingest_rejects=tuple(rejects),
        clips=tuple(cut(i, seconds=row.seconds) for i, row in enumerate(rows)),
        aligned=tuple(rows),
        disagreements=tuple(disagreements),
    )
    return make_card(tables, PARAMS)


def advice_of(card: DataCard, rule_id: str) -> str:
    return next((one.text for one in card.advice if one.rule_id == rule_id), "")


def test_clips_without_a_text_of_the_user_are_named():
    text = advice_of(card_of(changes={1: {"text_source": "asr", "cer": None}}), "texts")
    assert text.startswith("Write down what is said in wavs/r001.flac: 1 kept clip (4 s)")


def test_a_reason_that_took_much_of_the_recordings_is_named_with_an_example():
    rejects = [Reject(path="long.wav", reason="7300.0 s is longer than ingest.max_seconds = 7200", seconds=20.0)]
    text = advice_of(card_of(rejects=rejects), "refused")
    assert "ingest refused 20 s (33%)" in text and "such as long.wav: 7300.0 s" in text
    assert not advice_of(card_of(rejects=[rejects[0].model_copy(update={"seconds": 1.0})]), "refused")


def test_words_that_are_not_heard_are_named_with_the_clearest_one():
    card = card_of(disagreements=[disagreement(1, "tea", "sea", 6.0), disagreement(2, "boat", "goat", 9.0)])
    assert "2 kept clips" in advice_of(card, "doubted_words") and "“boat”" in advice_of(card, "doubted_words")
    refused = card_of(changes={1: {"reason": "no"}}, disagreements=[disagreement(1, "tea", "sea")])
    assert not advice_of(refused, "doubted_words")


def test_clipped_recordings_are_named():
    text = advice_of(card_of(recordings={2: {"clipped_share": 0.004}}), "clipping")
    assert "wavs/r002.flac" in text and "0.40%" in text


def test_too_few_clips_for_a_reference_are_said():
    card = card_of(changes={i: {"seconds": 1.5} for i in range(4)})
    assert "only 0 of 4 training clips" in advice_of(card, "reference")
    assert not advice_of(card_of(), "reference")


def test_the_plan_adds_up_what_is_lacking():
    sounds = [Coverage("consonant", "/ʒ/", "measure", 0, 6), Coverage("vowel", "/i/", "see", 50, 90)]
    kinds = [SentenceKind("questions", "", 4, 0.1), SentenceKind("exclamations", "", 12, 0.2)]
    plan = plan_recordings(sounds, kinds, [4.0, 5.0, 6.0])
    assert plan.text() == "Record 30 s more: 6 questions, sentences with /ʒ/ (measure)."
    assert plan_recordings(sounds[:1], [], [4.0]).seconds == 20.0  # five sentences with it twice
    assert plan_recordings(sounds[1:], kinds[1:], [4.0]).text() == ""


def test_a_plan_names_the_most_needed_sounds_only():
    sounds = [Coverage("vowel", f"/{n}/", "", 0, 9 - n) for n in range(9)]
    assert (
        plan_recordings(sounds, [], [4.0])
        .text()
        .endswith("/0/, /1/, /2/, /3/, /4/, /5/ and 3 more sounds of the table.")
    )


def test_every_advice_states_its_rule():
    card = card_of(
        changes={0: {"text_source": "asr", "cer": None}, 1: {"reason": "the ASR heard no word"}},
        recordings={2: {"clipped_share": 0.01}},
        disagreements=[disagreement(3, "a", "b")],
    )
    assert len(card.advice) >= 5 and all(one.rule.endswith(".") for one in card.advice)


def test_tidy_recordings_need_no_correction():
    assert {one.rule_id for one in card_of(60).advice} <= {"record"}
