"""Delete the data of a revoked voice, as far as the policy says.

    derived  everything made of the recordings: data/*/VOICE but the recordings, DVC's cache, cached results,
             interrupted adaptations, rebuilds, copies of models from a server, what the service keeps of its speech,
             reports, and the models, scores and audio that MLflow keeps
    all      the recordings, transcripts and proofs as well; params.yaml no longer lists the voice

Deleting again deletes what is left, so the same command finishes what was interrupted. What cannot be reached from here
(a DVC remote, git's history, backups, exported voices) is named and not touched.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flows.dvc_objects import DATA, delete_objects, find_dvc_cache
from flows.dvc_stages import STAGES
from flows.paths import REBUILDS, RECORDINGS, REPORTS, recordings_dir
from flows.settings import unlist_voice
from registry.candidates.artifacts import CACHE as FETCHED
from registry.consent.model_artifacts import delete_model_artifacts
from registry.storage.store import Store
from serving.caches.layers import FOLDER as SPOKEN
from stages.execution.cache import RESULTS
from stages.execution.locks import locked

TIMINGS = Path(".cache/timings")
RESUME = Path(".cache/resume")  # of an adaptation that was interrupted


@dataclass(frozen=True)
class Erased:
    """How much was deleted."""

    n_files: int  # in the project
    n_objects: int  # in DVC's cache
    n_models: int  # runs and models in MLflow


def erase(store: Store, voice: str, *, with_recordings: bool) -> Erased:
    """Delete what was made of a voice's recordings, in the working folder's project and in MLflow.

    Args:
        store: Where MLflow is.
        voice: The voice's name.
        with_recordings: Whether the recordings are deleted too, last.

    Raises:
        StageBusyError: A stage is running. Nothing was deleted.
        OSError: Something could not be deleted.
    """
    with ExitStack() as stack:
        # 1. Wait for what may be writing data of the voice
        for name in ("voices", "dvc", "rebuild", *(f"{stage}-{voice}" for stage in STAGES)):
            stack.enter_context(locked(name))
        # 2. Models first: they are what others may still serve
        n_models = delete_model_artifacts(store, voice)
        # 3. DVC's cache, while the lists of files in it can still be read, and then the folders themselves
        cache = find_dvc_cache()
        n_objects = 0 if cache is None else delete_objects(cache, voice, with_recordings=with_recordings)
        n_files = sum(_delete(path) for path in _derived(voice))
        if with_recordings:
            unlist_voice(voice)
            # in one step, so that a kill never leaves recordings without their record
            if recordings_dir(voice).exists():
                recordings_dir(voice).replace(_deleted_folder(voice))
            n_files += _delete(_deleted_folder(voice))
    return Erased(n_files, n_objects, n_models)


def _derived(voice: str) -> list[Path]:
    """Return what was made of a voice's recordings, with the cached files of all voices, which have no name."""
    folders = [folder for folder in sorted(DATA.iterdir()) if folder.is_dir() and folder != RECORDINGS]
    outputs = [path for folder in folders for path in (folder / voice, *folder.glob(f".{voice}.*.partial"))]
    # a report is named VOICE-VERSION-HASH.html, and another voice may be named VOICE-2
    reports = [path for path in REPORTS.glob(f"{voice}-*.html") if path.stem.count("-") == voice.count("-") + 2]
    leftovers = [RECORDINGS / f".{voice}.partial", _deleted_folder(voice)]
    caches = [RESULTS, FETCHED, REBUILDS, SPOKEN]
    return [*outputs, *reports, *leftovers, TIMINGS / f"{voice}.json", RESUME / voice, *caches]


def _deleted_folder(voice: str) -> Path:
    return RECORDINGS / f".{voice}.deleted"


def _delete(path: Path) -> int:
    """Delete a file or folder and return how many files there were. Links are deleted and not followed."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return 1
    if not path.is_dir():
        return 0
    n_files = sum(1 for inside in path.rglob("*") if inside.is_symlink() or not inside.is_dir())
    shutil.rmtree(path)
    return n_files
