"""Which verdict a run gives: an earlier one that is up to date, or a new one."""

from __future__ import annotations

import json
import shutil

import pytest
from release_helpers import language_rules, policy

from flows import gate_and_promote
from flows.commands.verdicts import print_verdict
from flows.gate_and_promote import candidate_is_registered, gate_newest
from registry.gate.errors import CannotMeasure
from registry.storage.store import open_store


@pytest.fixture
def project(speaking, tmp_path, monkeypatch):
    """Return a copy of a project whose newest candidate of the voice anna is its champion."""
    for name in ("mlflow.db", "params.yaml"):
        shutil.copy(speaking / name, tmp_path)
    for name in (".vox", "mlartifacts"):
        shutil.copytree(speaking / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    candidate = tmp_path / "data/7_candidates/anna/candidate.json"
    candidate.parent.mkdir(parents=True)
    from registry.releases.journal import champion

    release = champion(open_store(), "anna")
    candidate.write_text(json.dumps({"candidate_id": release.candidate_id}))
    return tmp_path


@pytest.mark.parametrize("first_release", [True, False])
def test_run_after_a_first_release_repeats_the_verdict_that_allowed_it(project, monkeypatch, first_release):
    monkeypatch.setattr(gate_and_promote, "gate_candidate", lambda *_, **__: pytest.fail("gated against itself"))
    allowed_by = policy(presets={"dialogue": language_rules()})  # which the fixture `speaking` was promoted under
    candidate = gate_newest("anna", allowed_by, first_release=first_release)
    assert candidate.is_earlier
    assert candidate.signed.verdict.outcome == "pass"
    assert candidate.signed.verdict.champion is None


def test_other_policy_gates_the_champion_again(project, monkeypatch):
    asked = []
    monkeypatch.setattr(gate_and_promote, "_gate", lambda voice, *_, **options: asked.append((voice, options)))
    candidate = gate_newest("anna", policy(confidence=0.9), first_release=True)
    assert not candidate.is_earlier
    assert [(voice, options["first_release"]) for voice, options in asked] == [("anna", False)]


def test_voice_without_candidate_cannot_be_gated(project):
    with pytest.raises(CannotMeasure, match="vox run berta"):
        gate_newest("berta", policy(), first_release=True)


def test_candidate_whose_files_are_there_is_registered(project):
    assert candidate_is_registered("anna")
    assert not candidate_is_registered("berta")
    shutil.rmtree(project / "mlartifacts")
    assert not candidate_is_registered("anna")


@pytest.mark.parametrize("is_followed", [True, False])
def test_next_step_is_printed_unless_it_was_made(project, capsys, is_followed):
    candidate = gate_newest("anna", policy(presets={"dialogue": language_rules()}), first_release=True)
    print_verdict(candidate.signed, is_earlier=True, is_followed=is_followed)
    printed = capsys.readouterr().out
    assert ("next: " in printed) != is_followed
    assert "verdict: pass" in printed
