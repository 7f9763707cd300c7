"""Candidates: a voice's folder and its scorecard as one MLflow model version.

The candidate id is a hash over every file of the voice, the scorecard and the prompts. So registering an equal voice
twice gives the same version, and a version whose files were changed later is found by computing the id again.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.scores import Scorecard, load_scorecard, pooled
from registry.candidates.fingerprint import (
    CandidateError,
    all_rows,
    check_audio,
    hash_candidate,
    hash_files,
    hash_weights,
)
from registry.consent.record import VOICE_NAME
from registry.files import file_sha256
from registry.storage.database import exclusive_lock
from registry.storage.mlflow_versions import local_artifact, read_version
from registry.storage.store import Store, mlflow_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What the caller must say about the origin of a candidate. Prompts and weights are hashed here
LINEAGE = ("git_commit", "dvc_lock_sha256", "params_sha256", "data_manifest_sha256")
SCORECARD = "scorecard.json"
PAIRS = "pairs.csv"
RECORD_FOLDER = "candidate"  # in the run's artifacts: the score folder (scorecard, audio, pairs) and files.json


@dataclass(frozen=True)
class Candidate:
    """One registered model version.

    Invariant: `candidate_id` is the hash of the voice's files, the scorecard and the prompts at registration.
    """

    voice: str
    version: int
    candidate_id: str
    run_id: str
    weights_sha256: str
    scores_sha256: str
    prompts_sha256: str
    voice_path: str  # path of the voice's folder inside the model
    tags: dict[str, str]


def register_candidate(
    store: Store, voice: str, *, voice_folder: Path, scorecard_path: Path, lineage: Mapping[str, str]
) -> Candidate:
    """Register a voice with its scores, once. An equal candidate that is already registered is returned unchanged.

    A process killed at any point leaves no version, or a whole one. The next call closes the run that it left open.

    Args:
        store: Where MLflow is.
        voice: The voice's name, which becomes the name of the registered model.
        voice_folder: Weights and preset of the voice.
        scorecard_path: scorecard.json in its score folder, beside the audio that was scored.
        lineage: A value for each name in LINEAGE.

    Raises:
        CandidateError: Lineage, files or audio are missing or are not what was scored.
        ValueError: The scorecard is unreadable.
    """
    # 1. Check that everything that was scored is there, and hash it
    _check_name(voice)
    if missing := [name for name in LINEAGE if not lineage.get(name)]:
        raise CandidateError(f"the lineage of {voice} lacks {', '.join(missing)}; name where the candidate comes from")
    scorecard = load_scorecard(scorecard_path)
    if scorecard.voice != voice:
        raise CandidateError(f"{scorecard_path} scores the voice {scorecard.voice!r}, not {voice!r}")
    if scorecard_path.name != SCORECARD:
        raise CandidateError(f"{scorecard_path} must be named {SCORECARD}, as the evaluate stage names it")
    check_audio(scorecard, scorecard_path.parent)
    files, scores_sha256 = hash_files(voice_folder), file_sha256(scorecard_path)
    pairs = scorecard_path.with_name(PAIRS)
    tags = {
        **lineage,
        "candidate_id": hash_candidate(
            voice, files, scores_sha256=scores_sha256, prompts_sha256=scorecard.prompts_sha256
        ),
        "weights_sha256": hash_weights(files, voice_folder),
        "scores_sha256": scores_sha256,
        "prompts_sha256": scorecard.prompts_sha256,
        **({"pairs_sha256": file_sha256(pairs)} if pairs.is_file() else {}),
        "voice_path": f"artifacts/{voice_folder.absolute().name}",
    }
    # 2. One registration of a voice at a time, so that two processes do not make two versions
    with exclusive_lock(store, f"register-{voice}"):
        client = mlflow_client(store)
        found = _find_versions(client, voice, tags["candidate_id"])
        # 3. Close what a killed process left open
        experiment_id = ensure_experiment(client, store, voice)
        _close_abandoned_runs(client, experiment_id, {version.run_id for version in found})
        # 4. Return the version that is there already, or make one
        if found:
            return _as_candidate(found[0])
        return _create_version(
            client, store, experiment_id, voice, voice_folder, scorecard_path, scorecard, files, tags
        )


def find_candidate(store: Store, voice: str, version: int | None = None, candidate_id: str | None = None) -> Candidate:
    """Return a registered candidate by version or id, or the newest one.

    Args:
        store: Where MLflow is.
        voice: The voice's name.
        version: MLflow's version number, None for any.
        candidate_id: The id that it must have, None for any.

    Raises:
        CandidateError: There is no such candidate.
    """
    _check_name(voice)
    if version is not None and (row := read_version(store, voice, version)) is not None:
        return _check_id(_as_candidate(row), candidate_id)
    client = mlflow_client(store)
    from mlflow.exceptions import MlflowException

    if version is not None:
        try:
            found = [client.get_model_version(voice, str(version))]
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise CandidateError(f"{voice} has no version {version} (any more); `vox releases` lists them") from error
    else:
        found = _find_versions(client, voice, candidate_id)
    if not found:
        which = f"with the id {candidate_id}" if candidate_id else "at all"
        raise CandidateError(f"{voice} has no candidate {which}; register one with `vox run {voice}`")
    return _check_id(_as_candidate(found[0]), candidate_id)


def _check_id(candidate: Candidate, candidate_id: str | None) -> Candidate:
    if candidate_id is not None and candidate.candidate_id != candidate_id:
        which = f"version {candidate.version} of {candidate.voice}"
        raise CandidateError(f"{which} is candidate {candidate.candidate_id}, not {candidate_id}")
    return candidate


def scorecard_of(store: Store, candidate: Candidate) -> Scorecard:
    """Return the scorecard that was registered with a candidate.

    Raises:
        CandidateError: Its bytes have changed.
    """
    path = download_artifact(store, candidate, f"runs:/{candidate.run_id}/{RECORD_FOLDER}/{SCORECARD}")
    return _load_checked_scorecard(candidate, path)


def voice_folder_of(store: Store, candidate: Candidate) -> Path:
    """Return the voice's folder of a candidate, with every byte as registered.

    Raises:
        CandidateError: A file is missing, changed or new.
    """
    model = f"models:/{candidate.voice}/{candidate.version}"
    folder = local_artifact(store, candidate.voice, candidate.version, candidate.voice_path)
    if folder is None:
        folder = download_artifact(store, candidate, f"{model}/{candidate.voice_path}")
    files = hash_files(folder)
    seen = hash_candidate(
        candidate.voice, files, scores_sha256=candidate.scores_sha256, prompts_sha256=candidate.prompts_sha256
    )
    if seen != candidate.candidate_id:
        raise CandidateError(
            f"{candidate.voice} version {candidate.version} is not what was registered: "
            f"{_describe_changes(store, candidate, files)}; restore the artifact store or register the candidate again"
        )
    return folder


def score_folder_of(store: Store, candidate: Candidate) -> Path:
    """Return the folder with a candidate's scorecard, its checkpoint pairs and all audio that was scored.

    Raises:
        CandidateError: A byte has changed since the registration, or a file is missing.
    """
    folder = download_artifact(store, candidate, f"runs:/{candidate.run_id}/{RECORD_FOLDER}")
    check_audio(_load_checked_scorecard(candidate, folder / SCORECARD), folder)
    registered = candidate.tags.get("pairs_sha256")
    if registered and ((folder / PAIRS).is_file() and file_sha256(folder / PAIRS)) != registered:
        raise CandidateError(
            f"{PAIRS} of {candidate.voice} version {candidate.version} is not what was registered; "
            "restore the artifact store or register the candidate again"
        )
    return folder


def _load_checked_scorecard(candidate: Candidate, path: Path) -> Scorecard:
    if file_sha256(path) != candidate.scores_sha256:
        raise CandidateError(
            f"the scorecard of {candidate.voice} version {candidate.version} was changed since it was registered; "
            "restore the artifact store or register the candidate again"
        )
    return load_scorecard(path)


def _create_version(
    client: MlflowClient,
    store: Store,
    experiment_id: str,
    voice: str,
    voice_folder: Path,
    scorecard_path: Path,
    scorecard: Scorecard,
    files: dict[str, str],
    tags: dict[str, str],
) -> Candidate:
    import mlflow

    mlflow.set_tracking_uri(store.tracking_uri)
    mlflow.set_registry_uri(store.tracking_uri)
    # 1. A run with the scores and everything that was scored
    with mlflow.start_run(experiment_id=experiment_id, run_name=f"register {voice}", tags=tags) as run:
        for metric, value in scorecard.figures().items():
            if not math.isnan(value):  # MLflow plots numbers; the scorecard also holds what could not be measured
                mlflow.log_metric(metric, value)
        for part in scorecard.other_languages:
            for metric, value in pooled(part.rows).items():
                if not math.isnan(value):
                    mlflow.log_metric(f"{part.language}_{metric}", value)
        _log_scores(scorecard, scorecard_path.parent)
        mlflow.log_dict(files, f"{RECORD_FOLDER}/files.json")
        # 2. The voice as a model that speaks. MLflow's advice is kept off the terminal: an example would make it load
        # the voice and speak at every registration, and a type hint on predict would replace the signature. It is
        # recorded and not filtered, because MLflow resets the filters
        with warnings.catch_warnings(record=True):
            logged = mlflow.pyfunc.log_model(
                name="voice",
                python_model=str(Path(__file__).with_name("voice_model.py")),
                artifacts={"voice": str(voice_folder)},
                signature=_signature(),
                pip_requirements=_requirements(),
            )
        _ensure_registered_model(client, voice)
        # 3. The version appears last and with all its tags, so at no moment can half of one be found
        version = client.create_model_version(
            voice, source=logged.model_uri, run_id=run.info.run_id, tags=tags, model_id=logged.model_id
        )
    return _as_candidate(version)


def _log_scores(scorecard: Scorecard, folder: Path) -> None:
    """Log the score folder, because what a champion said must stay there to be heard and scored again."""
    import mlflow

    names = {row.audio for row in all_rows(scorecard) if row.audio}
    for name in sorted(names | {SCORECARD} | ({PAIRS} if (folder / PAIRS).is_file() else set())):
        mlflow.log_artifact(str(folder / name), (Path(RECORD_FOLDER) / name).parent.as_posix())


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "text")]),
        outputs=Schema([ColSpec(Array(DataType.double), "waveform"), ColSpec(DataType.long, "sample_rate")]),
        params=ParamSchema([ParamSpec("seed", DataType.long, 0), ParamSpec("language", DataType.string, "")]),
    )


def _requirements() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("mlflow", "torch", "numpy", "safetensors")]


def _find_versions(client: MlflowClient, voice: str, candidate_id: str | None) -> list[Any]:
    """Return the versions of a voice, or those with an id, newest first."""
    query = f"name='{voice}'"
    if candidate_id is not None:
        if not re.fullmatch(r"[0-9a-f]{64}", candidate_id):
            raise CandidateError(f"{candidate_id!r} is not a candidate id; one has 64 hex digits")
        query += f" and tags.candidate_id='{candidate_id}'"
    return list(client.search_model_versions(query, order_by=["version_number DESC"]))


def _as_candidate(version: Any) -> Candidate:
    tags = dict(version.tags)
    names = ("candidate_id", "weights_sha256", "scores_sha256", "prompts_sha256", "voice_path")
    if missing := [name for name in names if name not in tags]:
        raise CandidateError(
            f"version {version.version} of {version.name} lacks the tags {', '.join(missing)}: "
            "it was not registered by Voxfoundry; register it with `vox run`"
        )
    return Candidate(
        voice=version.name,
        version=int(version.version),
        run_id=version.run_id,
        tags=tags,
        **{name: tags[name] for name in names},
    )


def ensure_experiment(client: MlflowClient, store: Store, voice: str) -> str:
    """Return the id of a voice's MLflow experiment, which is made if there is none.

    Args:
        client: A client of the store's MLflow.
        store: Where a new experiment keeps its artifacts.
        voice: The voice's name, which is the experiment's name.

    Raises:
        CandidateError: The experiment was deleted.
    """
    experiment = client.get_experiment_by_name(voice)
    if experiment is None:
        return client.create_experiment(voice, artifact_location=store.artifacts)
    if experiment.lifecycle_stage != "active":
        raise CandidateError(f"the MLflow experiment {voice!r} is deleted; restore it (`mlflow experiments restore`)")
    return experiment.experiment_id


def _close_abandoned_runs(client: MlflowClient, experiment_id: str, finished: set[str]) -> None:
    """End the runs that a killed process left open. The caller holds the lock, so nobody is writing them."""
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        # a run that was killed after its version appeared had done all its work
        status = "FINISHED" if run.info.run_id in finished else "KILLED"
        client.set_terminated(run.info.run_id, status)


def _ensure_registered_model(client: MlflowClient, voice: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(voice)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def download_artifact(store: Store, candidate: Candidate, uri: str) -> Path:
    """Return the local path of an artifact: the file itself where artifacts are local, else a copy.

    Args:
        store: Where MLflow is.
        candidate: Whose artifact it is.
        uri: `runs:/RUN/PATH` or `models:/NAME/VERSION/PATH`.

    Raises:
        CandidateError: The artifact cannot be read.
    """
    client = mlflow_client(store)
    import mlflow
    from mlflow.exceptions import MlflowException

    run = f"runs:/{candidate.run_id}/"
    try:
        if uri.startswith(run):  # by the run's own address, because MLflow copies runs:/ even where it is local
            uri = f"{client.get_run(candidate.run_id).info.artifact_uri}/{uri.removeprefix(run)}"
        return Path(
            mlflow.artifacts.download_artifacts(uri, tracking_uri=store.tracking_uri, registry_uri=store.tracking_uri)
        )
    except (MlflowException, OSError) as error:
        raise CandidateError(
            f"{candidate.voice} version {candidate.version}: {uri} cannot be read ({error}); restore the artifact store"
        ) from error


def _describe_changes(store: Store, candidate: Candidate, files: dict[str, str]) -> str:
    path = download_artifact(store, candidate, f"runs:/{candidate.run_id}/{RECORD_FOLDER}/files.json")
    registered = json.loads(path.read_text(encoding="utf-8"))
    changed = sorted(name for name in files.keys() | registered.keys() if files.get(name) != registered.get(name))
    return f"{', '.join(changed[:5])} changed" if changed else "its tags changed"


def _check_name(voice: str) -> None:
    if not re.fullmatch(VOICE_NAME, voice):
        raise CandidateError(f"{voice!r} is not a voice name; use letters, digits, - and _")
