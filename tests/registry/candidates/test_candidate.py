"""Candidates: registered once, whole or not at all, and refused if anybody changed them."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from release_helpers import (
    LINEAGE,
    kill_self,
    killed,
    preset_scores,
    scorecard,
    utterance,
    write_scores,
    write_voice_folder,
)
from synthesis_tiny import PRESET

import gpt_sovits
from gpt_sovits.synthesis.preset_files import preset_sha256
from registry.candidates.candidate import (
    Candidate,
    find_candidate,
    score_folder_of,
    scorecard_of,
    voice_folder_of,
)
from registry.candidates.fingerprint import CandidateError, hash_files
from registry.candidates.registration import register_candidate
from registry.storage.store import Store, mlflow_client


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A voice of bob with its scores, not registered yet."""
    write_voice_folder(tmp_path / "bob" / "voice")
    write_scores(tmp_path / "bob", scorecard("bob"))
    return tmp_path / "bob"


def register(store: Store, built: Path, **lineage: str) -> Candidate:
    return register_candidate(
        store,
        "bob",
        voice_folder=built / "voice",
        scorecard_path=built / "scorecard.json",
        lineage=LINEAGE | lineage,
    )


def versions(store: Store, voice: str) -> list[int]:
    return [int(version.version) for version in mlflow_client(store).search_model_versions(f"name='{voice}'")]


def runs(store: Store, voice: str) -> list[str]:
    """Return the states of the voice's runs, sorted."""
    client = mlflow_client(store)
    experiment = client.get_experiment_by_name(voice)
    return sorted(run.info.status for run in client.search_runs([experiment.experiment_id])) if experiment else []


def test_registered_candidate_carries_lineage_scores_and_files(store, built):
    candidate = register(store, built)
    assert candidate.version == 1
    assert LINEAGE.items() <= candidate.tags.items()
    assert candidate.tags["prompts_sha256"] == "e" * 64
    assert scorecard_of(store, candidate) == scorecard("bob")
    assert hash_files(voice_folder_of(store, candidate)) == hash_files(built / "voice")
    run = mlflow_client(store).get_run(candidate.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["wer"] == pytest.approx(0.1)
    assert find_candidate(store, "bob") == candidate == find_candidate(store, "bob", 1)
    assert find_candidate(store, "bob", candidate_id=candidate.candidate_id) == candidate


def test_registration_leaves_the_settings_of_the_process_alone(store, built):
    register(store, built)
    assert "MLFLOW_TRACKING_URI" not in os.environ


def add_resynthesis(built: Path) -> None:
    """Add a held-out recording, its resynthesis and checkpoint pairs to the score folder."""
    real = utterance(
        0, 0, category="held_out", audio="recordings/clip.flac", audio_sha256=sha256("recordings/clip.flac")
    )
    resynthesis = utterance(
        0, 0, category="resynthesis", audio="resynthesis/clip-0.flac", audio_sha256=sha256("resynthesis/clip-0.flac")
    )
    write_scores(built, scorecard("bob", held_out=(real,), resynthesis=(resynthesis,)))
    for row in (real, resynthesis):
        (built / row.audio).parent.mkdir(exist_ok=True)
        (built / row.audio).write_text(row.audio)
    (built / "pairs.csv").write_text("gpt_epoch,sovits_epoch\n4,2\n")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_registry_keeps_everything_that_was_scored_after_the_score_folder_is_gone(store, built):
    add_resynthesis(built)
    kept = {path.relative_to(built).as_posix(): path.read_bytes() for path in built.rglob("*") if path.is_file()}
    candidate = register(store, built)
    shutil.rmtree(built)
    folder = score_folder_of(store, candidate)
    for name, content in kept.items():
        if not name.startswith("voice/"):
            assert (folder / name).read_bytes() == content, name


@pytest.mark.parametrize("name", ["audio/p003_1.flac", "resynthesis/clip-0.flac", "recordings/clip.flac", "pairs.csv"])
def test_registered_audio_that_was_changed_or_lost_is_refused_by_name(store, built, name):
    add_resynthesis(built)
    candidate = register(store, built)
    path = score_folder_of(store, candidate) / name
    path.write_text("other")
    with pytest.raises(CandidateError, match=Path(name).name):
        score_folder_of(store, candidate)
    path.unlink()
    with pytest.raises(CandidateError, match=Path(name).name):
        score_folder_of(store, candidate)


def test_same_candidate_registered_again_is_the_same_version(store, built):
    first = register(store, built)
    assert register(store, built, git_commit="0" * 40) == first
    assert (versions(store, "bob"), runs(store, "bob")) == ([1], ["FINISHED"])


def test_other_weights_or_other_scores_are_another_version(store, built):
    first = register(store, built)
    (built / "voice" / "gpt" / "model.safetensors").write_text("other")
    second = register(store, built)
    write_scores(built, scorecard("bob", wer=0.2))
    third = register(store, built)
    assert [first.version, second.version, third.version] == [1, 2, 3]
    assert len({first.candidate_id, second.candidate_id, third.candidate_id}) == 3
    assert second.weights_sha256 == third.weights_sha256 != first.weights_sha256


@pytest.mark.parametrize("step", ["log_artifact", "log_model", "create_model_version"])
def test_registration_killed_before_its_version_leaves_none_and_the_next_one_succeeds(store, built, monkeypatch, step):
    import mlflow

    target = {
        "log_artifact": mlflow.MlflowClient,
        "log_model": mlflow.pyfunc,
        "create_model_version": mlflow.MlflowClient,
    }[step]
    with monkeypatch.context() as patched:
        patched.setattr(target, step, kill_self)
        killed(lambda: register(store, built))
    assert versions(store, "bob") == []
    assert runs(store, "bob") == ["RUNNING"]
    assert register(store, built).version == 1
    assert runs(store, "bob") == ["FINISHED", "KILLED"]


def test_registration_killed_after_its_version_counts_as_done(store, built, monkeypatch):
    from mlflow import MlflowClient

    create = MlflowClient.create_model_version

    def create_and_die(*arguments: object, **named: object) -> None:
        create(*arguments, **named)
        kill_self()

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "create_model_version", create_and_die)
        killed(lambda: register(store, built))
    assert (versions(store, "bob"), runs(store, "bob")) == ([1], ["RUNNING"])
    assert register(store, built).version == 1
    assert (versions(store, "bob"), runs(store, "bob")) == ([1], ["FINISHED"])


def test_two_processes_registering_at_once_make_one_version(store, built):
    children = []
    for _ in range(2):
        if (child := os.fork()) == 0:
            code = 1
            try:
                code = int(register(store, built).version != 1)
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert (versions(store, "bob"), runs(store, "bob")) == ([1], ["FINISHED"])


def test_changed_file_of_a_version_is_found_and_named(store, built):
    candidate = register(store, built)
    folder = voice_folder_of(store, candidate)
    (folder / "sovits" / "model.safetensors").write_text("tampered")
    with pytest.raises(CandidateError, match=r"not what was registered: sovits/model\.safetensors changed"):
        voice_folder_of(store, candidate)


def test_added_or_removed_file_of_a_version_is_found(store, built):
    candidate = register(store, built)
    folder = voice_folder_of(store, candidate)
    (folder / "extra.txt").write_text("x")
    with pytest.raises(CandidateError, match=r"extra\.txt is new"):
        voice_folder_of(store, candidate)
    (folder / "extra.txt").unlink()
    (folder / "preset.json").unlink()
    with pytest.raises(CandidateError, match=r"preset\.json is missing"):
        voice_folder_of(store, candidate)


def test_version_whose_artifacts_are_gone_is_refused(store, built):
    candidate = register(store, built)
    shutil.rmtree(voice_folder_of(store, candidate))
    with pytest.raises(CandidateError, match=r"bob version 1 is not .* registered: gpt/model\.safetensors is missing"):
        voice_folder_of(store, candidate)


def test_changed_scorecard_or_tag_is_found(store, built):
    candidate = register(store, built)
    mlflow_client(store).set_model_version_tag("bob", "1", "scores_sha256", "0" * 64)
    with pytest.raises(CandidateError, match=r"scorecard\.json of bob version 1 is not what was registered"):
        scorecard_of(store, find_candidate(store, "bob", 1))
    with pytest.raises(CandidateError, match="its tags changed"):
        voice_folder_of(store, find_candidate(store, "bob", 1))
    assert scorecard_of(store, candidate) == scorecard("bob")


def test_unknown_voice_version_or_id_is_refused(store):
    with pytest.raises(CandidateError, match="bob has no registered candidate at all"):
        find_candidate(store, "bob")
    with pytest.raises(CandidateError, match="anna has no version 9"):
        find_candidate(store, "anna", 9)
    with pytest.raises(CandidateError, match="anna has no registered candidate with the id"):
        find_candidate(store, "anna", candidate_id="0" * 64)
    with pytest.raises(CandidateError, match="is not a candidate id"):
        find_candidate(store, "anna", candidate_id="x' or '1'='1")
    with pytest.raises(CandidateError, match="is not a voice name"):
        find_candidate(store, "anna' or name='bob")


def test_version_registered_by_hand_is_refused(store, built):
    client = mlflow_client(store)
    client.create_registered_model("bob")
    client.create_model_version("bob", source=(built / "voice").as_uri())
    with pytest.raises(CandidateError, match=r"lacks the tags candidate_id.*did not register it"):
        find_candidate(store, "bob", 1)
    with pytest.raises(CandidateError, match="bob has no registered candidate at all"):
        find_candidate(store, "bob")


def test_missing_lineage_weights_scores_or_files_are_refused(store, built):
    with pytest.raises(CandidateError, match="lacks git_commit"):
        register(store, built, git_commit="")
    scores = {"scorecard_path": built / "scorecard.json", "lineage": LINEAGE}
    with pytest.raises(CandidateError, match="scores the voice 'bob', not 'anna'"):
        register_candidate(store, "anna", voice_folder=built / "voice", **scores)
    (built / "plain").mkdir()
    (built / "plain" / "preset.json").write_text("{}")
    with pytest.raises(CandidateError, match=r"has no \*\.safetensors"):
        register_candidate(store, "bob", voice_folder=built / "plain", **scores)
    with pytest.raises(CandidateError, match="is not a folder"):
        register_candidate(store, "bob", voice_folder=built / "absent", **scores)
    (built / "voice" / "link.safetensors").symlink_to(built / "scorecard.json")
    with pytest.raises(CandidateError, match="is a link"):
        register(store, built)
    (built / "scorecard.json").unlink()
    with pytest.raises(ValueError, match="no scorecard there"):
        register(store, built)


def test_missing_changed_or_outside_audio_is_refused(store, built):
    (built / "audio" / "p000_0.flac").unlink()
    (built / "audio" / "p001_0.flac").write_text("other sound")
    with pytest.raises(CandidateError, match=r"p000_0\.flac is missing; .*p001_0\.flac is not the audio"):
        register(store, built)
    write_scores(built, scorecard("bob", rows=[utterance(0, 0, audio="../outside.flac")], seeds=(0,)))
    with pytest.raises(CandidateError, match="lies outside"):
        register(store, built)


def test_utterance_that_was_never_spoken_needs_no_audio(store, built):
    silent = utterance(0, 0, 10, None, failures=("empty",), audio="", audio_sha256="", seconds=0.0)
    write_scores(built, scorecard("bob", rows=[silent, utterance(1, 0)], seeds=(0,)))
    assert register(store, built).version == 1


def test_registered_model_speaks_through_mlflow(store, built, monkeypatch):
    """The pyfunc loads the voice's folder and speaks with its seed. The test replaces the synthesis."""
    import mlflow

    @dataclass
    class Speech:
        waveform: np.ndarray
        sample_rate: int

    class Synthesizer:
        def __init__(self, folder: Path) -> None:
            self.folder, self.preset = folder, PRESET.model_copy(update={"other_languages": ("zh",)})

        def say(self, text: str, seed: int = 0, language: str | None = None) -> Speech:
            if language == "zh":
                return Speech(np.ones(1, dtype=np.float32), 16000)
            assert (self.folder / "gpt" / "model.safetensors").read_text() == "gpt weights"
            return Speech(np.full(len(text), seed / 10, dtype=np.float32), 32000)

    monkeypatch.setitem(vars(gpt_sovits), "load_voice", Synthesizer)
    register(store, built)
    mlflow.set_tracking_uri(store.tracking_uri)
    model = mlflow.pyfunc.load_model("models:/bob/1")
    assert [spec.name for spec in model.metadata.get_input_schema().inputs] == ["text"]
    import pandas

    said = model.predict(pandas.DataFrame({"text": ["hello", "hi"]}), params={"seed": 5})
    assert [len(speech["waveform"]) for speech in said] == [5, 2]
    assert said[0]["sample_rate"] == 32000 and said[0]["waveform"][0] == 0.5
    (mandarin,) = model.predict(pandas.DataFrame({"text": ["你好"]}), params={"language": "zh"})
    assert mandarin["sample_rate"] == 16000
    with pytest.raises(ValueError, match="not scored in 'ja', only in en, zh"):
        model.predict(pandas.DataFrame({"text": ["hello"]}), params={"language": "ja"})
    assert not list((Path(voice_folder_of(store, find_candidate(store, "bob"))).parents[1]).rglob("*.pkl"))


def test_preset_that_was_not_scored_as_it_is_cannot_be_registered(store, built):
    (built / "voice/presets").mkdir()
    (built / "voice/presets/dialogue.json").write_text("{}")
    for presets in ([], [preset_scores(settings_sha256="5" * 64)]):
        write_scores(built, scorecard("bob", presets=presets))
        with pytest.raises(CandidateError, match="the preset dialogue is not the one that was scored"):
            register(store, built)
    settings = preset_sha256(built / "voice", "dialogue")
    write_scores(built, scorecard("bob", presets=[preset_scores(settings_sha256=settings)]))
    candidate = register(store, built)
    assert (score_folder_of(store, candidate) / "audio/preset_dialogue/p000_0.flac").is_file()
    assert mlflow_client(store).get_run(candidate.run_id).data.metrics["preset_dialogue_wer"] == pytest.approx(0.1)
