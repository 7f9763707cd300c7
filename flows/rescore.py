"""evaluate_champion: what is live, scored again. Has the judge or the environment drifted, and since when?"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.release import recordings_dir
from flows.train_and_release import Engine
from metrics.scores import SMALLER_IS_BETTER, Scorecard
from registry.candidates.candidate import Candidate, find_candidate, scorecard_of, voice_folder_of
from registry.candidates.drift import Drift, find_degradations, find_drift
from registry.candidates.rescoring import Rescore, rescores_of, save_rescore
from registry.consent import check_consent
from registry.gate.policy import parse_policy
from registry.releases.journal import champion
from registry.storage.store import Store, open_store
from stages.execution.locks import locked
from stages.params import load_params


@dataclass(frozen=True)
class Rescored:
    """What came of scoring a version again."""

    candidate: Candidate
    drift: Drift
    worse: tuple[str, ...]  # figures that lost more than the gate's margin
    trend: tuple[Rescore, ...]  # the oldest first, this one last

    @property
    def has_drifted(self) -> bool:
        return bool(self.drift.findings or self.worse)

    def table(self) -> list[dict[str, Any]]:
        """The trend, one row a measurement, the registered one first."""
        then = {"when": "registered"} | {name: round(old, 4) for name, (old, _) in self.drift.figures.items()}
        later = [
            {"when": one.utc} | {name: round(one.figures[name], 4) for name in SMALLER_IS_BETTER if name in one.figures}
            for one in self.trend
        ]
        return [
            row | {"asr": asr, "speaker": speaker, "findings": found}
            for row, asr, speaker, found in zip(
                [then, *later],
                ["", *(f"{one.judges.asr} {one.judges.asr_version}" for one in self.trend)],
                ["", *(f"{one.judges.speaker} {one.judges.speaker_version}" for one in self.trend)],
                ["", *("; ".join(one.findings) or "none" for one in self.trend)],
                strict=True,
            )
        ]

    def markdown(self) -> str:
        lines = [f"## {self.candidate.voice} version {self.candidate.version}: {self.headline()}", ""]
        lines += [f"- {finding}" for finding in (*self.drift.findings, *self.worse)]
        return "\n".join(lines) + "\n"

    def headline(self) -> str:
        return "it drifted" if self.has_drifted else "as it was when it was registered"


def evaluate_champion(voice: str, version: int | None, engine: Engine) -> Rescored:
    """Score the champion (or a version) again, keep the scores with the registry and compare them with its own.

    Raises ValueError where there is no champion or its recordings are gone, CandidateError where its bytes changed.
    """
    with locked(f"run-{voice}", wait_seconds=2):
        check_consent(recordings_dir(voice), datetime.now(UTC).date())
        store = open_store()
        candidate = find_candidate(store, voice, _version(store, voice, version))
        then = scorecard_of(store, candidate)
        now = engine.step("score again", lambda log: _score(store, candidate, then))
        drift = find_drift(then, now)
        margins = {margin.metric: margin.margin for margin in parse_policy(load_params().gate).non_inferiority}
        worse = find_degradations(drift, margins) if not drift.questions else []
        engine.step("keep the scores", lambda log: save_rescore(store, candidate, now, (*drift.findings, *worse)))
        trend = engine.step("read the trend", lambda log: rescores_of(store, candidate))
    return Rescored(candidate, drift, tuple(worse), tuple(trend))


def as_json(done: Rescored) -> str:
    shown = {
        "voice": done.candidate.voice,
        "version": done.candidate.version,
        "drifted": done.has_drifted,
        "findings": [*done.drift.findings, *done.worse],
        "trend": done.table(),
    }
    return json.dumps(shown, indent=2)


def _version(store: Store, voice: str, version: int | None) -> int:
    if version is not None:
        return version
    live = champion(store, voice)
    if live is None:
        raise ValueError(f"{voice} has no champion to score again; promote one, or name a version with --version N")
    return live.version


def _score(store: Store, candidate: Candidate, then: Scorecard) -> Scorecard:
    from stages.evaluation.rescoring import rescore_voice

    # how far it is belongs beside the answer, which `--json` promises to be all there is on stdout
    with tempfile.TemporaryDirectory(prefix="rescore-") as folder, redirect_stdout(sys.stderr):
        return rescore_voice(
            candidate.voice,
            voice_folder_of(store, candidate),
            then.pair,
            candidate.tags["data_manifest_sha256"],
            load_params(),
            Path(folder),
        )
