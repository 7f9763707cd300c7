"""The trust file: whose signature counts, in which role, and when."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from key_helpers import make_signer, write_trust

from registry.keys.ed25519 import Signature, SigningError
from registry.keys.roles import ROLES, role_for
from registry.keys.trust import Trust, TrustedKey, format_moment, load_trust, parse_entries, parse_moment

SPRING, SUMMER, AUTUMN = "2026-03-01T00:00:00+00:00", "2026-06-01T00:00:00+00:00", "2026-09-01T00:00:00+00:00"


@pytest.fixture
def anna(tmp_path):
    return make_signer(tmp_path, "anna")


def test_signature_of_a_stranger_does_not_count(tmp_path, anna):
    write_trust(tmp_path, [make_signer(tmp_path, "ben").entry("release_manager")])
    assert "not trusted here" in load_trust(tmp_path).why_not_valid("text", anna.sign("text"))


def test_signature_under_another_text_does_not_count(tmp_path, anna):
    write_trust(tmp_path, [anna.entry("engineer")])
    trust = load_trust(tmp_path)
    assert trust.why_not_valid("text", anna.sign("text")) is None
    assert "does not fit" in trust.why_not_valid("other text", anna.sign("text"))
    assert "does not fit" in trust.why_not_valid("text", Signature(anna.public_key, ""))


def test_promotion_signed_with_an_engineers_key_does_not_count(tmp_path, anna):
    write_trust(tmp_path, [anna.entry("engineer")])
    reason = load_trust(tmp_path).why_not_valid("text", anna.sign("text"), role="release_manager", utc=SUMMER)
    assert reason.endswith("of anna, who had the roles engineer then and not release_manager")


def test_revoked_key_counts_before_the_revocation_only(tmp_path, anna):
    write_trust(tmp_path, [anna.entry("engineer", end=SUMMER)])
    trust, signature = load_trust(tmp_path), anna.sign("text")
    assert trust.why_not_valid("text", signature, utc=SPRING) is None
    for moment in (SUMMER, AUTUMN, None):
        assert "revoked on 2026-06-01T00:00:00.000Z" in trust.why_not_valid("text", signature, utc=moment)


def test_key_does_not_count_before_it_was_trusted(tmp_path, anna):
    write_trust(tmp_path, [anna.entry("engineer", start=SUMMER)])
    reason = load_trust(tmp_path).why_not_valid("text", anna.sign("text"), utc=SPRING)
    assert "trusted from 2026-06-01T00:00:00.000Z on" in reason


def test_role_removed_later_leaves_valid_what_was_signed_in_it(tmp_path, anna):
    write_trust(tmp_path, [anna.entry("engineer", "release_manager", end=SUMMER), anna.entry("engineer", start=SUMMER)])
    trust, signature = load_trust(tmp_path), anna.sign("text")
    assert trust.why_not_valid("text", signature, role="release_manager", utc=SPRING) is None
    assert "not release_manager" in trust.why_not_valid("text", signature, role="release_manager", utc=AUTUMN)
    assert trust.why_not_valid("text", signature, role="engineer", utc=AUTUMN) is None
    assert (trust.roles_of(anna.public_key, SPRING), trust.roles_of(anna.public_key)) == (ROLES[:2], ROLES[:1])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "must hold one list, `keys`"),
        ("keys: []", "must hold one list, `keys`"),
        ("- anna", "must hold one list, `keys`"),
        ("keys: [{name: anna}]", "public_key: Field required"),
        ("keys: [", "is not a YAML file"),
        ('keys: [{name: "../x", public_key: "%s", roles: [engineer]}]', "name: String should match"),
        ('keys: [{name: anna, public_key: "%s", roles: [king]}]', "roles.0: Input should be 'engineer'"),
        ('keys: [{name: anna, public_key: "%s", roles: []}]', "roles: Tuple should have at least 1 item"),
        ('keys: [{name: anna, public_key: "%s", roles: [engineer, engineer]}]', "names a role twice"),
        ("keys: [{name: anna, public_key: 12, roles: [engineer]}]", "public_key: Input should be a valid string"),
        ('keys: [{name: anna, public_key: "%s", roles: [engineer], revoked_on: 20260101}]', "write it as 2026-11-29"),
        (
            'keys: [{name: anna, public_key: "%s", roles: [engineer], '
            "trusted_from: 2026-02-01, revoked_on: 2026-01-01}]",
            "revoked before it is trusted",
        ),
        (
            'keys: [{name: anna, public_key: "%s", roles: [engineer]}, '
            '{name: ben, public_key: "%s", roles: [engineer]}]',
            "several holders: anna, ben",
        ),
        (
            'keys: [{name: anna, public_key: "%s", roles: [engineer]}, '
            '{name: anna, public_key: "%s", roles: [release_manager], trusted_from: 2026-02-01}]',
            "hold at the same time",
        ),
    ],
)
def test_wrong_trust_file_is_refused_with_its_fault(tmp_path, lines, message):
    (tmp_path / "trusted_keys.yaml").write_text(lines.replace("%s", "ab" * 32))
    with pytest.raises(SigningError, match=message):
        load_trust(tmp_path)


YAML_TEXTS = st.recursive(
    st.sampled_from(
        ["~", "anna", "'" + "ab" * 32 + "'", "2026-01-01", "1e400", "engineer", ".inf", "!!python/object:os.system x"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.dictionaries(
            st.sampled_from(["keys", "name", "public_key", "roles", "trusted_from", "revoked_on", "more"]),
            inner,
            max_size=6,
        ).map(lambda parts: "{" + ", ".join(f"{key}: {value}" for key, value in parts.items()) + "}")
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.text() | YAML_TEXTS | YAML_TEXTS.map(lambda text: f"keys: [{text}]"))
@example("[" * 100)
@example("keys: &a [*a]")
@example("keys: [{name: anna, name: ben}]")
@example("keys: [{trusted_from: 99999-01-01}]")
def test_whatever_the_trust_file_holds_is_entries_or_one_sentence(text):
    try:
        entries = parse_entries(text, Path("trusted_keys.yaml"))
    except SigningError as error:
        assert str(error).startswith("trusted_keys.yaml")
        return
    assert entries and all(entry.roles for entry in entries)


@pytest.mark.parametrize("mode", [0o666, 0o646])
def test_trust_file_that_every_user_can_change_is_refused(tmp_path, anna, mode):
    write_trust(tmp_path, [anna.entry("engineer")]).chmod(mode)
    with pytest.raises(SigningError, match=f"can be changed by every user .mode {mode:o}.; run: chmod o-w"):
        load_trust(tmp_path)


def test_trust_file_in_a_folder_that_every_user_can_change_is_refused(tmp_path, anna):
    write_trust(tmp_path / "project", [anna.entry("engineer")])
    (tmp_path / "project").chmod(0o777)
    with pytest.raises(SigningError, match="project can be changed by every user"):
        load_trust(tmp_path / "project")
    (tmp_path / "project").chmod(0o1777)
    assert load_trust(tmp_path / "project").entries


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another group")
def test_trust_file_that_a_shared_group_can_change_is_refused(tmp_path, anna):
    path = write_trust(tmp_path, [anna.entry("engineer")])
    path.chmod(0o664)
    assert load_trust(tmp_path).entries  # the private group of its owner
    os.chown(path, -1, 100)
    with pytest.raises(SigningError, match="can be changed by its group"):
        load_trust(tmp_path)


def test_link_to_a_file_that_others_can_change_is_refused(tmp_path, anna):
    real = write_trust(tmp_path / "elsewhere", [anna.entry("engineer")])
    real.chmod(0o666)
    (tmp_path / "trusted_keys.yaml").symlink_to(real)
    with pytest.raises(SigningError, match="can be changed by every user"):
        load_trust(tmp_path)


def test_dangling_link_is_a_broken_trust_file_and_not_a_missing_one(tmp_path):
    (tmp_path / "trusted_keys.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(SigningError, match="cannot be read"):
        load_trust(tmp_path)


def test_trust_file_of_the_environment_is_believed_and_not_the_one_of_the_checkout(tmp_path, anna, monkeypatch):
    mallory = make_signer(tmp_path, "mallory")
    write_trust(tmp_path, [mallory.entry(*ROLES)])
    outside = write_trust(tmp_path / "outside", [anna.entry("engineer")])
    monkeypatch.setenv("VOXFOUNDRY_TRUSTED_KEYS", str(outside))
    assert "not trusted here" in load_trust(tmp_path).why_not_valid("text", mallory.sign("text"))
    monkeypatch.setenv("VOXFOUNDRY_TRUSTED_KEYS", str(tmp_path / "outside"))
    with pytest.raises(SigningError, match="which is not a file"):
        load_trust(tmp_path)


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


@given(start=MOMENTS, length=st.timedeltas(timedelta(milliseconds=1), timedelta(days=9000)), moment=MOMENTS)
def test_entry_holds_from_its_first_moment_until_just_before_its_last(start, length, moment):
    end = parse_moment(format_moment(start + length))
    entry = TrustedKey(name="anna", public_key="ab" * 32, roles=("engineer",), trusted_from=start, revoked_on=end)
    trust = Trust((TrustedKey.model_validate(entry.model_dump()),), None)  # as it comes back from the file
    assert (trust.roles_of("ab" * 32, moment) != ()) == (start <= moment < end)
    assert trust.roles_of("ab" * 32, start) == ("engineer",)
    assert trust.roles_of("ab" * 32, end) == ()


def test_digest_of_what_was_trusted_changes_only_where_a_change_reaches_back(tmp_path, anna):
    ben = make_signer(tmp_path, "ben")

    def digest(*entries):
        write_trust(tmp_path, entries)
        return load_trust(tmp_path).digest_until(SUMMER)

    before = digest(anna.entry("engineer"))
    rotated = [anna.entry("engineer", end=AUTUMN), ben.entry("engineer", start=AUTUMN)]
    assert digest(*rotated) == before
    assert digest(anna.entry("engineer", end=SPRING), *rotated[1:]) != before
    assert digest(*rotated[:1], ben.entry("engineer", start=SPRING)) != before
    assert digest(anna.entry("engineer", "release_manager")) != before


@pytest.mark.parametrize(
    ("kind", "content", "role"),
    [
        ("release", {"action": "promote", "state": "started"}, "release_manager"),
        ("release", {"action": "rollback", "state": "started"}, "release_manager"),
        ("release", {"action": "revoke", "state": "started"}, "privacy_officer"),
        ("release", {"action": "promote", "state": "done"}, None),
        ("release", {"action": "restore", "state": "started"}, None),
        ("registration", {}, "engineer"),
        ("verdict", {}, "engineer"),
        ("approval", {}, "release_manager"),
        ("consent", {}, "privacy_officer"),
        ("erasure", {}, "privacy_officer"),
        ("checkpoint", {}, "release_manager"),
    ],
)
def test_each_kind_of_record_needs_its_role(kind, content, role):
    assert role_for(kind, content) == role


@pytest.mark.parametrize(
    ("kind", "content"), [("gossip", {}), ("release", {}), ("release", {"action": "promote", "state": "dreamt"})]
)
def test_record_of_an_unknown_kind_has_no_role_that_would_do(kind, content):
    with pytest.raises(ValueError, match=r"not a kind of record|a release cannot be"):
        role_for(kind, content)
