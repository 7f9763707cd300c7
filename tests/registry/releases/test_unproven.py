"""What an audit cannot prove is said, and goes away with what would prove it."""

from __future__ import annotations

import hashlib

import pytest
from release_helpers import recordings_of

from registry.gate.policy import Preference
from registry.keys.changes import trust_key
from registry.keys.roles import ROLES
from registry.keys.signing import own_public_key
from registry.listening.votes import VOTES
from registry.releases.approvals import approve
from registry.releases.unproven import list_unproven
from registry.storage.anchor import anchor_path
from registry.storage.chain import append_row
from registry.storage.database import append_transaction

RULE = Preference(min_votes=20, worse_than=0.4, reason="test")


@pytest.fixture
def unproven(desk):
    """Return a function that lists what is not proven about the released voice."""
    desk.release(1)

    def listed(**changes):
        settings = {"recordings_dir": desk.recordings, "preference": None, "approvals": 0} | changes
        return list_unproven(desk.store, "anna", **settings)

    return listed


def cast(store, listener):
    row = dict.fromkeys(VOTES.rows.columns.keys()[2:-4], "") | {"voice": "anna", "listener": listener}
    with append_transaction(store) as connection:
        append_row(store, VOTES, connection, row | {"seed": 0, "n": 0, "choice": "candidate"})


def test_one_key_for_every_role_does_not_prove_who_released(desk, unproven):
    assert any(line.startswith("who released") for line in unproven())
    trust_key(desk.store.root, "anna", own_public_key(desk.store.root), ROLES)
    assert not any(line.startswith("who released") for line in unproven())


def test_missing_anchor_does_not_prove_that_the_rows_are_the_newest(desk, unproven):
    assert not any("newest rows" in line for line in unproven())
    anchor_path(desk.store.root, "anna").unlink()
    assert any("releases/anna.json is missing" in line for line in unproven())


def test_older_copies_of_database_and_anchor_are_told_by_an_object_store_alone(unproven, tmp_path, monkeypatch):
    assert any("are not both older copies" in line for line in unproven())
    monkeypatch.setenv("VOXFOUNDRY_ANCHOR", f"file://{tmp_path}/anchors")
    assert not any("older copies" in line for line in unproven())


def test_release_under_fewer_approvals_than_now_is_named(desk, unproven):
    found = unproven(approvals=2)
    assert any("required 0 approvals, and releases.approvals is 2 now" in line for line in found)
    assert not any("approvals" in line for line in unproven())
    desk.gate(2)
    approve(desk.store, "anna", version=2)
    desk.promote(2, approvals=1)
    assert not any("approvals" in line for line in unproven(approvals=1))


def test_votes_under_typed_names_are_named_unless_somebody_vouches_for_them(desk, unproven):
    cast(desk.store, "ghost")
    assert any("that ghost are people who heard the sounds: 1 votes" in line for line in unproven(preference=RULE))
    vouched = RULE.model_copy(update={"listeners": ("anna",)})
    assert not any("ghost" in line for line in unproven(preference=vouched) + unproven())


def test_evidence_that_was_replaced_together_with_its_hash_is_named(desk, unproven):
    def give_evidence(text):
        (desk.recordings / "consent.txt").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        recordings_of(desk.store.root, evidence="consent.txt", evidence_sha256=digest)

    give_evidence("signed by the speaker")
    desk.gate(2)
    desk.promote(2)
    assert not any("was released under" in line for line in unproven())
    give_evidence("forged")
    assert any("it or the hash of its evidence was changed since row" in line for line in unproven())


def test_consent_without_proof_from_outside_is_named(desk, unproven):
    assert any("gave the consent" in line or "nobody was cloned" in line for line in unproven())
