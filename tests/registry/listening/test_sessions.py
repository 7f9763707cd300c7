"""Votes: for these bytes alone, once each, never changed, none lost."""

from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listening_helpers import N_PROMPTS, copied, make_release
from pydantic import ValidationError

from registry.candidates.fingerprint import CandidateError
from registry.listening.sessions import (
    DEFECTS,
    Ballot,
    ListeningError,
    cast,
    checked_listener,
    draw_trial,
    finish,
    open_listening,
    preference_votes,
    read_votes,
)
from registry.releases.audit import audit
from registry.storage.store import open_store

A_IS_BETTER = Ballot(choice="a")


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """A champion and a candidate on which nobody has voted."""
    root = tmp_path_factory.mktemp("released")
    make_release(root)
    return root


@pytest.fixture
def store(released, tmp_path):
    """That store's database in a project of the test's own; the artifacts stay where they are."""
    return copied(released, tmp_path)


@pytest.fixture
def listening(store):
    return open_listening(store, "anna", 2)


def votes_of(store, listening):
    return read_votes(store, listening.candidate.candidate_id, listening.champion.candidate_id)


def vote_for(store, listening, listener, side="candidate", salt="salt", **heard):
    """The listener's next vote, for a side by its true name; None where nothing is left."""
    trial = draw_trial(listening, votes_of(store, listening), listener, salt)
    if trial is None:
        return None
    other = {"a": "b", "b": "a"}[trial.candidate_side]
    letter = {"candidate": trial.candidate_side, "champion": other}
    choice = letter.get(side, "no_difference")
    cast(store, listening, trial, Ballot(choice=choice, **{letter[name]: what for name, what in heard.items()}))
    return trial


def edit(store, statement):
    with sqlite3.connect(store.sqlite_file) as connection:
        assert connection.execute(statement).rowcount
    connection.close()


def test_what_both_sides_spoke_can_be_heard_and_the_rest_is_counted(listening):
    assert len(listening.utterances) == N_PROMPTS - 1 and listening.n_left_out == 1
    assert (listening.candidate.version, listening.champion.version) == (2, 1)
    for utterance in listening.utterances.values():
        assert utterance.candidate.read_bytes() != utterance.champion.read_bytes()


def test_votes_are_counted_for_the_true_side_whichever_letter_it_had(store, listening):
    sides = [vote_for(store, listening, "anna", "candidate").candidate_side for _ in range(6)]
    assert set(sides) == {"a", "b"}  # else the test would not show what it says
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


def test_each_utterance_is_asked_once_in_another_order_for_another_listener(store, listening):
    orders = []
    for listener in ("anna", "bob"):
        keys = []
        while trial := vote_for(store, listening, listener):
            keys.append(trial.key)
        assert sorted(keys) == sorted(listening.utterances)
        orders.append(keys)
    assert orders[0] != orders[1]


def test_a_second_vote_on_an_utterance_is_refused_and_the_first_stands(store, listening):
    trial = draw_trial(listening, votes_of(store, listening), "anna", "salt")
    cast(store, listening, trial, A_IS_BETTER)
    with pytest.raises(ListeningError, match="first vote stands"):
        cast(store, listening, trial, Ballot(choice="b"))
    assert [row["choice"] for row in votes_of(store, listening).rows] == [
        "candidate" if trial.candidate_side == "a" else "champion"
    ]


def test_whoever_saw_the_result_votes_no_more_and_others_do(store, listening):
    vote_for(store, listening, "anna")
    finish(store, listening, "anna")
    finish(store, listening, "anna")
    with pytest.raises(ListeningError, match="the result was shown"):
        vote_for(store, listening, "anna")
    vote_for(store, listening, "bob")
    votes = votes_of(store, listening)
    assert votes.finished == {"anna"} and len(votes.rows) == 2


def test_votes_on_other_bytes_never_count(store, listening):
    vote_for(store, listening, "anna")
    ids = listening.candidate.candidate_id, listening.champion.candidate_id
    assert preference_votes(store, *ids).n_votes == 1
    for other in ((ids[1], ids[0]), (ids[0], "f" * 64), ("f" * 64, ids[1])):
        assert preference_votes(store, *other).n_votes == 0


def test_the_sides_follow_from_the_salt_in_the_row(store, listening):
    for _ in range(4):
        vote_for(store, listening, "anna", salt="one salt")
    assert [row["n"] for row in votes_of(store, listening).rows] == [0, 1, 2, 3]
    assert {row["salt"] for row in votes_of(store, listening).rows} == {"one salt"}


def test_a_vote_whose_sides_were_not_drawn_stops_the_count(store, listening):
    trial = draw_trial(listening, votes_of(store, listening), "anna", "salt")
    chosen = {"a": "b", "b": "a"}[trial.candidate_side]
    cast(store, listening, type(trial)(trial.listener, trial.key, trial.n, trial.salt, chosen), A_IS_BETTER)
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
def test_a_changed_or_deleted_vote_stops_the_count_and_the_audit(store, listening, statement):
    for _ in range(3):
        vote_for(store, listening, "anna", "champion")
    assert audit(store, "anna") == ()
    edit(store, statement)
    with pytest.raises(ListeningError, match=r"vote journal is broken at row"):
        votes_of(store, listening)
    assert any("vote journal is broken" in fault for fault in audit(store, "anna"))


def test_after_votes_were_cut_off_no_other_is_taken(store, listening):
    for _ in range(2):
        vote_for(store, listening, "anna")
    trial = draw_trial(listening, votes_of(store, listening), "anna", "salt")
    edit(store, "DELETE FROM voxfoundry_votes WHERE number = 2")
    with pytest.raises(ListeningError, match="before any vote"):
        cast(store, listening, trial, A_IS_BETTER)


def test_a_row_of_the_release_journal_is_no_vote(store, listening):
    vote_for(store, listening, "anna")
    edit(store, "UPDATE voxfoundry_votes_head SET signature = (SELECT signature FROM voxfoundry_journal_head)")
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


def test_one_listener_on_two_pages_at_once_has_one_vote_an_utterance(store, listening):
    trial = draw_trial(listening, votes_of(store, listening), "anna", "salt")

    def once(choice):
        try:
            cast(store, listening, trial, Ballot(choice=choice))
        except ListeningError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(once, ["a", "b", "a", "b"])) == [False, False, False, True]
    assert len(votes_of(store, listening).rows) == 1


def test_the_champion_against_itself_and_a_voice_without_champion_are_refused(store, tmp_path):
    with pytest.raises(ListeningError, match="is the champion itself"):
        open_listening(store, "anna", 1)
    with pytest.raises(ListeningError, match="has no champion"):
        open_listening(open_store(tmp_path / "empty"), "anna")


def test_audio_that_is_not_what_was_scored_is_not_played(released, store, listening):
    (path,) = (released / "mlartifacts" / listening.candidate.run_id).rglob("p000_0.flac")
    scored = path.read_bytes()
    try:
        path.write_bytes(b"other")
        with pytest.raises(CandidateError, match=r"p000_0\.flac is not the audio that was scored"):
            open_listening(store, "anna", 2)
    finally:
        path.write_bytes(scored)


@pytest.mark.parametrize("name", ["anna", "Anna_2", " bob ", "x" * 32, "7"])
def test_names_are_stored_in_small_letters(name):
    assert checked_listener(name) == name.strip().lower()


@pytest.mark.parametrize("name", ["", "a b", "anna@example.org", "../x", "x" * 33, "-a", "é", "a\nb", "a\x00b", "<b>"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="no address is needed"):
        checked_listener(name)


@given(st.text(max_size=400))
def test_what_else_is_wrong_is_one_line_that_can_be_shown_or_is_refused(text):
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
def test_a_ballot_of_another_form_is_refused(wrong):
    with pytest.raises(ValidationError):
        Ballot.model_validate(wrong)


def test_every_failure_of_speech_can_be_named_and_other():
    from metrics.failures import FAILURES

    assert set(FAILURES) < set(DEFECTS) and "other" in DEFECTS


def vote_on_all(store, listening, listener):
    """In a process of its own."""
    while vote_for(store, listening, listener):
        pass
