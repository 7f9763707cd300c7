"""Edits of the trust file: each ends entries and adds others, and what was signed rightly stays valid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from key_helpers import make_signer

from registry.keys import changes
from registry.keys.changes import create_key, read_public_key, revoke_keys, rotate_own_key, trust_key
from registry.keys.ed25519 import SigningError, public_pem
from registry.keys.roles import ROLES
from registry.keys.signing import own_public_key, sign
from registry.keys.trust import TRUST_FILE, load_trust


@pytest.fixture
def root(tmp_path):
    """A project whose own key is trusted as anna in every role."""
    sign(tmp_path, "before the trust file")
    trust_key(tmp_path, "anna", own_public_key(tmp_path), ROLES)
    return tmp_path


@pytest.fixture
def ben(tmp_path_factory):
    return make_signer(tmp_path_factory.mktemp("ben"), "ben")


def test_first_trusted_key_is_the_own_one_and_keeps_what_it_signed_before(tmp_path, ben):
    signature = sign(tmp_path, "text")
    with pytest.raises(SigningError, match="the first key must be this machine's own"):
        trust_key(tmp_path, "ben", ben.public_key, ("engineer",))
    assert not (tmp_path / TRUST_FILE).exists()
    trust_key(tmp_path, "anna", own_public_key(tmp_path), ("engineer",))
    trust = load_trust(tmp_path)
    assert trust.why_not_valid("text", signature, role="release_manager", utc="2020-01-01") is None
    assert "not release_manager" in trust.why_not_valid("text", signature, role="release_manager")


def test_trusted_key_counts_from_now_on_and_not_before(root, ben):
    trust_key(root, "ben", ben.public_key, ("engineer",))
    trust = load_trust(root)
    assert trust.why_not_valid("text", ben.sign("text"), role="engineer") is None
    assert "trusted from" in trust.why_not_valid("text", ben.sign("text"), utc="2020-01-01")


def test_other_roles_replace_the_old_ones_from_now_on(root, ben):
    trust_key(root, "ben", ben.public_key, ("release_manager",), since=datetime(2026, 1, 1, tzinfo=UTC))
    trust_key(root, "ben", ben.public_key, ("engineer",))
    trust, signature = load_trust(root), ben.sign("promote")
    assert trust.why_not_valid("promote", signature, role="release_manager", utc="2026-01-02") is None
    assert "not release_manager" in trust.why_not_valid("promote", signature, role="release_manager")
    assert "already" in trust_key(root, "ben", ben.public_key, ("engineer",))
    assert len(load_trust(root).entries) == 3


def test_key_of_one_person_cannot_be_trusted_as_another(root, ben):
    trust_key(root, "ben", ben.public_key, ("engineer",))
    before = (root / TRUST_FILE).read_text()
    with pytest.raises(SigningError, match="several holders: ben, carl"):
        trust_key(root, "carl", ben.public_key, ("release_manager",))
    assert (root / TRUST_FILE).read_text() == before


def test_comments_of_people_and_the_mode_survive_an_edit(root, ben):
    file = root / TRUST_FILE
    file.write_text(file.read_text().replace("  - name: anna", "  # the founder\n  - name: anna"))
    trust_key(root, "ben", ben.public_key, ("engineer",))
    assert "# the founder" in file.read_text()
    assert file.read_text().startswith("# Whose signatures count")
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in root.iterdir() if path.name.startswith(".trusted")] == []


def test_revocation_ends_every_key_of_the_name(root, ben):
    second = make_signer(root, "ben_laptop")
    for key in (ben.public_key, second.public_key):
        trust_key(root, "ben", key, ("engineer",))
    assert {entry.public_key for entry in revoke_keys(root, "ben")} == {ben.public_key, second.public_key}
    assert "revoked on" in load_trust(root).why_not_valid("text", ben.sign("text"))
    with pytest.raises(SigningError, match="revoked already"):
        revoke_keys(root, "ben")


def test_stolen_key_is_revoked_from_the_moment_of_the_theft(root, ben):
    trust_key(root, "ben", ben.public_key, ("engineer",), since=datetime(2026, 1, 1, tzinfo=UTC))
    revoke_keys(root, "ben")
    revoke_keys(root, ben.public_key[:8].upper(), since=datetime(2026, 2, 1, tzinfo=UTC))  # found out later
    trust, signature = load_trust(root), ben.sign("text")
    assert trust.why_not_valid("text", signature, utc="2026-01-31T23:59:59Z") is None
    assert "revoked on 2026-02-01" in trust.why_not_valid("text", signature, utc="2026-02-01")


def test_theft_before_the_key_was_trusted_leaves_nothing_valid(root, ben):
    trust_key(root, "ben", ben.public_key, ("engineer",), since=datetime(2026, 3, 1, tzinfo=UTC))
    revoke_keys(root, "ben", since=datetime(2026, 2, 1, tzinfo=UTC))
    for moment in ("2026-02-02", "2026-03-01", "2026-03-02"):
        assert load_trust(root).why_not_valid("text", ben.sign("text"), utc=moment) is not None


PEOPLE = {"ben": "11" * 32, "carl": "22" * 32, "dora": "33" * 32}
EDITS = st.tuples(st.sampled_from(sorted(PEOPLE)), st.sets(st.sampled_from(ROLES)), st.integers(0, 3))


@settings(max_examples=25, deadline=None)
@given(st.lists(EDITS, max_size=8))
def test_no_edit_changes_what_was_right_before_the_moment_it_names(tmp_path_factory, edits):
    """An edit trusts somebody in roles, or revokes for no roles, from a moment that may lie days back."""
    root = tmp_path_factory.mktemp("project")
    trust_key(root, "anna", read_public_key(None, root), ROLES)
    for day, (name, roles, days_back) in enumerate(edits, start=1):
        now = datetime(2026, 1, 10, tzinfo=UTC) + timedelta(days=day)
        since = now - timedelta(days=0 if roles else days_back)
        before = load_trust(root)
        try:
            if roles:
                trust_key(root, name, PEOPLE[name], tuple(sorted(roles)), since=since)
            else:
                revoke_keys(root, name, since=since)
        except SigningError:
            assert load_trust(root) == before
        after = load_trust(root)
        for moment in (since - timedelta(milliseconds=1), datetime(2026, 1, 1, tzinfo=UTC)):
            for key in PEOPLE.values():
                assert after.roles_of(key, moment) == before.roles_of(key, moment)
            assert after.digest_until(moment) == before.digest_until(moment)
        if not roles:
            assert after.roles_of(PEOPLE[name], now) == ()


def test_last_key_cannot_be_revoked_and_a_stranger_is_named(root):
    with pytest.raises(SigningError, match="anna holds the last trusted key"):
        revoke_keys(root, "anna")
    with pytest.raises(SigningError, match=r"no trusted key belongs to 'nobody'.*names anna"):
        revoke_keys(root, "nobody")
    assert sign(root, "text")


def test_rotation_keeps_roles_and_old_signatures(root):
    old = sign(root, "text", role="release_manager")
    rotate_own_key(root)
    new = sign(root, "text", role="release_manager")
    trust, before = load_trust(root), datetime.now(UTC) - timedelta(minutes=1)
    assert new.public_key != old.public_key
    assert trust.why_not_valid("text", old, role="release_manager", utc=before) is None
    assert "revoked" in trust.why_not_valid("text", old)
    assert [entry.name for entry in trust.entries] == ["anna", "anna"]
    assert [path.name for path in (root / ".vox/keys").iterdir()] == ["signing.pem"]


@pytest.mark.parametrize("killed_in", ["_replace", "replace"])
def test_killed_rotation_is_finished_by_the_next_one(root, monkeypatch, killed_in):
    """Before the trust file changes, and between that and the new key's place."""

    def die(*_args):
        raise KeyboardInterrupt

    old = own_public_key(root)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if killed_in == "_replace":
            patch.setattr(changes, "_replace", die)
        else:
            write = changes._replace
            patch.setattr(changes, "_replace", lambda *args: (write(*args), die()))
        rotate_own_key(root)
    assert rotate_own_key(root)[0] == old
    assert len(load_trust(root).entries) == 2
    assert sign(root, "text", role="privacy_officer").public_key != old


def test_key_without_a_trust_file_or_named_by_the_environment_is_not_rotated(tmp_path, ben, monkeypatch):
    with pytest.raises(SigningError, match="only this machine's own key is trusted; run `vox keys trust YOUR_NAME`"):
        rotate_own_key(tmp_path)
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(ben.path))
    with pytest.raises(SigningError, match="vox keys create --output"):
        rotate_own_key(tmp_path)


def test_trust_file_that_others_can_change_is_not_edited(root, ben):
    (root / TRUST_FILE).chmod(0o666)
    with pytest.raises(SigningError, match="can be changed by every user"):
        trust_key(root, "ben", ben.public_key, ("engineer",))


def test_key_for_another_machine_goes_into_a_file_that_is_not_overwritten(tmp_path):
    path, public_key = create_key(tmp_path, tmp_path / "ci.pem")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SigningError, match="exists already"):
        create_key(tmp_path, tmp_path / "ci.pem")
    assert create_key(tmp_path, None) == create_key(tmp_path, None)
    (tmp_path / "ci.pub").write_text(public_pem(public_key))
    for key in (str(path), str(tmp_path / "ci.pub"), public_key, public_key.upper()):
        assert read_public_key(key, tmp_path) == public_key
    with pytest.raises(SigningError, match="neither a file nor a public key"):
        read_public_key("ci", tmp_path)
