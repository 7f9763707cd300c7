"""Trials: what can be compared, and which question comes next."""

from __future__ import annotations

import pytest
from listening_helpers import N_PROMPTS, vote_for, votes_of
from release_helpers import LINEAGE

from registry.candidates.fingerprint import CandidateError
from registry.candidates.registration import register_candidate
from registry.listening.trials import ListeningError, draw_trial, open_listening
from registry.storage.store import mlflow_client, open_store


def test_utterances_of_both_sides_can_be_heard_and_the_others_are_counted(listening):
    assert len(listening.utterances) == N_PROMPTS - 1 and listening.n_left_out == 1
    assert (listening.candidate.version, listening.champion.version) == (2, 1)
    for utterance in listening.utterances.values():
        assert utterance.candidate.read_bytes() != utterance.champion.read_bytes()


def test_each_listener_gets_every_utterance_once_in_an_order_of_their_own(store, listening):
    orders = []
    for listener in ("anna", "bob"):
        keys = []
        while trial := vote_for(store, listening, listener):
            keys.append(trial.key)
        assert sorted(keys) == sorted(listening.utterances)
        orders.append(keys)
    assert orders[0] != orders[1]


def test_a_trial_drawn_again_is_the_same_trial(store, listening):
    voted = votes_of(store, listening).keys_of("anna")
    first, second = (draw_trial(listening, "anna", voted=voted, salt="salt") for _ in range(2))
    assert first == second and first.id == second.id


def test_champion_against_itself_and_a_voice_without_champion_are_refused(store, tmp_path):
    with pytest.raises(ListeningError, match="is the champion itself"):
        open_listening(store, "anna", 1)
    with pytest.raises(ListeningError, match="has no champion"):
        open_listening(open_store(tmp_path / "empty"), "anna")


def test_a_champion_that_was_lost_is_named_and_heard_again_once_it_is_registered_again(store, released):
    before = open_listening(store, "anna", 2)
    mlflow_client(store).delete_model_version("anna", "1")
    with pytest.raises(ListeningError, match="version 1, is gone from MLflow; register it again with `vox run anna`"):
        open_listening(store, "anna", 2)
    build = released / "build_1"
    register_candidate(
        store, "anna", voice_folder=build / "voice", scorecard_path=build / "scorecard.json", lineage=LINEAGE
    )
    again = open_listening(store, "anna", 2)
    assert (again.candidate.version, again.champion.version) == (2, 3)
    assert again.champion.candidate_id == before.champion.candidate_id
    assert again.utterances.keys() == before.utterances.keys()
    assert vote_for(store, again, "anna") and votes_of(store, before).counts().n_votes == 1
    with pytest.raises(ListeningError, match="version 3 of anna is the champion itself"):
        open_listening(store, "anna")


def test_audio_that_is_not_what_was_scored_is_not_played(store, listening):
    (path,) = (store.root / "mlartifacts" / listening.candidate.run_id).rglob("p000_0.flac")
    path.write_bytes(b"other")
    with pytest.raises(CandidateError, match=r"p000_0\.flac is not the audio that was scored"):
        open_listening(store, "anna", 2)
