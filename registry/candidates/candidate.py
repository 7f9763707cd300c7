"""Candidates: a voice's folder and its scorecard as one MLflow model version.

The candidate id is a hash over every file of the voice, the scorecard and the prompts. So registering an equal voice
twice gives the same version, and a version whose files were changed later is found by computing the id again. The
model's hash covers every file of the version's model, also the code and the settings that MLflow put beside the voice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.recounting import find_miscounts
from metrics.scores import Scorecard, load_scorecard
from registry.candidates.artifacts import download, find_local, keep_copy
from registry.candidates.fingerprint import (
    CandidateError,
    check_audio,
    files_below,
    hash_candidate,
    hash_files,
    hash_model,
    hash_weights,
)
from registry.candidates.signed_registrations import why_not_registered
from registry.consent.record import VOICE_NAME
from registry.files import file_sha256
from registry.storage import model_registry
from registry.storage.database import sha256_text
from registry.storage.model_registry import find_version, run_location, version_location
from registry.storage.model_version import VersionRow
from registry.storage.store import Store

# What the caller must say about the origin of a candidate. Prompts and weights are hashed here
LINEAGE = ("git_commit", "dvc_lock_sha256", "params_sha256", "data_manifest_sha256")
# The texts behind two of these hashes. They are kept with the scores, so that the hashes can be followed to the data
LINEAGE_FILES = {"dvc_lock.json": "dvc_lock_sha256", "params.json": "params_sha256"}
SCORECARD = "scorecard.json"
PAIRS = "pairs.csv"
MODEL_FILES = "model_files.json"
RECORD_FOLDER = "candidate"  # in the run's artifacts: scorecard, audio, pairs, MODEL_FILES and LINEAGE_FILES
RESTORE = "restore the artifact store or register the candidate again"


@dataclass(frozen=True)
class Candidate:
    """One registered model version.

    Invariants at registration: `candidate_id` is the hash of the voice's files, the scorecard and the prompts, and
    `model_sha256` is the hash of every file of the model, the voice's among them.
    """

    voice: str
    version: int
    candidate_id: str
    run_id: str
    model_sha256: str
    weights_sha256: str
    scores_sha256: str
    prompts_sha256: str
    voice_path: str  # path of the voice's folder inside the model
    tags: dict[str, str]


def find_candidate(store: Store, voice: str, version: int | None = None, candidate_id: str | None = None) -> Candidate:
    """Return a candidate by version, or the newest one that was registered, by id or at all.

    A version that somebody put into MLflow by hand is returned only where it is named. What reads its files refuses it.

    Args:
        store: Where MLflow is.
        voice: The voice's name.
        version: MLflow's version number, None for any.
        candidate_id: The id that it must have, None for any.

    Raises:
        CandidateError: There is no such candidate.
    """
    check_name(voice)
    if version is not None:
        if (row := find_version(store, voice, version)) is None:
            raise CandidateError(f"{voice} has no version {version} (any more); `vox releases` lists them")
        return _check_id(as_candidate(row), candidate_id)
    for candidate in _candidates(find_versions(store, voice, candidate_id)):
        if why_not_registered(store, voice, candidate.tags) is None:
            return candidate
    which = f"with the id {candidate_id}" if candidate_id else "at all"
    raise CandidateError(f"{voice} has no registered candidate {which}; register one with `vox run {voice}`")


def _candidates(versions: Iterable[VersionRow]) -> Iterator[Candidate]:
    """Yield the versions that have a candidate's tags. Others were put into MLflow by hand and are passed over."""
    for version in versions:
        with suppress(CandidateError):
            yield as_candidate(version)


def _check_id(candidate: Candidate, candidate_id: str | None) -> Candidate:
    if candidate_id is not None and candidate.candidate_id != candidate_id:
        which = f"version {candidate.version} of {candidate.voice}"
        raise CandidateError(f"{which} is candidate {candidate.candidate_id}, not {candidate_id}")
    return candidate


def model_folder_of(store: Store, candidate: Candidate) -> Path:
    """Return the folder of a version's model, with every file as registered: the voice, and what MLflow put beside it.

    Raises:
        CandidateError: A file is missing, changed or new, or no signed registration is about exactly this version.
    """

    def check(folder: Path) -> None:
        files = hash_files(folder)
        if hash_model(files) != candidate.model_sha256:
            raise _changed(store, candidate, files)
        voice_files = files_below(files, candidate.voice_path)
        seen = hash_candidate(
            candidate.voice,
            voice_files,
            scores_sha256=candidate.scores_sha256,
            prompts_sha256=candidate.prompts_sha256,
        )
        if seen != candidate.candidate_id or hash_weights(voice_files, folder) != candidate.weights_sha256:
            raise _changed(store, candidate, files)

    def fetch(folder: Path) -> None:
        download(store, location, folder, what=_name(candidate))

    if reason := why_not_registered(store, candidate.voice, candidate.tags):
        raise CandidateError(f"{_name(candidate)} is not what was registered: {reason}; {RESTORE}")
    location = version_location(store, candidate.voice, candidate.version)
    if location is None:
        raise CandidateError(f"{_name(candidate)} is gone from MLflow; {RESTORE}")
    folder = find_local(store, location)
    if folder is None:
        return keep_copy(store, candidate.model_sha256, fetch=fetch, check=check)
    check(folder)
    return folder


def voice_folder_of(store: Store, candidate: Candidate) -> Path:
    """Return the voice's folder of a candidate, with every byte as registered, and those of the model around it too.

    Raises:
        CandidateError: A file is missing, changed or new.
    """
    return model_folder_of(store, candidate) / candidate.voice_path


def scorecard_of(store: Store, candidate: Candidate) -> Scorecard:
    """Return the scorecard that was registered with a candidate.

    Raises:
        CandidateError: Its bytes have changed.
    """
    path = f"{RECORD_FOLDER}/{SCORECARD}"
    return load_scorecard(run_file(store, candidate, candidate.run_id, path, sha256=candidate.scores_sha256))


def score_folder_of(store: Store, candidate: Candidate) -> Path:
    """Return the folder with a candidate's scorecard, its checkpoint pairs and all audio that was scored.

    Raises:
        CandidateError: A byte has changed since the registration, or a file is missing.
    """
    pairs_sha256 = candidate.tags.get("pairs_sha256", "")

    def check(folder: Path) -> None:
        _check_file(candidate, folder / SCORECARD, candidate.scores_sha256)
        check_audio(load_scorecard(folder / SCORECARD), folder)
        if pairs_sha256:
            _check_file(candidate, folder / PAIRS, pairs_sha256)

    location = f"{_run_location(store, candidate, candidate.run_id)}/{RECORD_FOLDER}"
    folder = find_local(store, location)
    if folder is None:
        digest = sha256_text(f"scores {candidate.scores_sha256} {pairs_sha256}")
        return keep_copy(
            store, digest, fetch=lambda into: download(store, location, into, what=_name(candidate)), check=check
        )
    check(folder)
    return folder


def find_faults(store: Store, candidate: Candidate) -> list[str]:
    """Return everything about a version that is not as it was registered, in words. Empty where all of it is.

    Args:
        store: Where MLflow is.
        candidate: The version.
    """
    faults = []
    for read in (model_folder_of, score_folder_of):
        try:
            read(store, candidate)
        except (CandidateError, ValueError) as error:
            faults.append(str(error))
    if not faults:
        faults += find_miscounts(scorecard_of(store, candidate))
    return faults


def run_file(store: Store, candidate: Candidate, run_id: str, path: str, *, sha256: str) -> Path:
    """Return a file that was logged about a candidate, with every byte as it was.

    Args:
        store: Where MLflow is.
        candidate: Whose file it is.
        run_id: The run that logged it.
        path: Its POSIX path in the run's artifacts.
        sha256: Of its bytes.

    Raises:
        CandidateError: It cannot be read, or it has changed.
    """
    location = f"{_run_location(store, candidate, run_id)}/{path}"
    file = find_local(store, location)
    if file is None:
        name = Path(path).name
        folder = keep_copy(
            store,
            sha256,
            fetch=lambda into: download(store, location, into, what=_name(candidate)),
            check=lambda into: _check_file(candidate, into / name, sha256),
        )
        return folder / name
    _check_file(candidate, file, sha256)
    return file


def _run_location(store: Store, candidate: Candidate, run_id: str) -> str:
    location = run_location(store, run_id)
    if not location:
        raise CandidateError(f"{_name(candidate)}: its run {run_id} is gone from MLflow; {RESTORE}")
    return location


def _check_file(candidate: Candidate, path: Path, sha256: str) -> None:
    if not path.is_file() or file_sha256(path) != sha256:
        raise CandidateError(f"{path.name} of {_name(candidate)} is not what was registered; {RESTORE}")


def _changed(store: Store, candidate: Candidate, files: dict[str, str]) -> CandidateError:
    """Return the error that names what is not as registered.

    Args:
        store: Where MLflow is.
        candidate: The version.
        files: The sha256 of each file of its model as it is now.
    """
    registered = _registered_files(store, candidate)
    if registered is None:
        what = "its files or its tags changed"
    else:
        names = sorted(name for name in files.keys() | registered.keys() if files.get(name) != registered.get(name))
        voice = f"{candidate.voice_path}/"
        states = [_state(name in registered, name in files) for name in names]
        shown = [f"{name.removeprefix(voice)} {state}" for name, state in zip(names, states, strict=True)]
        what = ", ".join(shown[:5]) or "its tags changed"
    return CandidateError(f"{_name(candidate)} is not what was registered: {what}; {RESTORE}")


def _registered_files(store: Store, candidate: Candidate) -> dict[str, str] | None:
    """Return the registered hash of each file of a model, or None where the list is lost or changed as well."""

    def check(folder: Path) -> None:
        if hash_model(json.loads((folder / MODEL_FILES).read_text(encoding="utf-8"))) != candidate.model_sha256:
            raise CandidateError(f"{MODEL_FILES} of {_name(candidate)} is not what was registered; {RESTORE}")

    try:
        location = f"{_run_location(store, candidate, candidate.run_id)}/{RECORD_FOLDER}"
        folder = find_local(store, location)
        if folder is None:
            digest = sha256_text(f"{MODEL_FILES} {candidate.model_sha256}")
            uri = f"{location}/{MODEL_FILES}"
            folder = keep_copy(
                store, digest, fetch=lambda into: download(store, uri, into, what=_name(candidate)), check=check
            )
        check(folder)
        return json.loads((folder / MODEL_FILES).read_text(encoding="utf-8"))
    except (CandidateError, ValueError, OSError, AttributeError):
        return None


def _state(was_there: bool, is_there: bool) -> str:
    return "is missing" if not is_there else "changed" if was_there else "is new"


def find_versions(store: Store, voice: str, candidate_id: str | None) -> list[VersionRow]:
    """Return MLflow's versions of a voice, or those with an id, newest first.

    Args:
        store: Where MLflow is.
        voice: The voice's name.
        candidate_id: The id, None for all versions.

    Raises:
        CandidateError: The id does not have the form of one.
    """
    if candidate_id is not None and not re.fullmatch(r"[0-9a-f]{64}", candidate_id):
        raise CandidateError(f"{candidate_id!r} is not a candidate id; one has 64 hex digits")
    return model_registry.find_versions(store, voice, candidate_id)


def as_candidate(version: Any) -> Candidate:
    """Return a model version of MLflow as a candidate.

    Raises:
        CandidateError: It lacks the tags that a registration sets.
    """
    tags = dict(version.tags)
    names = ("candidate_id", "model_sha256", "weights_sha256", "scores_sha256", "prompts_sha256", "voice_path")
    if missing := [name for name in names if name not in tags]:
        raise CandidateError(
            f"version {version.version} of {version.name} lacks the tags {', '.join(missing)}: "
            "this version of Voxfoundry did not register it; register it with `vox run`"
        )
    return Candidate(
        voice=version.name,
        version=int(version.version),
        run_id=version.run_id,
        tags=tags,
        **{name: tags[name] for name in names},
    )


def check_name(voice: str) -> None:
    """Refuse a text that is not the name of a voice.

    Raises:
        CandidateError: It is not one.
    """
    if not re.fullmatch(VOICE_NAME, voice):
        raise CandidateError(f"{voice!r} is not a voice name; use letters, digits, - and _")


def _name(candidate: Candidate) -> str:
    return f"{candidate.voice} version {candidate.version}"
