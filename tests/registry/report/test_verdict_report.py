"""The report of a verdict is made only from what the registry keeps."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from release_helpers import LINEAGE, policy, write_voice_folder
from report_helpers import TEXT, score_folder

from metrics.failures import implied_failures
from metrics.scores import Scorecard
from registry.candidates.candidate import score_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.candidates.registration import register_candidate
from registry.report.verdict_report import report_of
from registry.verdicts.gating import gate_candidate


def name_failures(card: Scorecard) -> Scorecard:
    """Return the scorecard with the failures that its texts show."""
    changes = {
        part: tuple(
            row.model_copy(
                update={
                    "failures": implied_failures(
                        row.reference, row.hypothesis, row.duration_ratio, language=row.language
                    )
                }
            )
            for row in getattr(card, part)
        )
        for part in ("rows", "resynthesis")
    }
    return card.model_copy(update=changes)


@pytest.fixture
def gated(store, tmp_path):
    """Version 1 of robin with the verdict on its first release. Its score folder is gone, as on another machine."""
    folder = tmp_path / "robin"
    scored = score_folder(folder, {"a": TEXT, "b": "one two three"})
    (folder / "scorecard.json").write_text(name_failures(scored.scorecard).model_dump_json(), encoding="utf-8")
    (folder / "pairs.csv").write_text("gpt_epoch,sovits_epoch,wer,cer,similarity,failed_share\n4,2,0.123,0.1,,0.0\n")
    candidate = register_candidate(
        store,
        "robin",
        voice_folder=write_voice_folder(folder / "voice"),
        scorecard_path=folder / "scorecard.json",
        lineage=LINEAGE,
    )
    shutil.rmtree(folder)
    signed = gate_candidate(store, "robin", policy=policy().model_copy(update={"min_prompts": 2}), first_release=True)
    return store, candidate, signed


def test_report_has_verdict_sound_pairs_and_lineage(gated):
    store, candidate, signed = gated
    page = report_of(store, signed, "Fewest failed utterances.")
    assert "Version 1 of the voice “robin” must not be released" in page
    assert page.count('class="play"') == 2 and page.count("<audio controls preload") == 6
    assert "12.3%" in page and "Fewest failed utterances." in page
    assert LINEAGE["git_commit"] in page and candidate.candidate_id in page and signed.sha256 in page
    assert page == report_of(store, signed, "Fewest failed utterances.")


def test_audio_that_is_not_what_was_scored_is_not_played_and_the_page_states_why(gated):
    store, candidate, signed = gated
    (score_folder_of(store, candidate) / "audio/b-0.flac").write_bytes(b"another sound")
    page = report_of(store, signed)
    assert "b-0.flac is not the audio that was scored" in page
    assert 'class="play"' not in page and "must not be released" in page


def test_report_about_a_candidate_that_is_gone_is_refused(gated):
    store, _, signed = gated
    subject = signed.verdict.candidate.model_copy(update={"version": 9, "candidate_id": "0" * 64})
    with pytest.raises(CandidateError, match="no registered candidate with the id 0000"):
        report_of(store, replace(signed, verdict=signed.verdict.model_copy(update={"candidate": subject})))


def test_report_about_a_candidate_that_has_another_number_now_is_made(gated):
    store, candidate, signed = gated
    subject = signed.verdict.candidate.model_copy(update={"version": 9})
    page = report_of(store, replace(signed, verdict=signed.verdict.model_copy(update={"candidate": subject})))
    assert candidate.candidate_id in page
