"""Where an MLflow run keeps its artifacts, read from MLflow's database without importing mlflow where possible."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from registry.storage.store import Store, mlflow_client

RUNS = sa.table("runs", sa.column("run_uuid"), sa.column("artifact_uri"))


def run_location(store: Store, run_id: str) -> str | None:
    """Return the address of a run's artifacts, or None where there is no such run."""
    location = _read_location(store, run_id)
    if location is not None:
        return location
    client = mlflow_client(store)
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id).info.artifact_uri
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _read_location(store: Store, run_id: str) -> str | None:
    """Return the address by SQL, or None where only MLflow itself can tell."""
    if not store.tracking_uri.startswith(("sqlite", "postgresql")):
        return None
    url = sa.make_url(store.tracking_uri)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return None  # connecting would create the file
    try:
        with sa.create_engine(url, poolclass=NullPool).connect() as connection:
            return connection.scalar(sa.select(RUNS.c.artifact_uri).where(RUNS.c.run_uuid == run_id))
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError):  # no such table, no driver: MLflow knows what to say
        return None
