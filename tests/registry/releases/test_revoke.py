"""Revoke: a voice without consent goes out of service, whatever else fails."""

from __future__ import annotations

import pytest
from release_helpers import recordings_of

from registry.consent.record import ConsentError
from registry.releases.audit import audit


def test_revoked_voice_is_out_of_service_until_there_is_a_new_consent(desk):
    desk.release(1, 2)
    moved = desk.revoke()
    assert moved.changed and moved.note == "out of service; version 2 was champion before"
    desk.assert_champion(None)
    desk.assert_refused("revoked the consent", lambda: desk.rollback(to=1))
    recordings_of(desk.store.root)
    desk.assert_refused("no champion to go back from", desk.rollback)
    desk.rollback(to=1)
    desk.assert_champion(1)
    assert audit(desk.store, "anna") == ()


def test_revoking_a_voice_that_was_never_released_moves_nothing(desk):
    moved = desk.revoke()
    assert not moved.changed and moved.note == "no version was in service"
    assert desk.moves() == []


def test_voice_goes_out_of_service_even_if_its_record_cannot_be_written(desk):
    desk.release(1)
    (desk.recordings / "voice.yaml").unlink()
    with pytest.raises(ConsentError, match="is missing"):
        desk.revoke()
    desk.assert_champion(None)
