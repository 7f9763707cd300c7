"""Later scores are kept beside the version's own, found again by their judges, and refused if they were edited."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from release_helpers import JUDGES, scorecard

from registry.candidates.candidate import find_candidate, scorecard_of
from registry.candidates.fingerprint import CandidateError
from registry.candidates.rescoring import find_comparable_scorecard, rescores_of, save_rescore
from registry.storage.store import mlflow_client

NEWER = JUDGES.model_copy(update={"asr_version": "6.0"})


@pytest.fixture
def candidate(store):
    return find_candidate(store, "anna", 1)


def test_trend_has_every_measurement_with_its_findings(store, candidate):
    save_rescore(store, candidate, scorecard(wer=0.2), ())
    save_rescore(store, candidate, scorecard(wer=0.3, judges=NEWER), ("asr_version was 5.1.1 and is 6.0",))
    trend = rescores_of(store, candidate)
    assert [round(rescore.figures["wer"], 6) for rescore in trend] == [0.2, 0.3]
    assert [rescore.findings for rescore in trend] == [(), ("asr_version was 5.1.1 and is 6.0",)]
    assert rescores_of(store, find_candidate(store, "anna", 2)) == []


def test_registered_scorecard_does_not_change(store, candidate):
    before = scorecard_of(store, candidate)
    save_rescore(store, candidate, scorecard(wer=0.9), ())
    assert scorecard_of(store, candidate) == before


def test_later_scores_are_found_only_by_the_same_judges_prompts_and_seeds(store, candidate):
    fresh = scorecard(wer=0.2, judges=NEWER)
    save_rescore(store, candidate, fresh, ())
    assert find_comparable_scorecard(store, candidate, like=scorecard(judges=NEWER)) == fresh
    assert find_comparable_scorecard(store, candidate, like=scorecard()) is None
    assert find_comparable_scorecard(store, candidate, like=scorecard(judges=NEWER, seeds=(0,))) is None
    assert find_comparable_scorecard(store, candidate, like=scorecard(judges=NEWER, prompts_sha256="0" * 64)) is None


def test_edited_scores_are_refused(store, candidate):
    kept = save_rescore(store, candidate, scorecard(wer=0.4, judges=NEWER), ())
    folder = Path(unquote(urlparse(mlflow_client(store).get_run(kept.run_id).info.artifact_uri).path))
    path = folder / "scorecard.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"word_errors": 4', '"word_errors": 0'), encoding="utf-8")
    with pytest.raises(CandidateError, match="was changed"):
        find_comparable_scorecard(store, candidate, like=scorecard(judges=NEWER))


def test_scores_that_nobody_signed_are_passed_over(store, candidate):
    """Somebody adds scores to MLflow that make the champion look worse, and one that is not scores at all."""
    kept = save_rescore(store, candidate, scorecard(wer=0.1, judges=NEWER), ())
    client = mlflow_client(store)
    source = client.get_run(kept.run_id)
    for changes in ({}, {"judges": "{}"}, {"version": "x"}):
        forged = client.create_run(source.info.experiment_id, tags=source.data.tags | changes)
        client.log_text(forged.info.run_id, scorecard(wer=0.9, judges=NEWER).model_dump_json(), "scorecard.json")
        client.set_terminated(forged.info.run_id)
    assert find_comparable_scorecard(store, candidate, like=scorecard(judges=NEWER)) == scorecard(judges=NEWER)


def test_scores_of_another_voice_are_refused(store, candidate):
    with pytest.raises(ValueError, match="'bert'"):
        save_rescore(store, candidate, scorecard(voice="bert"), ())


def test_newest_scores_are_those_whose_row_comes_last_whatever_the_clocks_say(store, candidate, monkeypatch):
    """A machine whose clock is ahead kept scores, and then another machine kept newer ones."""
    with monkeypatch.context() as ahead:
        time_now = time.time
        ahead.setattr(time, "time", lambda: time_now() + 7200)
        save_rescore(store, candidate, scorecard(wer=0.4, judges=NEWER), ())
    newest = scorecard(wer=0.2, judges=NEWER)
    save_rescore(store, candidate, newest, ())
    assert find_comparable_scorecard(store, candidate, like=scorecard(judges=NEWER)) == newest
