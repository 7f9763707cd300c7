"""Keys at a release: who may promote, what a stolen or revoked key is worth, and two-person approval."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from imports import ROOT
from key_helpers import make_signer

from flows.commands.approve import approve_voice
from flows.commands.keys import revoke
from flows.commands.releases import show_releases
from registry.keys.changes import read_public_key, revoke_keys, trust_key
from registry.keys.ed25519 import SigningError
from registry.keys.roles import ROLES
from registry.releases import alias as alias_module
from registry.releases.alias import ReleaseRefused, champion_alias, place_alias
from registry.releases.approvals import approve
from registry.releases.audit import audit
from registry.releases.journal import champion, read_journal, write_checkpoint_if_due
from registry.releases.promotion import recover
from registry.storage.model_version import ModelRegistryError

BEFORE = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def team(desk, tmp_path_factory, monkeypatch):
    """Return a function that makes a person's key the machine's, after trusting it in some roles."""
    folder, signers = tmp_path_factory.mktemp("keys"), {}
    root = desk.store.root
    trust_key(root, "anna", read_public_key(None, root), ROLES)

    def act_as(name, *roles):
        if name == "anna":
            monkeypatch.delenv("VOXFOUNDRY_SIGNING_KEY", raising=False)
            return None
        if name not in signers:
            signers[name] = make_signer(folder, name)
            trust_key(root, name.rstrip("0123456789"), signers[name].public_key, roles, since=BEFORE)
        monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(signers[name].path))
        return signers[name]

    return act_as


def live(desk):
    alias = champion_alias(desk.store, "anna")
    return alias.version if alias else None


def test_engineer_gates_but_does_not_promote_or_roll_back_or_revoke(desk, team):
    desk.release(1, 2)
    team("ci", "engineer")
    assert desk.gate(3).verdict.outcome == "fail"
    with pytest.raises(SigningError, match="of ci has the roles engineer, and this needs release_manager"):
        desk.rollback()
    with pytest.raises(SigningError, match="needs privacy_officer"):
        desk.revoke()
    assert (live(desk), champion(desk.store, "anna").version) == (2, 2)
    assert audit(desk.store, "anna") == ()


def test_release_manager_alone_does_not_gate(desk, team):
    team("rita", "release_manager")
    with pytest.raises(SigningError, match="of rita has the roles release_manager, and this needs engineer"):
        desk.gate(1, first_release=True)


def test_promotion_that_an_engineer_forged_has_no_effect_and_the_audit_names_it(desk, team, monkeypatch, capsys):
    """The attacker signs with an engineer's key and skips every check of ours."""
    desk.release(1, 2)
    team("mallory", "engineer")
    with monkeypatch.context() as patch:
        patch.setattr("registry.storage.records.role_for", lambda kind, content: None)
        desk.rollback()
    assert live(desk) == 1
    team("anna")
    assert champion(desk.store, "anna").version == 2
    problems = audit(desk.store, "anna")
    assert any("has no effect" in line and "mallory, who had the roles engineer" in line for line in problems)
    (desk.store.root / "params.yaml").write_text("{}")
    monkeypatch.chdir(desk.store.root)
    assert show_releases("anna", as_json=False) == 0
    marked = [line for line in capsys.readouterr().out.splitlines() if "no effect" in line]
    assert len(marked) == 1 and "rollback" in marked[0] and "started" in marked[0]
    recover(desk.store, "anna")
    assert live(desk) == 2
    desk.rollback()
    assert live(desk) == 1


def test_release_by_a_key_that_was_stolen_is_undone_once_the_theft_is_known(desk, team):
    desk.release(1)
    theft = datetime.now(UTC)
    team("rita", "engineer", "release_manager")
    desk.gate(2)
    desk.promote(2)
    team("anna")
    assert (live(desk), audit(desk.store, "anna")) == (2, ())
    revoke_keys(desk.store.root, "rita", since=theft)
    assert champion(desk.store, "anna").version == 1
    recover(desk.store, "anna")
    assert live(desk) == 1
    with pytest.raises(ReleaseRefused, match="has no verdict"):
        desk.promote(2)  # the verdict was hers too
    desk.gate(2)
    desk.promote(2)
    assert live(desk) == 2
    problems = audit(desk.store, "anna")
    assert problems and all("no effect" in line or "does not count" in line for line in problems)


def release_with_a_stolen_key(desk, team, monkeypatch) -> datetime:
    """Release version 1 rightly and 2 with rita's key, go into the project, and return the moment of the theft."""
    desk.release(1)
    theft = datetime.now(UTC)
    team("rita", "engineer", "release_manager")
    desk.gate(2)
    desk.promote(2)
    team("anna")
    (desk.store.root / "params.yaml").write_text("{}")
    monkeypatch.chdir(desk.store.root)
    return theft


def test_command_that_revokes_a_stolen_key_puts_the_champion_back(desk, team, monkeypatch, capsys):
    theft = release_with_a_stolen_key(desk, team, monkeypatch)
    assert revoke("rita", since=theft.isoformat()) == 0
    printed = capsys.readouterr().out
    assert "anna: without effect are the rows" in printed
    assert "put the alias back to version 1" in printed
    assert live(desk) == 1


def test_command_that_revokes_a_stolen_key_fails_where_the_champion_cannot_be_put_back(desk, team, monkeypatch, capsys):
    theft = release_with_a_stolen_key(desk, team, monkeypatch)

    def refuse(*_):
        raise ModelRegistryError("MLflow is read-only")

    monkeypatch.setattr(alias_module, "set_alias", refuse)
    assert revoke("rita", since=theft.isoformat()) == 1
    assert "anna: could not put the alias back to version 1: MLflow is read-only" in capsys.readouterr().err
    assert live(desk) == 2  # services ask the journal too, and it names no release of hers


def test_checkpoint_that_a_stolen_key_wrote_or_saw_is_not_believed(desk, team):
    desk.release(1)
    theft = datetime.now(UTC)
    team("rita", "engineer", "release_manager")
    desk.gate(2)
    desk.promote(2)
    team("anna")
    journal = read_journal(desk.store, "anna")
    write_checkpoint_if_due(desk.store, "anna", journal, every=1)
    assert len(read_journal(desk.store, "anna").records.rows) == 1
    revoke_keys(desk.store.root, "rita", since=theft)
    assert champion(desk.store, "anna").version == 1


def test_what_was_signed_before_a_revocation_or_a_change_of_roles_stays_right(desk, team):
    rita = team("rita", "engineer", "release_manager")
    desk.release(1, 2)
    team("anna")
    trust_key(desk.store.root, "rita", rita.public_key, ("engineer",))
    assert (audit(desk.store, "anna"), live(desk)) == ((), 2)
    revoke_keys(desk.store.root, "rita")
    assert (audit(desk.store, "anna"), live(desk)) == ((), 2)
    desk.rollback()
    assert (audit(desk.store, "anna"), live(desk)) == ((), 1)


def test_release_killed_in_a_release_managers_hands_is_finished_by_an_engineer(desk, team, monkeypatch):
    desk.release(1)
    desk.gate(2)

    def die(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("registry.releases.alias.append_end", die)
        desk.promote(2)
    team("ci", "engineer")
    recover(desk.store, "anna")
    assert (live(desk), champion(desk.store, "anna").version) == (2, 2)
    assert audit(desk.store, "anna") == ()


def test_alias_moved_by_hand_is_put_back_by_an_engineer(desk, team):
    desk.release(1, 2)
    place_alias(desk.store, "anna", 1)
    team("ci", "engineer")
    recover(desk.store, "anna")
    assert live(desk) == 2


def test_promotion_waits_for_two_different_release_managers(desk, team):
    desk.gate(1, first_release=True)
    with pytest.raises(ReleaseRefused, match=r"0 of 2 release managers have approved.*vox approve anna --version 1"):
        desk.promote(1, first_release=True, approvals=2)
    team("ben1", "release_manager")
    assert approve(desk.store, "anna", version=1).approvers == ("ben",)
    team("ben2", "release_manager")  # the same person with another key
    assert not approve(desk.store, "anna", version=1).is_new
    with pytest.raises(ReleaseRefused, match=r"1 of 2 release managers have approved this verdict \(ben\)"):
        desk.promote(1, first_release=True, approvals=2)
    team("anna")
    assert approve(desk.store, "anna", version=1).approvers == ("anna", "ben")
    desk.promote(1, first_release=True, approvals=2)
    assert (live(desk), audit(desk.store, "anna")) == (1, ())


def test_command_approves_and_says_how_many_are_required(desk, team, monkeypatch, capsys):
    params = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("approvals: 0", "approvals: 2")
    (desk.store.root / "params.yaml").write_text(params, encoding="utf-8")
    monkeypatch.chdir(desk.store.root)
    assert approve_voice("anna", 1) == 1
    refusal = "refused: anna version 1 has no verdict to approve; run `vox gate anna --candidate 1`"
    assert refusal in capsys.readouterr().err
    desk.gate(1, first_release=True)
    assert [approve_voice("anna", 1) for _ in range(2)] == [0, 0]
    first, second = capsys.readouterr().out.splitlines()
    assert first == "anna version 1: approved; 1 of 2 required approvals: anna"
    assert second == "anna version 1: you approved before; 1 of 2 required approvals: anna"


def test_engineer_cannot_approve_and_a_failed_verdict_cannot_be_approved(desk, team):
    desk.release(1)
    with pytest.raises(ReleaseRefused, match="version 3 has no verdict to approve"):
        approve(desk.store, "anna", version=3)
    desk.gate(3)
    with pytest.raises(ReleaseRefused, match="its verdict is fail"):
        approve(desk.store, "anna", version=3)
    desk.gate(2)
    team("ci", "engineer")
    with pytest.raises(SigningError, match="needs release_manager"):
        approve(desk.store, "anna", version=2)


def test_approval_is_about_one_verdict_and_ends_with_its_approvers_role(desk, team):
    desk.release(1)
    desk.gate(2)
    rita = team("rita", "release_manager")
    approve(desk.store, "anna", version=2)
    team("anna")
    desk.gate(2, confidence=0.9)
    with pytest.raises(ReleaseRefused, match="0 of 1 release managers"):
        desk.promote(2, approvals=1)
    desk.gate(2)
    with pytest.raises(ReleaseRefused, match="0 of 1 release managers"):
        desk.promote(2, approvals=1)
    team("rita")
    approve(desk.store, "anna", version=2)
    team("anna")
    trust_key(desk.store.root, "rita", rita.public_key, ("engineer",))
    with pytest.raises(ReleaseRefused, match="0 of 1 release managers"):
        desk.promote(2, approvals=1)


def test_approver_who_left_later_approved_rightly_and_a_stolen_key_did_not(desk, team):
    desk.release(1)
    desk.gate(2)
    theft = datetime.now(UTC)
    team("rita", "release_manager")
    approve(desk.store, "anna", version=2)
    team("anna")
    desk.promote(2, approvals=1)
    revoke_keys(desk.store.root, "rita")
    assert audit(desk.store, "anna") == ()
    revoke_keys(desk.store.root, "rita", since=theft)
    assert any("it required 1 approvals and has 0" in line for line in audit(desk.store, "anna"))


def test_key_that_nobody_ever_trusted_breaks_the_journal(desk, team, tmp_path_factory):
    desk.release(1)
    stranger = make_signer(tmp_path_factory.mktemp("stranger"), "stranger")
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        connection.execute("UPDATE voxfoundry_records SET public_key = ? WHERE number = 5", [stranger.public_key])
    connection.close()
    assert "broken at row 5" in audit(desk.store, "anna")[0]
