"""Votes reach the verdict, and a verdict that was given before them is stale."""

from __future__ import annotations

import sqlite3

import pytest
from listening_helpers import vote_for
from release_helpers import TODAY, policy, recordings_of

from registry.listening.trials import ListeningError
from registry.releases.alias import ReleaseRefused
from registry.releases.promotion import promote
from registry.verdicts.gating import current_verdict, gate_candidate

LENIENT = {"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "one utterance is empty"}
WITH_VOTES = policy(thresholds=[LENIENT], preference={"min_votes": 7, "worse_than": 0.5, "reason": "test"})


def vote(store, listening, listener, side, n):
    for _ in range(n):
        assert vote_for(store, listening, listener, side)


def gate(store, rules=WITH_VOTES):
    return gate_candidate(store, "anna", policy=rules, version=2).verdict


def test_policy_with_votes_is_inconclusive_until_there_are_enough(store, listening):
    assert gate(store).outcome == "inconclusive"
    vote(store, listening, "anna", "candidate", 9)
    verdict = gate(store)
    assert verdict.decision.preference.n_candidate == 9
    assert verdict.decision.preference.outcome == "not_worse"


def test_preference_for_the_champion_makes_the_candidate_fail(store, listening):
    for listener in ("anna", "bob"):
        vote(store, listening, listener, "champion", 9)
    verdict = gate(store)
    assert verdict.outcome == "fail" and "listeners prefer the champion" in verdict.decision.reasons[0].text


def test_votes_of_names_that_nobody_vouches_for_do_not_count(store, listening):
    rules = policy(thresholds=[LENIENT], preference=WITH_VOTES.preference.model_dump() | {"listeners": ("anna",)})
    vote(store, listening, "anna", "champion", 9)
    for name in ("ghost1", "ghost2", "ghost3"):
        vote(store, listening, name, "candidate", 9)
    counted = gate(store, rules).decision.preference
    assert (counted.n_candidate, counted.n_champion, counted.n_listeners) == (0, 9, 1)
    assert gate(store).decision.preference.n_listeners == 4


def test_votes_after_a_verdict_make_it_stale_and_it_promotes_nothing(store, listening):
    vote(store, listening, "anna", "candidate", 9)
    candidate_id = gate(store).candidate.candidate_id
    assert current_verdict(store, "anna", candidate_id=candidate_id, policy=WITH_VOTES) is not None
    vote(store, listening, "bob", "champion", 9)
    assert current_verdict(store, "anna", candidate_id=candidate_id, policy=WITH_VOTES) is None
    with pytest.raises(ReleaseRefused, match="listeners have voted since"):
        promote(
            store,
            "anna",
            policy=WITH_VOTES,
            recordings_dir=recordings_of(store.root),
            smoke_texts={"en": "hello"},
            version=2,
            today=TODAY,
            smoke=lambda folder, text: None,
        )


def test_changed_votes_stop_the_gate_only_if_the_policy_uses_votes(store, listening):
    vote(store, listening, "anna", "champion", 3)
    with sqlite3.connect(store.sqlite_file) as connection:
        connection.execute("UPDATE voxfoundry_votes SET choice = 'candidate'")
    connection.close()
    with pytest.raises(ListeningError, match="vote journal is broken"):
        gate(store)
    assert gate(store, policy()).decision.preference is None
