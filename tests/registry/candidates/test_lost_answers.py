"""An MLflow server whose answers are lost, which its client asks again."""

from __future__ import annotations

from mlflow import MlflowClient
from release_helpers import LINEAGE, scorecard, write_scores, write_voice_folder

from registry.candidates.candidate import find_versions, voice_folder_of
from registry.candidates.registration import register_candidate


def test_version_that_was_made_twice_is_kept_once(store, tmp_path, monkeypatch):
    create = MlflowClient.create_model_version

    def create_twice(*arguments, **named):
        create(*arguments, **named)
        return create(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "create_model_version", create_twice)
    voice_folder = write_voice_folder(tmp_path / "build/voice", "weights 4")
    scores = write_scores(tmp_path / "build", scorecard(wer=0.1))
    arguments = {"voice_folder": voice_folder, "scorecard_path": scores, "lineage": LINEAGE}
    candidate = register_candidate(store, "anna", **arguments)
    assert candidate.version == 4
    assert [row.version for row in find_versions(store, "anna", candidate.candidate_id)] == [4]
    assert voice_folder_of(store, candidate).is_dir()
    assert register_candidate(store, "anna", **arguments).version == 4
