"""`vox verify`: each way in which the origin of a release can be broken or unknown, and the link that is named."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner
from proof_helpers import CODE, PARAMS, VOICE, git, keep_in_cache, make_released
from release_helpers import LINEAGE, scorecard, write_scores, write_voice_folder

from flows.cli import vox
from flows.proof import stage_links
from flows.proof.prove import prove
from registry.candidates.registration import register_candidate
from registry.storage.store import open_store

SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_SIGNING_KEY")
CLIPS = "data/2_clips/anna"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        make_released(root)
    return root


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """The working folder is a copy of the released project."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "project"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    return root


def verify(version=None):
    return prove(open_store(), VOICE, version=version).proof


def names(proof, state):
    return [link.name for link in proof.links if link.state == state]


def test_untouched_release_is_proven(project):
    proof = verify()
    assert proof.exit_code == 0, proof.links
    assert [link.name for link in proof.links] == [
        "code", "settings", "recordings", "manifest", "clips", "texts", "features", "checkpoints (SoVITS)",
        "checkpoints (GPT)", "scores", "scored voice", "registered scores", "registered candidate", "verdict",
        "release",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("data/1_recordings/anna/1.wav", "recordings"),
        ("data/1_manifests/anna/recordings.jsonl", "manifest"),
        (f"{CLIPS}/part.bin", "clips"),
        ("data/3_aligned/anna/part.bin", "texts"),
        ("data/4_features/anna/part.bin", "features"),
        ("data/5_checkpoints/anna/gpt/checkpoints/part.bin", "checkpoints (GPT)"),
        ("data/6_scores/anna/scorecard.json", "scores"),
        ("data/6_scores/anna/voice/preset.json", "scores"),
    ],
)
def test_changed_file_breaks_its_link(project, path, link):
    (project / path).write_text("forged")
    proof = verify()
    assert proof.exit_code == 1
    assert proof.first_broken.name == link
    assert path.rpartition("/")[0] in proof.first_broken.reason


def test_new_file_in_an_output_breaks_its_link(project):
    (project / CLIPS / "more.bin").write_text("added")
    assert verify().first_broken.name == "clips"


def test_missing_outputs_are_never_proven(project):
    shutil.rmtree(project / CLIPS)
    proof = verify()
    assert (proof.exit_code, names(proof, "unchecked")) == (2, ["clips"])
    assert "dvc pull" in proof.unchecked[0].reason


def test_outputs_in_the_cache_are_proven(project):
    keep_in_cache(project, CLIPS)
    shutil.rmtree(project / CLIPS)
    assert verify().exit_code == 0


def test_changed_object_in_the_cache_breaks_its_link(project):
    keep_in_cache(project, CLIPS)
    shutil.rmtree(project / CLIPS)
    for file in (project / ".dvc/cache/files/md5").rglob("*"):
        if file.is_file() and file.read_text().startswith("made"):
            file.write_text("forged")
    assert verify().first_broken.name == "clips"


def test_a_later_run_in_the_workspace_does_not_break_the_older_version(project):
    (project / CLIPS / "part.bin").write_text("of a later run")
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(lock.replace("segment@anna", "segment@other"))
    proof = verify()
    assert (proof.exit_code, names(proof, "unchecked")) == (2, ["clips"])
    assert "another run" in proof.unchecked[0].reason


def test_code_that_is_not_in_the_commit_is_not_proven(project):
    git(project, "rm", "-q", "--cached", CODE)
    git(project, "commit", "-q", "--amend", "-m", "other")
    git(project, "reflog", "expire", "--expire=now", "--all")
    git(project, "gc", "-q", "--prune=now")
    proof = verify()
    assert (proof.exit_code, names(proof, "unchecked")) == (2, ["code"])
    assert "does not have the commit" in proof.unchecked[0].reason


def test_other_base_model_in_the_workspace_is_not_proven(project):
    (project / "base_models/base/w").write_text("another model")
    proof = verify()
    assert (proof.exit_code, names(proof, "unchecked")) == (2, ["code"])


def test_edited_origin_in_the_registry_is_broken(project):
    (file,) = (project / "mlartifacts").rglob("dvc_lock.json")
    file.write_text(file.read_text().replace("data/2_clips", "data/2_clip"))
    assert verify().first_broken.name == "lineage"


@pytest.mark.parametrize("registered", [12, 9.0])
def test_registered_parameters_that_did_not_make_the_version_are_broken(tmp_path, monkeypatch, registered):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    make_released(tmp_path, settings=PARAMS | {"segment": PARAMS["segment"] | {"max_clip_seconds": registered}})
    proof = verify()
    if registered == 12:  # the stages ran with 12.0
        assert proof.exit_code == 0
        return
    assert (proof.exit_code, names(proof, "broken")) == (1, ["settings"])
    assert proof.first_broken.reason == "segment ran with segment.max_clip_seconds 12.0, not 9.0"
    refused = CliRunner().invoke(vox, ["verify", VOICE, "--statement", "made.json"], standalone_mode=False)
    assert refused.return_value == 1 and not (tmp_path / "made.json").exists()


def test_stages_without_recorded_parameters_are_not_proven(project, monkeypatch):
    read = stage_links.read_origin

    def without_params(candidate, locked):
        stages = json.loads(locked)
        del stages["align@anna"]["params"]
        return read(candidate, json.dumps(stages))

    monkeypatch.setattr("flows.proof.prove.read_origin", without_params)
    proof = verify()
    assert (proof.exit_code, names(proof, "unchecked")) == (2, ["settings"])
    assert "no parameters of align" in proof.unchecked[0].reason


def test_registration_without_its_origin_is_not_proven(project):
    (file,) = (project / "mlartifacts").rglob("dvc_lock.json")
    file.unlink()
    proof = verify()
    assert (proof.exit_code, names(proof, "unchecked")) == (2, ["lineage", "recordings ... scores"])


def test_changed_registered_weights_break_the_candidate(project):
    (file,) = (project / "mlartifacts").rglob("sovits/model.safetensors")
    file.write_text("forged")
    assert verify().first_broken.name == "registered candidate"


def test_a_candidate_that_was_not_released_is_not_proven(project):
    folder = project / "build"
    voice = write_voice_folder(folder / "voice", "second")
    scores = write_scores(folder, scorecard())
    register_candidate(open_store(), VOICE, voice_folder=voice, scorecard_path=scores, lineage=LINEAGE)
    proof = verify(2)
    assert proof.exit_code == 2
    assert names(proof, "unchecked")[-2:] == ["verdict", "release"]


def test_command_prints_a_line_per_link_and_names_the_first_broken_one(project):
    (project / CLIPS / "part.bin").write_text("forged")
    (project / "data/4_features/anna/part.bin").write_text("forged")
    done = CliRunner().invoke(vox, ["verify", VOICE], standalone_mode=False)
    assert done.return_value == 1
    lines = done.output.splitlines()
    assert lines[0].startswith("ok: code: ")
    assert [line.split(":")[1].strip() for line in lines if line.startswith("broken")] == ["clips", "features"]
    assert lines[-1] == "not proven: the first broken link of version 1 of anna is 'clips'"
    done = CliRunner().invoke(vox, ["verify", VOICE, "--json"], standalone_mode=False)
    assert json.loads(done.output)["first_broken"] == "clips"
