"""Where the files of a registered version are on this machine: in place, or a copy that is kept by its hash.

Artifacts of a project lie in its folder `mlartifacts`, but MLflow records absolute paths. A project that was moved or
copied has its own artifacts at another place than MLflow says, so its paths are read relative to its root. A copy
never reads the original's files.

What comes from a server is checked before it is kept in `.cache/artifacts`, and every time it is used. Nothing is
left in the temporary folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from registry.candidates.fingerprint import CandidateError
from registry.storage.moved_project import holds_own_database, own_place
from registry.storage.store import Store, mlflow_client

CACHE = Path(".cache/artifacts")
MAX_BYTES = 4_000_000_000  # about 60 versions with everything that was scored
IN_USE_SECONDS = 3600.0  # a copy used more recently may be in use by another process, so it stays


class UnreachableError(CandidateError):
    """The artifact store does not answer or lacks a file, so nothing can be said about its bytes."""


def find_local(store: Store, location: str) -> Path | None:
    """Return the local path of an artifact address, or None where the artifact is on a server.

    Args:
        store: Whose artifact it is.
        location: The address as MLflow recorded it.

    Raises:
        CandidateError: The address is local and nothing is there.
    """
    address = urlsplit(location)
    if address.scheme not in ("", "file") or address.netloc or not address.path:
        return None
    recorded = Path(unquote(address.path))
    own = own_place(store, recorded)
    # Another project may use the same database, so there the recorded place comes first. The own database is this
    # project's alone, and what it records elsewhere is where the project was before
    places = [own] if own is not None and holds_own_database(store) else [recorded, *([own] if own else [])]
    for place in places:
        if place.exists():
            return place
    if not _are_local(store):
        return None  # the path of another machine: only its MLflow server can read it
    moved = f", because MLflow recorded {recorded}" if recorded not in places else ""
    raise CandidateError(
        f"{' and '.join(map(str, places))} does not exist{moved}; copy the artifacts there (the folder mlartifacts of "
        "the project that registered them), or register the candidate again with `vox run`"
    )


def keep_copy(store: Store, digest: str, *, fetch: Callable[[Path], object], check: Callable[[Path], object]) -> Path:
    """Return a folder whose files were fetched and checked, now or earlier.

    Args:
        store: In whose project the copy is kept.
        digest: Names the contents, in hex.
        fetch: Puts the files into an empty folder.
        check: Raises CandidateError where the files of a folder are not the right ones.

    Raises:
        CandidateError: What was fetched is not right. It is not kept.
    """
    cache = store.root / CACHE
    place = cache / digest
    if place.is_dir():
        try:
            check(place)
            os.utime(place)
            return place
        except CandidateError:  # damaged since it was kept
            shutil.rmtree(place, ignore_errors=True)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _trim(cache)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=cache, ignore_cleanup_errors=True) as name:
            fetched = Path(name) / digest
            fetched.mkdir()
            fetch(fetched)
            check(fetched)
            try:
                fetched.rename(place)
            except OSError:  # another process was first
                check(place)
    except OSError as error:
        raise CandidateError(f"{place} cannot be written ({error}); make room there and try again") from error
    return place


def download(store: Store, uri: str, folder: Path, *, what: str) -> None:
    """Download the files at an address into a folder.

    Args:
        store: Where MLflow is.
        uri: The address of a file or of a folder.
        folder: Gets the file, or the contents of the folder.
        what: What the files are, for the message.

    Raises:
        UnreachableError: They cannot be read.
    """
    mlflow_client(store)
    import mlflow
    from mlflow.exceptions import MlflowException

    # MLflow names what it gets after the end of the address, so it gets a folder of its own
    with tempfile.TemporaryDirectory(prefix="partial-", dir=folder.parent) as name:
        try:
            got = Path(
                mlflow.artifacts.download_artifacts(
                    uri, dst_path=name, tracking_uri=store.tracking_uri, registry_uri=store.tracking_uri
                )
            )
        except (MlflowException, OSError) as error:
            raise UnreachableError(
                f"{what} cannot be read from the artifact store ({error}); restore the store, then try again"
            ) from error
        for path in list(got.iterdir()) if got.is_dir() else [got]:
            path.rename(folder / path.name)


def _are_local(store: Store) -> bool:
    return store.artifacts is not None


def _trim(cache: Path) -> None:
    """Remove what killed downloads left, and the copies that were not used for longest until the rest fits."""
    now, kept = time.time(), []
    for place in cache.iterdir():
        with suppress(FileNotFoundError):  # another process finished its download, or trims too
            age = now - place.stat().st_mtime
            if place.name.startswith("partial-"):
                if age > IN_USE_SECONDS:
                    shutil.rmtree(place, ignore_errors=True)
            elif place.is_dir():
                kept.append((age, sum(path.stat().st_size for path in place.rglob("*") if path.is_file()), place))
    total = sum(size for _, size, _ in kept)
    for age, size, place in sorted(kept, reverse=True):
        if total > MAX_BYTES and age > IN_USE_SECONDS:
            shutil.rmtree(place, ignore_errors=True)
            total -= size
