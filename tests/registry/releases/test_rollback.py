"""Roll back: to the release before, or to any former champion."""

from __future__ import annotations

import pytest
from release_desk import LENIENT
from release_helpers import policy

from registry.gate.errors import CannotMeasure
from registry.releases.audit import audit
from registry.storage.store import mlflow_client


def test_rollback_goes_back_one_release_at_a_time_and_stops_at_the_first(desk):
    desk.release_three()
    assert desk.rollback().note == "version 2 is champion now; version 3 was champion before"
    desk.assert_champion(2)
    desk.rollback()
    desk.assert_champion(1)
    desk.assert_refused("version 1 is the first release of anna, so there is none to go back to", desk.rollback)
    assert [move[0] for move in desk.moves()] == ["promote"] * 6 + ["rollback"] * 4
    assert audit(desk.store, "anna") == ()


def test_rollback_to_a_named_version_goes_backwards_and_forwards(desk):
    desk.release_three()
    desk.rollback(to=1)
    desk.assert_champion(1)
    desk.rollback(to=3)
    desk.assert_champion(3)
    assert not desk.rollback(to=3).changed
    assert audit(desk.store, "anna") == ()


def test_rollback_to_a_version_that_never_was_champion_is_refused(desk):
    desk.release(1, 2)
    desk.assert_refused("version 3 of anna never was champion; those that were: 1, 2", lambda: desk.rollback(to=3))


def test_rollback_without_any_release_is_refused(desk):
    desk.assert_refused("anna has no champion to go back from", desk.rollback)


def test_rollback_to_a_deleted_version_is_refused_but_an_earlier_one_is_reached(desk):
    desk.release_three()
    mlflow_client(desk.store).delete_model_version("anna", "2")
    desk.assert_refused("anna has no version 2", desk.rollback)
    desk.assert_refused("anna has no version 2", lambda: desk.rollback(to=2))
    desk.rollback(to=1)
    desk.assert_champion(1)


def test_rollback_from_a_deleted_champion_works(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).delete_model_version("anna", "2")
    assert desk.alias() is None
    assert "version 2, the champion, is gone from MLflow" in desk.rollback().note
    desk.assert_champion(1)


def test_candidate_cannot_be_gated_against_a_deleted_champion(desk):
    desk.release(1)
    mlflow_client(desk.store).delete_model_version("anna", "1")
    with pytest.raises(CannotMeasure, match="the champion of anna, version 1, is gone"):
        desk.gate(2)


def test_release_that_was_rolled_back_is_not_promoted_again_on_its_old_verdict(desk):
    """A scheduled `vox run --promote` finds the verdict of the candidate still up to date after a rollback."""
    desk.release(1, 2)
    desk.rollback()
    given_again = desk.gate(2)  # equal to the one before, so it is that one
    message = "its verdict is older than its release, which was taken back since; .* with `vox rollback anna --to 2`"
    desk.assert_refused(message, lambda: desk.promote(2))
    desk.assert_refused(message, lambda: desk.promote(2, approvals=1))
    assert given_again.verdict.outcome == "pass"
    assert desk.rollback(to=2).changed
    desk.assert_champion(2)
    desk.rollback()
    desk.assert_refused(message, lambda: desk.promote(2))
    assert audit(desk.store, "anna") == ()


def test_release_that_was_rolled_back_is_promoted_on_a_newer_verdict(desk):
    desk.release(1, 2)
    desk.rollback()
    assert desk.gate(2, **LENIENT).verdict.outcome == "pass"  # a new policy asks for a new verdict
    assert desk.promote(2, policy=policy(**LENIENT)).changed
    desk.assert_champion(2)


def test_release_that_another_one_replaced_is_not_promoted_again_on_its_old_verdict(desk):
    """Version 1 replaced version 2 by a promotion, as a rollback would have done."""
    desk.release(1, 2)
    desk.gate(1, **LENIENT)
    assert desk.promote(1, policy=policy(**LENIENT)).changed
    desk.assert_refused("which was taken back since", lambda: desk.promote(2))
