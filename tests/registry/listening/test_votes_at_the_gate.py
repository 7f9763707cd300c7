"""Votes cast while listening reach the verdict, and a verdict given before them no longer holds."""

from __future__ import annotations

import sqlite3

import pytest
from listening_helpers import copied, make_release
from release_helpers import TODAY, policy, recordings_of

from registry.listening.sessions import Ballot, ListeningError, cast, draw_trial, open_listening, read_votes
from registry.releases.alias import ReleaseRefused
from registry.releases.promotion import promote
from registry.verdicts.gating import current_verdict, gate_candidate

LENIENT = {"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "one utterance is empty"}
ASKED = policy(thresholds=[LENIENT], preference={"min_votes": 7, "worse_than": 0.5, "reason": "test"})


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    root = tmp_path_factory.mktemp("released")
    make_release(root)
    return root


@pytest.fixture
def store(released, tmp_path):
    return copied(released, tmp_path)


def vote(store, side, listener, n):
    listening = open_listening(store, "anna", 2)
    ids = listening.candidate.candidate_id, listening.champion.candidate_id
    for _ in range(n):
        trial = draw_trial(listening, read_votes(store, *ids), listener, "salt")
        other = {"a": "b", "b": "a"}[trial.candidate_side]
        cast(store, listening, trial, Ballot(choice=trial.candidate_side if side == "candidate" else other))


def judged(store, rules=ASKED):
    return gate_candidate(store, "anna", policy=rules, version=2).verdict


def test_a_policy_that_asks_for_votes_is_inconclusive_until_they_are_there(store):
    assert judged(store).outcome == "inconclusive"
    vote(store, "candidate", "anna", 9)
    verdict = judged(store)
    assert verdict.decision.preference.n_candidate == 9
    assert verdict.decision.preference.outcome == "not_worse"


def test_listeners_who_prefer_the_champion_make_it_fail(store):
    for listener in ("anna", "bob"):
        vote(store, "champion", listener, 9)
    verdict = judged(store)
    assert verdict.outcome == "fail" and "listeners prefer the champion" in verdict.decision.reasons[0].text


def test_votes_after_a_verdict_take_it_back_and_it_promotes_nothing(store):
    vote(store, "candidate", "anna", 9)
    candidate_id = judged(store).candidate.candidate_id
    assert current_verdict(store, "anna", candidate_id=candidate_id, policy=ASKED) is not None
    vote(store, "champion", "bob", 9)
    assert current_verdict(store, "anna", candidate_id=candidate_id, policy=ASKED) is None
    with pytest.raises(ReleaseRefused, match="listeners have voted since"):
        promote(
            store,
            "anna",
            policy=ASKED,
            recordings_dir=recordings_of(store.root),
            smoke_text="hello",
            version=2,
            today=TODAY,
            smoke=lambda folder, text: None,
        )


def test_votes_that_were_changed_stop_the_gate_that_asks_for_them_alone(store):
    vote(store, "champion", "anna", 3)
    with sqlite3.connect(store.sqlite_file) as connection:
        connection.execute("UPDATE voxfoundry_votes SET choice = 'candidate'")
    connection.close()
    with pytest.raises(ListeningError, match="vote journal is broken"):
        judged(store)
    assert judged(store, policy()).decision.preference is None
