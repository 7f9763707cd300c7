"""Later scores of a registered version: each is an MLflow run of the voice's experiment, with its scorecard.

A version's own scorecard never changes, because the version's id depends on it. What the same voice scores under the
judges of today is kept beside it: as the trend, and for the gate where a judge has changed.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metrics.scores import Judges, Scorecard, load_scorecard, pooled
from registry.candidates.candidate import SCORECARD, Candidate, run_file
from registry.candidates.fingerprint import CandidateError
from registry.candidates.registration import ensure_experiment, tracking_at
from registry.candidates.signed_registrations import list_rescores, record_rescore
from registry.files import file_sha256
from registry.gate.faults import differences
from registry.storage.store import Store, mlflow_client

KIND = "rescore"


@dataclass(frozen=True)
class Rescore:
    """One later measurement of a version."""

    utc: str
    run_id: str
    version: int
    scores_sha256: str
    judges: Judges
    figures: dict[str, float]
    findings: tuple[str, ...]  # what had changed, see registry/candidates/drift.py


def save_rescore(store: Store, candidate: Candidate, scorecard: Scorecard, findings: tuple[str, ...]) -> Rescore:
    """Keep a scorecard that was made of a registered version just now.

    Args:
        store: Where MLflow is.
        candidate: The version that was scored.
        scorecard: Its new scores.
        findings: What has changed since the version was registered, see drift.py.

    Raises:
        ValueError: The scorecard is of another voice.
    """
    if scorecard.voice != candidate.voice:
        raise ValueError(
            f"the scorecard is of the voice {scorecard.voice!r}, but the version is of {candidate.voice!r}"
        )
    import mlflow

    client = mlflow_client(store)
    with tracking_at(store), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SCORECARD
        path.write_text(scorecard.model_dump_json(indent=1) + "\n", encoding="utf-8")
        tags = {
            "kind": KIND,
            "candidate_id": candidate.candidate_id,
            "version": str(candidate.version),
            "scores_sha256": file_sha256(path),
            "prompts_sha256": scorecard.prompts_sha256,
            "judges": scorecard.judges.model_dump_json(),
            "findings": json.dumps(findings),
        }
        name = f"rescore {candidate.voice} {candidate.version}"
        experiment_id = ensure_experiment(client, store, candidate.voice)
        with mlflow.start_run(experiment_id=experiment_id, run_name=name, tags=tags) as run:
            for prefix, rows in (("", scorecard.rows), ("held_out_", scorecard.held_out)):
                for metric, value in pooled(rows).items():
                    if not math.isnan(value):  # MLflow plots numbers; the scorecard also holds the rest
                        mlflow.log_metric(prefix + metric, value)
            mlflow.log_artifact(str(path))
        record_rescore(
            store,
            candidate.voice,
            candidate_id=candidate.candidate_id,
            run_id=run.info.run_id,
            scores_sha256=tags["scores_sha256"],
        )
    return _as_rescore(client.get_run(run.info.run_id))


def rescores_of(store: Store, candidate: Candidate) -> list[Rescore]:
    """Return every finished later measurement of a version, oldest first."""
    client = mlflow_client(store)
    experiment_id = ensure_experiment(client, store, candidate.voice)
    query = (
        f"tags.kind = '{KIND}' and tags.candidate_id = '{candidate.candidate_id}' and attributes.status = 'FINISHED'"
    )
    runs, token = [], None
    while True:
        page = client.search_runs([experiment_id], query, order_by=["attributes.start_time ASC"], page_token=token)
        runs += page
        token = page.token
        if not token:
            return _as_rescores(runs)


def find_comparable_scorecard(
    store: Store, candidate: Candidate, *, like: Scorecard, parts: Collection[str] = ()
) -> Scorecard | None:
    """Return the newest later scorecard of a version with the same judges, prompts and seeds as `like`, or None.

    The newest is the one whose signed row comes last in the voice's journal. One with every language of `like` comes
    first. Each says whose recordings it is measured against, where `like` does.

    Args:
        store: Where MLflow is.
        candidate: The version that was scored again.
        like: The scorecard to be compared with.
        parts: Languages and presets that it must have, as `Scorecard.parts` names them.

    Raises:
        CandidateError: The bytes of that scorecard have changed since it was kept.
    """
    newest = None
    kept = {(rescore.run_id, rescore.scores_sha256): rescore for rescore in rescores_of(store, candidate)}
    # scores that nobody with a trusted key kept are passed over: anybody who can write to MLflow can add some
    for signed in list_rescores(store, candidate.voice, candidate.candidate_id):
        rescore = kept.get(signed)
        if rescore is not None and rescore.judges == like.judges:
            card = scorecard_of_rescore(store, candidate, rescore)
            names_speaker = card.voice_embedding is not None or like.voice_embedding is None
            if not differences(card, like) and card.parts >= set(parts) and names_speaker:
                if set(like.languages) <= set(card.languages):
                    return card
                newest = newest or card
    return newest


def scorecard_of_rescore(store: Store, candidate: Candidate, rescore: Rescore) -> Scorecard:
    """Return the scorecard of a later measurement.

    Args:
        store: Where MLflow is.
        candidate: The version that was scored again.
        rescore: The measurement.

    Raises:
        CandidateError: Its bytes have changed since it was kept.
    """
    try:
        path = run_file(store, candidate, rescore.run_id, SCORECARD, sha256=rescore.scores_sha256)
    except CandidateError as error:
        raise CandidateError(
            f"the scorecard that {candidate.voice} version {candidate.version} got on {rescore.utc} was changed or is "
            f"gone; score it again with `vox rescore {candidate.voice}`"
        ) from error
    return load_scorecard(path)


def _as_rescores(runs: Iterable[Any]) -> list[Rescore]:
    """Return the runs that are measurements. One whose tags say something else is passed over."""
    rescores = []
    for run in runs:
        try:
            rescores.append(_as_rescore(run))
        except (KeyError, ValueError, TypeError):
            continue
    return rescores


def _as_rescore(run: Any) -> Rescore:
    tags, metrics = run.data.tags, run.data.metrics
    return Rescore(
        utc=datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds"),
        run_id=run.info.run_id,
        version=int(tags["version"]),
        scores_sha256=tags["scores_sha256"],
        judges=Judges.model_validate_json(tags["judges"]),
        figures=dict(metrics),
        findings=tuple(json.loads(tags["findings"])),
    )
