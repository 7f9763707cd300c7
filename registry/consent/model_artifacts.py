"""Delete the files that MLflow keeps of a voice: models, scores and audio. Rows and hashes stay, as proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from registry.consent.record import ConsentError
from registry.storage.moved_project import rebase_addresses
from registry.storage.store import Store, mlflow_client


def delete_model_artifacts(store: Store, voice: str) -> int:
    """Delete the artifacts of every run and model of a voice, and return how many had some.

    Versions, tags and metrics stay, so the journal can still be audited. Deleting again changes nothing.

    Args:
        store: Where MLflow is.
        voice: The voice's name, which is the name of its experiment.

    Raises:
        ConsentError: A local file is outside the project, as in a copied one. Nothing was deleted.
    """
    client = mlflow_client(store)
    from mlflow.entities import ViewType
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    experiment = client.get_experiment_by_name(voice)
    if experiment is None:
        return 0
    rebase_addresses(store, experiment.artifact_location)  # else a copied project would name the original's files
    places = [
        run.info.artifact_uri
        for run in _all_pages(
            lambda token: client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, page_token=token)
        )
    ]
    places += [
        model.artifact_location
        for model in _all_pages(lambda token: client.search_logged_models([experiment.experiment_id], page_token=token))
    ]
    if outside := [place for place in places if not _may_delete(store, place)]:
        raise ConsentError(
            f"MLflow keeps files of {voice} at {outside[0]}, outside this project, where another one may need them; "
            "delete them by hand"
        )
    n_deleted = 0
    for place in places:
        repository = get_artifact_repository(place, tracking_uri=store.tracking_uri)
        if repository.list_artifacts():
            repository.delete_artifacts()
            n_deleted += 1
    return n_deleted


def _may_delete(store: Store, place: str) -> bool:
    """Return whether a place is remote or inside the project. A database says where, and databases are copied."""
    scheme = urlsplit(place).scheme
    if scheme not in ("", "file"):
        return True
    path = Path(url2pathname(urlsplit(place).path) if scheme else place)
    return path.resolve().is_relative_to(store.root.resolve())


def _all_pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield the results of a search of MLflow, page by page."""
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return
