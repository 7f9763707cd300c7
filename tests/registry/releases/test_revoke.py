"""Revoke: a voice without consent goes out of service, whatever else fails, and stays out of it."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import date, timedelta

import pytest
from release_desk import Desk
from release_helpers import TODAY, kill_self, killed, recordings_of

from registry.consent.file import load_voice
from registry.consent.record import ConsentError
from registry.releases import alias as alias_module
from registry.releases import promotion
from registry.releases.alias import ReleaseRefused
from registry.releases.audit import audit
from registry.releases.journal import champion, history
from registry.releases.promotion import recover
from registry.releases.service import find_servable
from registry.storage import anchor as anchor_module
from registry.storage.record import JournalError
from registry.storage.store import open_store

TOMORROW = TODAY + timedelta(days=1)


def test_revoked_voice_is_out_of_service_and_no_release_before_it_can_be_gone_back_to(desk):
    desk.release(1, 2)
    moved = desk.revoke()
    assert moved.changed and moved.note == "out of service; version 2 was champion before"
    desk.assert_champion(None)
    assert desk.moves()[-2:] == [("revoke", "started", 2, None), ("revoke", "done", 2, None)]
    desk.assert_refused(
        "the consent of anna was revoked on 2026-06-01, so there is no release to go back", desk.rollback
    )
    desk.assert_refused(
        "version 1 of anna never was champion since the consent was revoked", lambda: desk.rollback(to=1)
    )
    desk.assert_refused("revoked the consent", lambda: desk.promote(1, first_release=True))
    assert audit(desk.store, "anna", recordings_dir=desk.recordings, today=TODAY) == ()


def test_record_that_is_put_back_does_not_bring_the_voice_back(desk):
    """H3: `git checkout voice.yaml`, and a second project folder with the same registry."""
    desk.release(1, 2)
    desk.revoke()
    recordings_of(desk.store.root)  # as before the revocation
    for folder in (desk.recordings, recordings_of(desk.store.root / "second")):
        other = Desk(desk.store, folder, [])
        for call in (other.rollback, lambda other=other: other.rollback(to=1)):
            other.assert_refused("revoked on 2026-06-01", call)
        other.assert_refused("is one that was revoked", lambda other=other: other.promote(1, first_release=True))
        for version in (None, 1):
            with pytest.raises(ReleaseRefused, match="is one that was revoked on 2026-06-01; ask the speaker"):
                find_servable(desk.store, "anna", version=version, recordings_dir=folder, today=TODAY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speaker": "another program"}, "was granted on 2026-01-01, before the consent was revoked"),
        ({"granted_on": date(2026, 5, 31)}, "was granted on 2026-05-31, before the consent was revoked"),
        ({"speaker": "somebody", "granted_on": TODAY}, None),
        ({"granted_on": TOMORROW}, None),
    ],
)
def test_only_a_consent_from_after_the_revocation_allows_a_release(desk, changes, message):
    desk.release(1, 2)
    desk.revoke()
    recordings_of(desk.store.root, **changes)
    desk.gate(1, first_release=True)
    if message:
        desk.assert_refused(message, lambda: desk.promote(1, first_release=True))
        return
    assert desk.promote(1, first_release=True, today=TOMORROW).changed
    desk.assert_champion(1)
    desk.assert_refused("version 2 of anna never was champion since the consent", lambda: desk.rollback(to=2))
    assert history(desk.store, "anna")[-1].consent_sha256 != history(desk.store, "anna")[0].consent_sha256
    assert audit(desk.store, "anna", recordings_dir=desk.recordings, today=TOMORROW) == ()


def test_revoking_a_voice_that_was_never_released_binds_all_the_same(desk):
    moved = desk.revoke()
    assert moved.changed and moved.note == "no version was in service"
    assert desk.moves() == [("revoke", "started", None, None), ("revoke", "done", None, None)]
    recordings_of(desk.store.root)
    desk.gate(1, first_release=True)
    desk.assert_refused("is one that was revoked", lambda: desk.promote(1, first_release=True))


def test_revoking_again_writes_no_more_rows_but_finishes_what_is_left(desk):
    desk.release(1)
    desk.revoke()
    before = desk.moves()
    recordings_of(desk.store.root)
    moved = desk.revoke()
    assert not moved.changed and moved.note == "the consent was revoked before"
    assert desk.moves() == before and load_voice(desk.recordings).consent.revoked_on == TODAY


@pytest.mark.parametrize("name", ["sample/", "../anna", "", "a b", "x" * 65])
def test_name_that_cannot_be_one_is_refused_before_anything_is_written(desk, name):
    """H4: `vox voice revoke sample/` wrote voice.yaml and then failed on the name."""
    desk.release(1)
    with pytest.raises(ValueError, match="cannot be a voice's name"):
        promotion.revoke(desk.store, name, recordings_dir=desk.recordings, today=TODAY)
    assert load_voice(desk.recordings).consent.revoked_on is None and desk.alias() == 1


def test_folder_of_another_voice_is_refused_before_anything_is_written(desk):
    desk.release(1)
    other = recordings_of(desk.store.root, "bob")
    with pytest.raises(ReleaseRefused, match="is the folder of bob, not of anna"):
        promotion.revoke(desk.store, "anna", recordings_dir=other, today=TODAY)
    assert load_voice(other).consent.revoked_on is None
    desk.assert_champion(1)


def test_voice_goes_out_of_service_even_if_its_record_is_missing(desk):
    desk.release(1)
    (desk.recordings / "voice.yaml").unlink()
    with pytest.raises(ConsentError, match="is missing"):
        desk.revoke()
    desk.assert_champion(None)
    recordings_of(desk.store.root)  # with the consent of the release
    desk.assert_refused("is one that was revoked", lambda: desk.promote(1, first_release=True))


def test_voice_goes_out_of_service_even_if_its_record_cannot_be_written(desk, monkeypatch):
    """H4: recordings that are read-only, or a full disk."""
    desk.release(1)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(promotion, "revoke_consent", fail)
        with pytest.raises(ConsentError, match=r"out of service, but voice.yaml could not be changed \(No space left"):
            desk.revoke()
    desk.assert_champion(None)
    assert audit(desk.store, "anna") == ()
    desk.revoke()
    assert load_voice(desk.recordings).consent.revoked_on == TODAY


def test_voice_goes_out_of_service_even_if_the_anchor_cannot_be_written(desk, monkeypatch):
    desk.release(1)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(anchor_module, "replace_file", fail)
        with pytest.raises(JournalError, match="anchor"):
            desk.revoke()
    desk.assert_champion(None)
    assert load_voice(desk.recordings).consent.revoked_on == TODAY
    assert audit(desk.store, "anna") == ()


def test_voice_goes_out_of_service_even_if_the_journal_is_broken(desk):
    desk.release(1)
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        connection.execute("UPDATE voxfoundry_records SET content = '{}' WHERE number = 6")
    connection.close()
    with pytest.raises(JournalError, match="the revocation is not in the journal of anna, so revoke again"):
        desk.revoke()
    assert desk.alias() is None and load_voice(desk.recordings).consent.revoked_on == TODAY


@pytest.mark.parametrize("step", ["append_end", "revoke_consent", "place_alias"])
def test_revocation_killed_anywhere_is_in_force_and_finished_by_the_next_command(desk, cold_desk, monkeypatch, step):
    """H4: killed between voice.yaml and the alias, the voice stayed live and the audit said whole."""
    desk.release(1)
    cold = cold_desk(desk)
    with monkeypatch.context() as patched:
        patched.setattr(promotion, step, kill_self)
        killed(cold.revoke)
    assert champion(cold.store, "anna") is None
    shutil.copy(desk.recordings / "voice.yaml", cold.recordings / "voice.yaml")
    with pytest.raises(ReleaseRefused, match="revoked"):
        find_servable(cold.store, "anna", recordings_dir=cold.recordings, today=TODAY)
    assert recover(cold.store, "anna").notes == ("finished the revocation of row 7",)
    cold.assert_champion(None)
    assert audit(cold.store, "anna") == ()
    cold.revoke()
    assert load_voice(cold.recordings).consent.revoked_on == TODAY


def test_alias_that_mlflow_does_not_remove_keeps_the_voice_revoked_until_it_does(desk, monkeypatch):
    desk.release(1)
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "delete_alias", lambda *_: None)
        for call in (desk.revoke, desk.revoke, desk.rollback):
            with pytest.raises(JournalError, match="revoke"):
                call()
    assert champion(desk.store, "anna") is None
    recover(desk.store, "anna")
    desk.assert_champion(None)
    assert open_store(desk.store.root) == desk.store
