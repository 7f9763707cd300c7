"""Register a voice with its scores as a version of its model in MLflow, once, whole or not at all."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.recounting import find_miscounts
from metrics.scores import Scorecard, load_scorecard, pooled
from registry.candidates.artifacts import download, find_local
from registry.candidates.candidate import (
    LINEAGE,
    LINEAGE_FILES,
    MODEL_FILES,
    PAIRS,
    RECORD_FOLDER,
    SCORECARD,
    Candidate,
    as_candidate,
    check_name,
    find_versions,
    model_folder_of,
    score_folder_of,
)
from registry.candidates.fingerprint import (
    CandidateError,
    all_rows,
    check_audio,
    check_presets,
    files_below,
    hash_candidate,
    hash_files,
    hash_model,
    hash_weights,
)
from registry.candidates.signed_registrations import record_registration
from registry.files import file_sha256
from registry.storage.database import exclusive_lock, sha256_text
from registry.storage.model_version import VersionRow
from registry.storage.moved_project import rebase_addresses
from registry.storage.store import Store, mlflow_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

VOICE_MODEL = Path(__file__).with_name("voice_model.py")
TRACKING = "MLFLOW_TRACKING_URI"
VOICE = "voice"  # name of the voice's folder in a model
N_UPLOADS = 8  # at once: a server answers each of 300 small files in a tenth of a second


def register_candidate(
    store: Store,
    voice: str,
    *,
    voice_folder: Path,
    scorecard_path: Path,
    lineage: Mapping[str, str],
    lineage_files: Mapping[str, str] | None = None,
) -> Candidate:
    """Register a voice with its scores, once. An equal candidate that is already registered is returned unchanged.

    A process killed at any point leaves no version, or a whole one. The next call closes the run that it left open.

    Args:
        store: Where MLflow is.
        voice: The voice's name, which becomes the name of the registered model.
        voice_folder: Weights and preset of the voice.
        scorecard_path: scorecard.json in its score folder, beside the audio that was scored.
        lineage: A value for each name in LINEAGE.
        lineage_files: The text for each name in LINEAGE_FILES. Without them nobody can follow the hashes to the data.

    Raises:
        CandidateError: Lineage, files or audio are missing or are not what was scored, or the scores do not add up.
        JournalError: The voice's journal is broken, so nothing may be added to it.
        SigningError: There is no trusted key to sign with.
        ValueError: The scorecard is unreadable.
    """
    # 1. Check that everything that was scored is there and adds up, and hash it
    check_name(voice)
    if missing := [name for name in LINEAGE if not lineage.get(name)]:
        raise CandidateError(f"the lineage of {voice} lacks {', '.join(missing)}; name where the candidate comes from")
    submission = _check_submission(voice, voice_folder, scorecard_path, lineage, lineage_files or {})
    # 2. One registration of a voice at a time, so that two processes do not make two versions
    with exclusive_lock(store, f"register-{voice}"):
        client = mlflow_client(store)
        found = find_versions(store, voice, submission.tags["candidate_id"])
        # 3. Close what a killed process left open
        experiment_id = ensure_experiment(client, store, voice)
        _close_abandoned_runs(client, experiment_id, {version.run_id for version in found})
        # 4. Return the version that is there already and whole, or make one
        return _find_whole(store, found) or _create_version(client, store, experiment_id, submission)


@dataclass(frozen=True)
class _Submission:
    """What is registered: a voice with its scores, checked and hashed."""

    voice: str
    voice_folder: Path
    score_folder: Path
    scorecard: Scorecard
    files: dict[str, str]  # sha256 of each of the voice's files
    tags: dict[str, str]  # of the version, but for the model's hash
    lineage_files: Mapping[str, str]  # the text of each, by name


def _check_submission(
    voice: str,
    voice_folder: Path,
    scorecard_path: Path,
    lineage: Mapping[str, str],
    lineage_files: Mapping[str, str],
) -> _Submission:
    for name, text in lineage_files.items():
        if sha256_text(text) != lineage.get(LINEAGE_FILES.get(name, "")):
            raise CandidateError(f"{name} of {voice} is not what the lineage has the hash of; hash the text itself")
    scorecard = load_scorecard(scorecard_path)
    if scorecard.voice != voice:
        raise CandidateError(f"{scorecard_path} scores the voice {scorecard.voice!r}, not {voice!r}")
    if scorecard_path.name != SCORECARD:
        raise CandidateError(f"{scorecard_path} must be named {SCORECARD}, as the evaluate stage names it")
    check_audio(scorecard, scorecard_path.parent)
    if faults := find_miscounts(scorecard):
        raise CandidateError(f"{scorecard_path}: {'; '.join(faults)}; run the evaluate stage again")
    check_presets(scorecard, voice_folder)
    files, scores_sha256 = hash_files(voice_folder), file_sha256(scorecard_path)
    pairs = scorecard_path.with_name(PAIRS)
    candidate_id = hash_candidate(voice, files, scores_sha256=scores_sha256, prompts_sha256=scorecard.prompts_sha256)
    tags = {
        **lineage,
        "candidate_id": candidate_id,
        "weights_sha256": hash_weights(files, voice_folder),
        "scores_sha256": scores_sha256,
        "prompts_sha256": scorecard.prompts_sha256,
        **({"pairs_sha256": file_sha256(pairs)} if pairs.is_file() else {}),
        "voice_path": f"artifacts/{VOICE}",
    }
    return _Submission(voice, voice_folder, scorecard_path.parent, scorecard, files, tags, lineage_files)


def _find_whole(store: Store, versions: list[Any]) -> Candidate | None:
    """Return the newest version whose files are as registered, so that a damaged one can be registered again."""
    for version in versions:
        try:
            candidate = as_candidate(version)
            model_folder_of(store, candidate)
            score_folder_of(store, candidate)
        except CandidateError:
            continue
        return candidate
    return None


def _create_version(client: MlflowClient, store: Store, experiment_id: str, submission: _Submission) -> Candidate:
    import mlflow

    voice, tags = submission.voice, submission.tags
    # 1. A run with the scores and everything that was scored
    with (
        tracking_at(store),
        mlflow.start_run(experiment_id=experiment_id, run_name=f"register {voice}", tags=tags) as run,
    ):
        run_id = run.info.run_id
        for name, value in _figures(submission.scorecard).items():
            mlflow.log_metric(name, value)
        _log_scores(client, run_id, submission)
        for name, text in submission.lineage_files.items():
            client.log_text(run_id, text, f"{RECORD_FOLDER}/{name}")
        # 2. The voice as a model that speaks. MLflow's advice is kept off the terminal: an example would make it load
        # the voice and speak at every registration, and a type hint on predict would replace the signature. It is
        # recorded and not filtered, because MLflow resets the filters
        with warnings.catch_warnings(record=True), tempfile.TemporaryDirectory(prefix="voice-") as folder:
            # from a folder with a plain name, because MLflow takes a % in a path for an escape
            copy = shutil.copytree(submission.voice_folder, Path(folder) / VOICE)
            logged = mlflow.pyfunc.log_model(
                name="voice",
                python_model=str(VOICE_MODEL),
                artifacts={VOICE: str(copy)},
                signature=_signature(),
                pip_requirements=_requirements(),
            )
        # 3. The hash of every file that MLflow keeps of the model, read back from where it is kept
        model_files = _hash_logged_model(client, store, logged.model_id, submission)
        mlflow.log_dict(model_files, f"{RECORD_FOLDER}/{MODEL_FILES}")
        tags = tags | {"model_sha256": hash_model(model_files)}
        _ensure_registered_model(client, voice)
        # 4. Sign what it is. A row without its version is harmless, a version without its row would not count
        record_registration(store, voice, tags)
        # 5. The version appears last and with all its tags, so at no moment can half of one be found
        client.create_model_version(voice, source=logged.model_uri, run_id=run_id, tags=tags, model_id=logged.model_id)
        # 6. MLflow's client asks again where an answer is lost, and each question makes a version
        return as_candidate(_keep_first_version(client, store, voice, tags))


def _keep_first_version(client: MlflowClient, store: Store, voice: str, tags: Mapping[str, str]) -> VersionRow:
    """Return the version that was made of a logged model just now, and delete copies of it.

    Raises:
        CandidateError: MLflow has no such version.
    """
    found = find_versions(store, voice, tags["candidate_id"])
    made = sorted(
        (row for row in found if row.tags.get("model_sha256") == tags["model_sha256"]), key=lambda row: row.version
    )
    if not made:
        raise CandidateError(f"MLflow made no version of {voice} and gave no error; register the candidate again")
    for copy in made[1:]:
        client.delete_model_version(voice, str(copy.version))
    return made[0]


@contextmanager
def tracking_at(store: Store) -> Iterator[None]:
    """Let MLflow's own functions use a store's MLflow, and leave the environment as it was.

    MLflow sets MLFLOW_TRACKING_URI, which would then decide where the next store of this process is.
    """
    import mlflow

    before = os.environ.get(TRACKING)
    try:
        mlflow.set_tracking_uri(store.tracking_uri)
        mlflow.set_registry_uri(store.tracking_uri)
        yield
    finally:
        if before is None:
            os.environ.pop(TRACKING, None)
        else:
            os.environ[TRACKING] = before


def _figures(scorecard: Scorecard) -> dict[str, float]:
    """Return the pooled figures that MLflow plots. The scorecard also holds what could not be measured."""
    figures = dict(scorecard.figures())
    for part in scorecard.other_languages:
        figures |= {f"{part.language}_{name}": value for name, value in pooled(part.rows).items()}
    for part in scorecard.presets:
        figures |= {f"preset_{part.name}_{name}": value for name, value in pooled(part.rows).items()}
    for part in scorecard.lanes:
        figures |= {f"lane_{part.name}_{name}": value for name, value in pooled(part.rows).items()}
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _log_scores(client: MlflowClient, run_id: str, submission: _Submission) -> None:
    """Log the score folder, because what a champion said must stay there to be heard and scored again."""
    folder = submission.score_folder
    names = {row.audio for row in all_rows(submission.scorecard) if row.audio} | {SCORECARD}
    if "pairs_sha256" in submission.tags:
        names.add(PAIRS)

    def log(name: str) -> None:
        client.log_artifact(run_id, str(folder / name), (Path(RECORD_FOLDER) / name).parent.as_posix())

    with ThreadPoolExecutor(N_UPLOADS) as pool:
        list(pool.map(log, sorted(names)))  # raises what an upload raised


def _hash_logged_model(client: MlflowClient, store: Store, model_id: str, submission: _Submission) -> dict[str, str]:
    """Return the hash of each file of a logged model, after a check that it holds the voice and our code.

    Raises:
        CandidateError: The artifact store holds something else than was logged.
    """
    location = client.get_logged_model(model_id).artifact_location
    folder = find_local(store, location)
    if folder is not None:
        files = hash_files(folder)
    else:
        with tempfile.TemporaryDirectory(prefix="registered-") as name:
            copy = Path(name) / "model"
            copy.mkdir()
            download(store, location, copy, what=f"the new model of {submission.voice}")
            files = hash_files(copy)
    is_right = files_below(files, submission.tags["voice_path"]) == submission.files and files.get(
        VOICE_MODEL.name
    ) == file_sha256(VOICE_MODEL)
    if not is_right:
        raise CandidateError(
            f"the artifact store does not return the model of {submission.voice} as it was logged; check the store and "
            "register the candidate again"
        )
    return files


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
    rebase_addresses(store, experiment.artifact_location)  # else a copied project would write into the original
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
