"""A voice in each of zh, ja, ko and yue, from recordings with transcripts to a signed verdict, offline.

The recogniser is a stand-in that answers from tables, see tests/stand_in_transcriber.py. All else is real: the speech,
the stages with the commands of dvc.yaml, the speaker judge, the gate and the registry.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from languages_project import (
    JOINED,
    REGISTRY_SETTINGS,
    VOICES,
    WRONG,
    make_languages_project,
    read_language,
    run_voice_here,
    speak_english_too,
    use_stand_in,
)

from flows.train_and_release import Outcome
from metrics.scores import Scorecard, load_scorecard
from registry.storage.store import open_store
from registry.verdicts.store import newest_verdict
from stages.tables import AlignedClip, FeatureClip, Recording, VoiceReference, read_table

pytestmark = pytest.mark.timeout(600)

# Character errors and characters of the four prompts, counted by hand in the tables. Of English: words.
ERRORS = {"zh": (2, 28), "ja": (2, 48), "ko": (1, 38), "yue": (2, 26)}
ENGLISH_ERRORS = (3, 15)


class Run(NamedTuple):
    """A finished run of the voice of a language."""

    language: str
    root: Path
    outcome: Outcome

    @property
    def voice(self) -> str:
        return VOICES[self.language]

    def folder(self, stage: str) -> Path:
        return self.root / "data" / stage / self.voice

    def clips(self) -> list[AlignedClip]:
        return read_table(self.folder("3_aligned") / "clips.jsonl", AlignedClip)

    def clips_of(self, recording: str) -> list[AlignedClip]:
        """Return the clips of the recording with this file name, without its suffix."""
        recordings = read_table(self.folder("1_manifests") / "recordings.jsonl", Recording)
        (found,) = [row.recording_id for row in recordings if Path(row.path).stem == recording]
        return [clip for clip in self.clips() if clip.clip_id.startswith(found)]

    def scorecard(self) -> Scorecard:
        return load_scorecard(self.folder("6_scores") / "scorecard.json")


@pytest.fixture(autouse=True)
def _registry_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the registry that an earlier test of this process used: MLflow leaves it in the environment."""
    for name in REGISTRY_SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_languages_project(tmp_path_factory.mktemp("languages") / "project", tuple(VOICES))
    speak_english_too(root)
    return root


@pytest.fixture(scope="module", params=VOICES)
def finished(request: pytest.FixtureRequest, project: Path) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        use_stand_in(patch, project)
        return Run(request.param, project, run_voice_here(VOICES[request.param], patch))


def test_a_clip_has_the_transcript_of_its_recording(finished):
    texts = {row["id"]: row["text"] for row in read_language(finished.language)["sentences"]}
    for name in texts.keys() - {*JOINED, WRONG}:
        (clip,) = finished.clips_of(name)
        assert (clip.kept, clip.text, clip.text_source) == (True, texts[name], "given")


def test_a_recording_of_three_sentences_becomes_three_clips_with_one_each(finished):
    texts = {row["id"]: row["text"] for row in read_language(finished.language)["sentences"]}
    clips = finished.clips_of("joined")
    assert [clip.text for clip in clips] == [texts[name] for name in JOINED]
    assert all(clip.kept for clip in clips)


def test_word_times_cover_each_clip_in_order(finished):
    for clip in (clip for clip in finished.clips() if clip.kept):
        spoken = [character for word, *_ in clip.words for character in word if character.isalnum()]
        assert len(spoken) >= 0.8 * sum(character.isalnum() for character in clip.text)  # 20 may be spoken as twenty
        times = [time for _, start, end in clip.words for time in (start, end)]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] <= clip.seconds
        assert times[-1] - times[0] > 0.7 * clip.seconds


def test_the_clip_with_the_transcript_of_another_is_rejected(finished):
    (clip,) = finished.clips_of(WRONG)
    assert not clip.kept
    assert clip.cer > 0.6
    assert "character error rate" in clip.reason
    assert sum(not clip.kept for clip in finished.clips()) == 1


def test_every_table_after_ingest_has_the_language_of_voice_yaml(finished):
    features = finished.folder("4_features")
    reference = VoiceReference.model_validate_json((features / "reference.json").read_text(encoding="utf-8"))
    rows = [
        *read_table(finished.folder("1_manifests") / "recordings.jsonl", Recording),
        *finished.clips(),
        *read_table(features / "clips.jsonl", FeatureClip),
        reference,
        *finished.scorecard().rows,
        *finished.scorecard().held_out,
        *finished.scorecard().resynthesis,
    ]
    assert {row.language for row in rows} == {finished.language}
    preset = json.loads((finished.folder("6_scores") / "voice/preset.json").read_text(encoding="utf-8"))
    assert preset["language"] == finished.language


def test_error_rates_are_counted_in_characters_of_the_prompts(finished):
    rows = finished.scorecard().rows
    counted = sum(row.char_errors for row in rows), sum(row.n_chars for row in rows)
    assert counted == ERRORS[finished.language]
    assert len(finished.scorecard().held_out) >= 2
    assert all(row.char_errors <= 0.2 * row.n_chars for row in finished.scorecard().held_out)
    assert finished.scorecard().judges.asr == "stand-in"


def test_the_judge_of_speakers_knows_the_recordings_and_not_the_untrained_voice(finished):
    card = finished.scorecard()
    assert all(row.similarity > 0.7 for row in card.held_out)
    assert all(row.similarity < 0.6 for row in card.rows)


def test_the_verdict_is_signed_and_fails_the_voice_for_its_sound_and_not_for_its_words(finished):
    signed = finished.outcome.candidate.signed
    store = open_store(finished.root)
    # reading a verdict checks its signature
    stored = newest_verdict(store, finished.voice, candidate_id=signed.verdict.candidate.candidate_id)
    assert stored == signed
    decision = signed.verdict.decision
    assert decision.outcome == "fail"
    missed = {reason.metric for reason in decision.reasons if reason.code == "threshold_missed"}
    assert "similarity" in missed
    assert missed <= {"similarity", "failed_share"}
    assert "wer" in {reason.metric for reason in decision.reasons if reason.code == "threshold_met"}
    report = finished.outcome.report.read_text(encoding="utf-8")
    assert read_language(finished.language)["prompts"][0]["normalized"][0] in report


def test_english_is_a_slice_with_rules_of_its_own(finished):
    (scores,) = finished.scorecard().other_languages
    assert scores.language == "en"
    assert {row.language for row in scores.rows} == {"en"}
    assert (sum(row.word_errors for row in scores.rows), sum(row.n_words for row in scores.rows)) == ENGLISH_ERRORS
    decision = finished.outcome.candidate.signed.verdict.decision
    (english,) = decision.other_languages
    assert english.language == "en"
    reasons = {(reason.metric, reason.code.value) for reason in decision.reasons if reason.slice == "language en"}
    assert ("similarity", "threshold_missed") in reasons
    assert ("wer", "threshold_met") in reasons
