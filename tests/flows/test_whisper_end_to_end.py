"""A Mandarin voice from recordings to a verdict with faster-whisper's multilingual code path as its recogniser.

The checkpoint is random, in the official layout: transcription, word times by cross-attention and language detection
are real, and their results are garbage. So the voice has no transcripts, except where a test says that it does.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from imports import ROOT
from languages_project import (
    REGISTRY_SETTINGS,
    VOICES,
    make_languages_project,
    run_stage_here,
    run_voice_here,
    use_project,
)
from whisper_tiny import write_tiny_whisper

from flows.train_and_release import Outcome
from metrics.scores import load_scorecard
from registry.storage.store import open_store
from registry.verdicts.store import newest_verdict
from stages.tables import AlignedClip, read_table

pytestmark = pytest.mark.timeout(600)

ASR = "faster-whisper-tiny"
LANGUAGE = "zh"
VOICE = VOICES[LANGUAGE]
OPENED = (  # limits that garbage would not pass
    "align.max_cer=1",
    "evaluate.max_length_factor=8",  # the many words of its texts make the voice seem fast
    "adapt_gpt.max_phonemes_per_second={en: 500, zh: 500, yue: 500, ja: 500, ko: 500}",
)


@pytest.fixture(autouse=True)
def _registry_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the registry that an earlier test of this process used: MLflow leaves it in the environment."""
    for name in REGISTRY_SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_languages_project(tmp_path_factory.mktemp("whisper") / "project", [LANGUAGE], *OPENED)
    write_tiny_whisper(root / "base_models")
    # The trained base, which learned English only, so that the voice makes sounds that silero-vad takes for speech.
    shutil.rmtree(root / "base_models/starter")
    shutil.copytree(ROOT / "base_models/starter", root / "base_models/starter")
    (root / "base_models/starter/base.json").unlink()
    return root


@pytest.fixture(scope="module")
def refusal(project: Path) -> str:
    """What align says about garbage beside right transcripts."""
    with pytest.MonkeyPatch.context() as patch, pytest.MonkeyPatch.context() as output:
        use_project(patch, project, ASR)
        for stage in ("ingest", "segment"):
            run_stage_here(stage, VOICE, patch)
        lines: list[str] = []
        output.setattr("builtins.print", lambda *words, **_options: lines.append(" ".join(map(str, words))))
        with pytest.raises(SystemExit):
            run_stage_here("align", VOICE, patch)
    return lines[-1]


@pytest.fixture(scope="module")
def outcome(project: Path, refusal: str) -> Outcome:
    (project / f"data/1_recordings/{VOICE}/metadata.csv").unlink()
    with pytest.MonkeyPatch.context() as patch:
        use_project(patch, project, ASR)
        return run_voice_here(VOICE, patch)


def test_clips_whose_transcripts_are_not_what_whisper_hears_stop_the_run(refusal):
    assert refusal.startswith("error: 12 of 12 clips rejected")
    assert "character error rate above align.max_cer = 1.0" in refusal
    assert "check that the transcripts belong to the recordings" in refusal


def test_without_transcripts_each_clip_has_what_whisper_heard_with_its_word_times(project, outcome):
    clips = read_table(project / f"data/3_aligned/{VOICE}/clips.jsonl", AlignedClip)
    assert len(clips) == 12
    for clip in clips:
        assert (clip.kept, clip.text_source, clip.language) == (True, "asr", LANGUAGE)
        assert [word for word, *_ in clip.words] == clip.text.split()
        times = [time for _, start, end in clip.words for time in (start, end)]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] <= clip.seconds


def test_every_utterance_is_transcribed_and_its_language_detected(project, outcome):
    card = load_scorecard(project / f"data/6_scores/{VOICE}/scorecard.json")
    assert card.judges.asr == ASR
    assert card.judges.asr_version.startswith("1.2.1 ctranslate2")
    # of its recordings the random model hears the same garbage again
    assert all(row.hypothesis == row.reference for row in card.held_out)
    # silero-vad may take a short one of the voice's sounds for noise, in which nobody speaks any language
    heard = [row for row in card.rows if "empty" not in row.failures]
    assert len(heard) >= 3
    assert [row for row in card.rows if row.hypothesis] == heard
    # it is sure of one language, which is not Mandarin
    assert [row for row in card.rows if "wrong_language" in row.failures] == heard


def test_the_verdict_is_signed_and_fails_with_typed_reasons(project, outcome):
    signed = outcome.candidate.signed
    stored = newest_verdict(open_store(project), VOICE, candidate_id=signed.verdict.candidate.candidate_id)
    assert stored == signed  # reading a verdict checks its signature
    decision = signed.verdict.decision
    assert decision.outcome == "fail"
    missed = {reason.metric for reason in decision.reasons if reason.code == "threshold_missed"}
    assert missed >= {"wer", "similarity", "failed_share"}
    rows = load_scorecard(project / f"data/6_scores/{VOICE}/scorecard.json").rows
    assert decision.failures["wrong_language"] == sum("wrong_language" in row.failures for row in rows) >= 3
