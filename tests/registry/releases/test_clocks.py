"""Machines whose clocks differ: a change of keys keeps what was signed before, also by a machine ahead of time."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from key_helpers import make_signer

from flows.commands import keys
from registry.keys.changes import trust_key
from registry.keys.ed25519 import SigningError
from registry.keys.roles import ROLES
from registry.keys.signing import own_public_key
from registry.releases.approvals import approve
from registry.releases.audit import audit
from registry.releases.journal import champion
from registry.storage import records
from registry.storage.records import append_record, next_moment, read_records


class FastClock(datetime):
    """The clock of a machine that is two hours ahead."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(hours=2)


@pytest.fixture
def project(desk, monkeypatch):
    """Versions 1 and 2 were released with a trust file, and a machine two hours ahead registered something."""
    root = desk.store.root
    (root / "params.yaml").write_text("{}")
    monkeypatch.chdir(root)
    trust_key(root, "anna", own_public_key(root), ROLES)
    desk.release(1)
    with monkeypatch.context() as patched:
        patched.setattr(records, "datetime", FastClock)
        append_record(desk.store, "anna", "registration", {})
    desk.gate(2)
    assert desk.promote(2).changed
    return desk


def assert_in_service(desk, version):
    assert champion(desk.store, "anna").version == version
    assert not [line for line in audit(desk.store, "anna") if "no effect" in line]


def test_rotation_keeps_releases_that_are_ahead_of_the_clock_and_the_new_key_works_at_once(project, capsys):
    assert keys.rotate() == 0
    assert "is ahead of this machine's clock" in capsys.readouterr().err
    assert_in_service(project, 2)
    assert project.rollback().changed
    append_record(project.store, "bert", "registration", {})  # a voice whose own rows are not ahead
    assert_in_service(project, 1)


def test_other_roles_keep_what_was_signed_in_the_old_ones_and_hold_at_once(project, tmp_path_factory, monkeypatch):
    root = project.store.root
    rita = make_signer(tmp_path_factory.mktemp("keys"), "rita")
    keys.trust("rita", rita.public_key, roles=("engineer", "release_manager"), since=None)
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(rita.path))
    assert project.rollback().changed
    keys.trust("rita", rita.public_key, roles=("engineer",), since=None)
    assert_in_service(project, 1)
    with pytest.raises(SigningError, match="needs release_manager"):
        project.rollback(to=2)
    monkeypatch.delenv("VOXFOUNDRY_SIGNING_KEY")
    assert root.exists() and project.rollback(to=2).changed


def test_revoked_key_keeps_what_it_signed_and_signs_and_approves_nothing_more(project, tmp_path_factory, monkeypatch):
    rita = make_signer(tmp_path_factory.mktemp("keys"), "rita")
    keys.trust("rita", rita.public_key, roles=("engineer", "release_manager"), since=None)
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(rita.path))
    assert approve(project.store, "anna", version=2).approvers == ("rita",)
    assert project.rollback().changed
    monkeypatch.delenv("VOXFOUNDRY_SIGNING_KEY")
    assert keys.revoke("rita", since=None) == 0
    assert_in_service(project, 1)
    project.assert_refused("0 of 1 release managers have approved", lambda: project.promote(2, approvals=1))
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(rita.path))
    for voice in ("anna", "bert"):
        with pytest.raises(SigningError, match="which was revoked on"):
            append_record(project.store, voice, "registration", {})


def test_rows_of_all_voices_are_later_than_every_row_before_them(project):
    newest = read_records(project.store, "anna").rows[-1].utc
    other = append_record(project.store, "bert", "registration", {})
    assert other.utc > newest
    assert append_record(project.store, "anna", "registration", {}).utc > other.utc
    assert next_moment(project.store) > datetime.now(UTC) + timedelta(hours=1)


def test_end_of_a_journal_that_nobody_signed_does_not_date_other_rows(project):
    append_record(project.store, "bert", "registration", {})
    with sqlite3.connect(project.store.sqlite_file) as connection:
        late = "9999-12-31T23:59:59.999+00:00"
        connection.execute("UPDATE voxfoundry_heads SET utc = ? WHERE voice = 'bert'", (late,))
    connection.close()
    assert append_record(project.store, "anna", "registration", {}).utc < "9000"
    assert next_moment(project.store).year < 9000
