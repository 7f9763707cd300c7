"""A candidate that the registry lost, or whose files were damaged there, is registered again by the next run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from checkouts import name_candidate, register
from release_helpers import TODAY, recordings_of

from flows import train_and_release
from flows.dvc_stages import StageResult
from flows.gate_and_promote import gate_newest, promote, promote_if_passed
from flows.train_and_release import DirectEngine, build
from registry.candidates.candidate import find_candidate, voice_folder_of
from registry.gate.policy import parse_policy
from registry.releases import promotion
from registry.releases.alias import champion_alias
from registry.releases.audit import audit
from registry.releases.service import find_servable
from registry.storage.store import mlflow_client, open_store
from stages.params import load_params


def delete(store, version):
    """Delete a version in MLflow. The journal keeps its rows."""
    mlflow_client(store).delete_model_version("anna", str(version))


def damage(store, version):
    """Change a byte of a version's weights."""
    weights = voice_folder_of(store, find_candidate(store, "anna", version)) / "gpt/model.safetensors"
    assert weights.is_relative_to(store.root), "the files of another test"
    weights.write_text("damaged")


@pytest.fixture
def run(checkout, monkeypatch):
    """Return a function that does what `vox run anna --promote` does once all stages are up to date.

    It gives the stages that ran, the verdict and what happened to the promotion.
    """
    monkeypatch.setattr(promotion, "speak_once", lambda folder, texts: None)
    monkeypatch.setattr(train_and_release, "stale_stages", lambda voice: {})
    view = SimpleNamespace(**dict.fromkeys(("start_stage", "end_stage", "print_line", "log_line"), lambda *_: None))

    def run_version(version):
        def reproduce(stage, voice, *, on_line, force):
            if force:
                register(checkout, f"weights {version}")
            return StageResult(stage=stage, state="ran" if force else "fresh")

        monkeypatch.setattr(train_and_release, "reproduce", reproduce)
        ran = [result.stage for result in build("anna", view, engine=DirectEngine()) if result.state == "ran"]
        candidate = gate_newest("anna", parse_policy(load_params().gate), first_release=True)
        return ran, candidate.signed, promote_if_passed(candidate)

    return run_version


@pytest.mark.parametrize("lose", [delete, damage])
def test_lost_or_damaged_candidate_is_registered_gated_and_released_again(run, checkout, lose):
    store = open_store()
    name_candidate(checkout, find_candidate(store, "anna", 2))
    gate_newest("anna", parse_policy(load_params().gate), first_release=True)
    lose(store, 2)
    ran, signed, release = run(2)
    assert ran == ["register"]
    assert signed.verdict.candidate.version == 3
    assert release.startswith("version 3 is champion now")
    assert run(2)[0] == [], "nothing is left to do"


@pytest.mark.parametrize("lose", [delete, damage])
def test_champion_that_was_registered_again_speaks_and_needs_no_promotion(run, checkout, lose):
    store = open_store()
    name_candidate(checkout, find_candidate(store, "anna", 1))
    assert run(1)[2].startswith("version 1 is champion now")
    lose(store, 1)
    ran, _, release = run(1)
    assert ran == ["register"]
    assert "version 3 is champion already" in release
    assert find_servable(store, "anna", recordings_dir=recordings_of(checkout, "anna"), today=TODAY).version == 3
    assert champion_alias(store, "anna").version == 3
    assert audit(store, "anna") == ()
    assert "champion already" in promote("anna", version=3, first_release=False)
