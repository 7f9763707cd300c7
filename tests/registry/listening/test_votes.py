"""Votes: they count for these bytes alone, once each, and none is changed or lost."""

from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listening_helpers import vote_for, vote_on_all, votes_of
from pydantic import ValidationError

from metrics.failures import FAILURES
from registry.listening.trials import ListeningError, draw_trial
from registry.listening.votes import (
    DEFECTS,
    Ballot,
    cast_vote,
    check_listener_name,
    finish_voting,
    preference_votes,
)
from registry.releases.audit import audit

A_IS_BETTER = Ballot(choice="a")


def first_trial(store, listening):
    """Draw Anna's next trial without voting on it."""
    return draw_trial(listening, "anna", voted=votes_of(store, listening).keys_of("anna"), salt="salt")


def edit(store, statement):
    with sqlite3.connect(store.sqlite_file) as connection:
        assert connection.execute(statement).rowcount
    connection.close()


def test_votes_are_counted_for_the_true_side_whichever_letter_it_had(store, listening):
    sides = [vote_for(store, listening, "anna", "candidate").candidate_side for _ in range(6)]
    assert set(sides) == {"a", "b"}  # else the test would prove nothing
    vote_for(store, listening, "bob", "champion")
    vote_for(store, listening, "bob", "no_difference")
    counts = preference_votes(store, listening.candidate.candidate_id, listening.champion.candidate_id)
    assert (counts.n_candidate, counts.n_champion, counts.n_ties, counts.n_listeners) == (6, 1, 1, 2)


def test_defects_are_counted_for_the_true_side(store, listening):
    for _ in range(5):
        vote_for(
            store,
            listening,
            "anna",
            candidate={"defects": ["cut_off"]},
            champion={"defects": ["other"], "other": "hum"},
        )
    votes = votes_of(store, listening)
    assert votes.defects() == {"cut_off": (5, 0), "other": (0, 5)}
    assert {row["champion_other"] for row in votes.rows} == {"hum"}


def test_second_vote_on_an_utterance_is_refused_and_the_first_stands(store, listening):
    trial = first_trial(store, listening)
    cast_vote(store, listening, trial, A_IS_BETTER)
    with pytest.raises(ListeningError, match="first vote stands"):
        cast_vote(store, listening, trial, Ballot(choice="b"))
    assert [row["choice"] for row in votes_of(store, listening).rows] == [
        "candidate" if trial.candidate_side == "a" else "champion"
    ]


def test_listener_who_saw_the_result_cannot_vote_any_more_but_others_can(store, listening):
    vote_for(store, listening, "anna")
    finish_voting(store, listening, "anna")
    finish_voting(store, listening, "anna")
    with pytest.raises(ListeningError, match="the result was shown"):
        vote_for(store, listening, "anna")
    vote_for(store, listening, "bob")
    votes = votes_of(store, listening)
    assert votes.finished_listeners == {"anna"} and len(votes.rows) == 2


def test_votes_on_other_bytes_never_count(store, listening):
    vote_for(store, listening, "anna")
    ids = listening.candidate.candidate_id, listening.champion.candidate_id
    assert preference_votes(store, *ids).n_votes == 1
    for other in ((ids[1], ids[0]), (ids[0], "f" * 64), ("f" * 64, ids[1])):
        assert preference_votes(store, *other).n_votes == 0


def test_sides_follow_from_the_salt_in_the_row(store, listening):
    for _ in range(4):
        vote_for(store, listening, "anna", salt="one salt")
    assert [row["n"] for row in votes_of(store, listening).rows] == [0, 1, 2, 3]
    assert {row["salt"] for row in votes_of(store, listening).rows} == {"one salt"}


def test_vote_whose_sides_were_not_drawn_stops_the_count(store, listening):
    trial = first_trial(store, listening)
    chosen = {"a": "b", "b": "a"}[trial.candidate_side]
    cast_vote(store, listening, replace(trial, candidate_side=chosen), A_IS_BETTER)
    with pytest.raises(ListeningError, match="sides were not drawn"):
        votes_of(store, listening)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE voxfoundry_votes SET choice = 'candidate' WHERE number = 2",
        "UPDATE voxfoundry_votes SET listener = 'eve' WHERE number = 1",
        "UPDATE voxfoundry_votes SET candidate_id = 'x' WHERE number = 2",
        "DELETE FROM voxfoundry_votes WHERE number = 2",
        "DELETE FROM voxfoundry_votes WHERE number = 3",
        "DELETE FROM voxfoundry_votes",
        "DELETE FROM voxfoundry_votes_head",
    ],
)
def test_changed_or_deleted_vote_stops_the_count_and_is_found_by_the_audit(store, listening, statement):
    for _ in range(3):
        vote_for(store, listening, "anna", "champion")
    assert audit(store, "anna") == ()
    edit(store, statement)
    with pytest.raises(ListeningError, match=r"vote journal is broken at row"):
        votes_of(store, listening)
    assert any("vote journal is broken" in fault for fault in audit(store, "anna"))


def test_no_vote_is_taken_after_the_newest_votes_were_cut_off(store, listening):
    for _ in range(2):
        vote_for(store, listening, "anna")
    trial = first_trial(store, listening)
    edit(store, "DELETE FROM voxfoundry_votes WHERE number = 2")
    with pytest.raises(ListeningError, match="before any vote"):
        cast_vote(store, listening, trial, A_IS_BETTER)


def test_signature_of_the_release_journal_does_not_count_for_votes(store, listening):
    vote_for(store, listening, "anna")
    edit(store, "UPDATE voxfoundry_votes_head SET signature = (SELECT signature FROM voxfoundry_heads)")
    with pytest.raises(ListeningError, match="not genuine"):
        votes_of(store, listening)


def test_many_listeners_at_once_lose_no_vote(store, listening):
    names = [f"listener{i}" for i in range(6)]

    def listen(name):
        while vote_for(store, listening, name, "no_difference"):
            pass

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(listen, names))
    counts = votes_of(store, listening).counts()
    assert (counts.n_votes, counts.n_listeners) == (len(names) * len(listening.utterances), len(names))


def test_two_processes_at_once_lose_no_vote(store, listening):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=vote_on_all, args=(store, listening, name)) for name in ("anna", "bob")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    counts = votes_of(store, listening).counts()
    assert (counts.n_candidate, counts.n_listeners) == (2 * len(listening.utterances), 2)


def test_one_listener_on_two_pages_at_once_has_one_vote_per_utterance(store, listening):
    trial = first_trial(store, listening)

    def vote(choice):
        try:
            cast_vote(store, listening, trial, Ballot(choice=choice))
        except ListeningError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(vote, ["a", "b", "a", "b"])) == [False, False, False, True]
    assert len(votes_of(store, listening).rows) == 1


@pytest.mark.parametrize("name", ["anna", "Anna_2", " bob ", "x" * 32, "7"])
def test_listener_names_are_stored_in_lower_case(name):
    assert check_listener_name(name) == name.strip().lower()


@pytest.mark.parametrize("name", ["", "a b", "anna@example.org", "../x", "x" * 33, "-a", "é", "a\nb", "a\x00b", "<b>"])
def test_what_cannot_be_a_listener_name_is_refused(name):
    with pytest.raises(ValueError, match="no address is needed"):
        check_listener_name(name)


@given(st.text(max_size=400))
def test_description_of_another_defect_becomes_one_printable_line_or_is_refused(text):
    try:
        ballot = Ballot(choice="a", a={"defects": ["other"], "other": text})
    except ValidationError:
        assert len(text) > 300 or not " ".join(text.split()).isprintable()
    else:
        assert ballot.a.other.isprintable()


@pytest.mark.parametrize(
    "wrong",
    [
        {"choice": "candidate"},
        {"choice": "a", "a": {"defects": ["ugly"]}},
        {"choice": "a", "a": {"defects": ["empty", "empty"]}},
        {"choice": "a", "b": {"other": "hum"}},
        {"choice": "a", "c": {}},
        {},
    ],
)
def test_malformed_ballot_is_refused(wrong):
    with pytest.raises(ValidationError):
        Ballot.model_validate(wrong)


def test_every_failure_of_speech_and_other_can_be_named_as_a_defect():
    assert set(FAILURES) < set(DEFECTS) and "other" in DEFECTS
