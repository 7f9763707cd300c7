"""Delete the data of a revoked voice, as far as the policy says.

    derived  everything made of the recordings: data/*/VOICE but the recordings, DVC's cache, cached results,
             interrupted adaptations, rebuilds, copies of models from a server, the cache of the service, reports, and
             the models, scores and audio that MLflow keeps
    all      the recordings, transcripts and proofs as well, and the speech of jobs and campaigns; params.yaml no longer
             lists the voice

Deleting again deletes what is left, so the same command finishes what was interrupted. What cannot be reached from here
(a DVC remote, git's history, backups, exported voices, other machines, Redis) is named and not touched.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flows.delivered_speech import campaign_folders, delete_speech
from flows.dvc_objects import DATA, delete_objects, dvc_file, find_dvc_cache
from flows.dvc_stages import STAGES
from flows.paths import CAMPAIGNS, REBUILDS, RECORDINGS, REPORTS, recordings_dir
from flows.settings import unlist_voice
from registry.candidates.artifacts import CACHE as FETCHED
from registry.consent.model_artifacts import delete_model_artifacts
from registry.storage.store import Store
from serving.caches.layers import FOLDER as SPOKEN
from stages.execution.cache import RESULTS
from stages.execution.locks import locked

TIMINGS = Path(".cache/timings")
RESUME = Path(".cache/resume")  # of an adaptation that was interrupted


@dataclass(frozen=True, kw_only=True)
class Erased:
    """How much was deleted."""

    n_files: int  # in the project
    n_objects: int  # in DVC's cache
    n_models: int  # runs and models in MLflow
    n_spoken: int  # results of jobs and campaigns, where the service keeps them


def erase(store: Store, voice: str, *, everything: bool) -> Erased:
    """Delete what was made of a voice's recordings, in the working folder's project and in MLflow.

    Args:
        store: Where MLflow is.
        voice: The voice's name.
        everything: Whether the recordings are deleted too, and then what jobs and campaigns have delivered.

    Raises:
        StageBusyError: A stage is running. Nothing was deleted.
        DeliveredSpeechError: The database or the storage of the service cannot be used. All else was deleted.
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
        n_objects = 0 if cache is None else delete_objects(cache, voice, with_recordings=everything)
        n_files = sum(map(_delete, _derived(voice)))
        if not everything:
            return Erased(n_files=n_files, n_objects=n_objects, n_models=n_models, n_spoken=0)
        unlist_voice(voice)
        # in one step, so that a kill never leaves recordings without their record
        if recordings_dir(voice).exists():
            recordings_dir(voice).replace(_deleted_folder(voice))
        n_files += sum(map(_delete, (_deleted_folder(voice), dvc_file(voice))))
    # 4. What was delivered, last: the database and the storage of the service may be away
    n_files += sum(map(_delete, campaign_folders(voice)))
    speech = delete_speech(store.root, voice)
    n_files += sum(map(_delete, campaign_folders(voice, unreported=speech.campaigns)))
    return Erased(n_files=n_files, n_objects=n_objects, n_models=n_models, n_spoken=speech.n_results)


def _derived(voice: str) -> list[Path]:
    """Return what was made of a voice's recordings, with the cached files of all voices, which have no name."""
    # the folder of a campaign has the campaign's name, whichever voice speaks it
    folders = [path for path in sorted(DATA.iterdir()) if path.is_dir() and path not in (RECORDINGS, CAMPAIGNS)]
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
