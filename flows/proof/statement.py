"""The signed statement about a proven version."""

from __future__ import annotations

from typing import Any

from flows.paths import recordings_dir
from flows.proof.data import Missing
from flows.proof.prove import ProvenVersion
from flows.proof.stage_links import outside_inputs, read_manifest
from registry.proof.envelope import seal
from registry.proof.provenance import make_statement
from registry.storage.store import Store

FOLDERS = ("base_models/", "benchmarks/")  # what a run reads beside code


def state_origin(store: Store, proven: ProvenVersion) -> dict[str, Any]:
    """Return an in-toto statement about a proven version, in an envelope that this machine's key signed.

    Args:
        store: Where MLflow is.
        proven: The version. Every link of it is proven.

    Raises:
        ValueError: It is not proven.
        SigningError: This machine's key may not sign.
    """
    rows = read_manifest(proven.origin, proven.finder) if proven.origin is not None else Missing("no origin", False)
    if proven.proof.exit_code or proven.origin is None or proven.params is None or isinstance(rows, Missing):
        raise ValueError(
            f"version {proven.candidate.version} of {proven.candidate.voice} is not proven; see vox verify"
        )
    folder = recordings_dir(proven.candidate.voice).as_posix()
    others = [
        (path, {"dvcMd5": md5}) for path, (md5, _) in outside_inputs(proven.origin).items() if path.startswith(FOLDERS)
    ]
    statement = make_statement(
        store,
        proven.candidate,
        proof=proven.proof,
        params=proven.params,
        recordings={f"{folder}/{row['path']}": row["sha256"] for row in rows},
        others=others,
    )
    return seal(store.root, statement)
