"""Every piece of advice follows from the tables, and tidy recordings get none."""

from __future__ import annotations

import re

import pytest
from card_helpers import aligned, cut, disagreement, recording, sample_texts
from imports import ROOT

from stages.card.advice.recording_plan import plan_recordings
from stages.card.card import DataCard, make_card
from stages.card.facts.inputs import VoiceTables
from stages.card.language.coverage import Coverage
from stages.card.language.sentences import SentenceKind
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
    repaired = card_of(disagreements=[disagreement(1, "tea", "sea", outcome="repaired")])
    assert not advice_of(repaired, "doubted_words") and repaired.figures()["n_doubted_clips"] == 0


def test_words_of_a_transcript_that_nobody_says_are_named():
    card = card_of(disagreements=[disagreement(1, "chapter one " * 9, "", None, "unused")])
    text = advice_of(card, "unused_words")
    assert "1 passage that nobody says" in text and "…” in wavs/r001.flac" in text


@pytest.mark.parametrize(
    ("rule_id", "values", "text"),
    [
        ("noise", {"snr_db": 12.0}, "(12 dB above its noise)"),
        ("clipping", {"longest_clipping": 40}, "(40 samples in a row at full scale)"),
        ("bandwidth", {"bandwidth_hz": 3900}, "(no sound above 3900 Hz)"),
        ("reverberation", {"reverberation_seconds": 1.2}, "(a T60 of about 1.2 s)"),
        ("music", {"music_share": 0.5}, "(steady tones in 50% of the time)"),
    ],
)
def test_a_fault_of_the_sound_is_named_with_the_worst_recording(rule_id, values, text):
    found = advice_of(card_of(recordings={2: values}), rule_id)
    assert "1 recording with 25% of the sound, most of all wavs/r002.flac" in found and found.endswith(f"{text}.")


def test_a_fault_of_little_sound_needs_no_advice_unless_it_is_clipped():
    card = card_of(24, recordings={2: {"snr_db": 12.0}, 3: {"longest_clipping": 40}})
    assert not advice_of(card, "noise") and advice_of(card, "clipping")


def test_kept_clips_of_another_speaker_are_named_with_their_recordings():
    card = card_of(changes={3: {"speaker": 1, "speaker_similarity": 0.2}})
    assert "1 kept clip (4 s)" in advice_of(card, "other_speakers") and "r003" in advice_of(card, "other_speakers")
    assert [(one.number, one.n_clips, round(one.similarity, 6)) for one in card.speakers] == [(0, 3, 0.8), (1, 1, 0.2)]
    assert not advice_of(card_of(changes={3: {"speaker": 1, "reason": "another speaker: speaker 1"}}), "other_speakers")


def test_kept_clips_with_the_same_sound_are_counted():
    twins = {i: {"duplicate_group": "000000000000-0000"} for i in range(3)}
    assert "Look at 2 kept clips" in advice_of(card_of(changes=twins), "duplicates")
    for i in (1, 2):
        twins[i] |= {"reason": "the same sound as a better clip"}
    card = card_of(changes=twins)
    assert not advice_of(card, "duplicates") and [len(group) for group in card.duplicates] == [3]


def test_recordings_with_the_same_sound_are_named():
    text = advice_of(card_of(recordings={1: {"duplicate_of": "wavs/r000.flac"}}), "duplicate_recordings")
    assert "wavs/r001.flac holds the same sound as wavs/r000.flac" in text


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
        recordings={2: {"longest_clipping": 99}},
        disagreements=[disagreement(3, "a", "b")],
    )
    assert len(card.advice) >= 5 and all(one.rule.endswith(".") for one in card.advice)


def test_tidy_recordings_need_no_correction():
    assert {one.rule_id for one in card_of(60).advice} <= {"record"}


def test_the_documentation_names_every_rule():
    page = (ROOT / "docs/pipeline/data_card.md").read_text(encoding="utf-8")
    code = (ROOT / "stages/card/advice/advice.py").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    given = {*re.findall(r'(?:Advice|SoundFault)\(\s+"(\w+)"', code), "record"}
    assert set(named) == given
