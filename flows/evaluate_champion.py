"""Score the champion again: have the judges or the environment drifted, and since when?"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.paths import recordings_dir
from flows.train_and_release import Engine
from metrics.scores import SMALLER_IS_BETTER, Scorecard
from registry.candidates.candidate import Candidate, scorecard_of, voice_folder_of
from registry.candidates.drift import Drift, find_degradations, find_drift
from registry.candidates.rescoring import Rescore, rescores_of, save_rescore
from registry.gate.policy import parse_policy
from registry.releases.service import find_servable
from registry.storage.store import Store, open_store
from stages.execution.locks import locked
from stages.params import load_params


@dataclass(frozen=True, kw_only=True)
class RescoreResult:
    """A version's new scores compared with its registered ones.

    Attributes:
        candidate: The version.
        drift: What differs.
        worse: Figures that became worse by more than the gate's margin, in words.
        trend: Every rescoring of the version, the oldest first, this one last.
    """

    candidate: Candidate
    drift: Drift
    worse: tuple[str, ...]
    trend: tuple[Rescore, ...]

    @property
    def has_drifted(self) -> bool:
        """Whether anything differs from the registered scores by more than it may."""
        return bool(self.findings)

    @property
    def findings(self) -> tuple[str, ...]:
        """What has drifted, one sentence each."""
        return (*self.drift.findings, *self.worse)

    def table(self) -> list[dict[str, Any]]:
        """Return the trend, one row per measurement, the registered one first."""
        registered = {"when": "registered"} | {name: round(old, 4) for name, (old, _) in self.drift.figures.items()}
        rows = [registered | {"asr": "", "speaker": "", "findings": ""}]
        for rescore in self.trend:
            figures = {name: round(rescore.figures[name], 4) for name in SMALLER_IS_BETTER if name in rescore.figures}
            judges = rescore.judges
            rows.append(
                {"when": rescore.utc}
                | figures
                | {
                    "asr": f"{judges.asr} {judges.asr_version}",
                    "speaker": f"{judges.speaker} {judges.speaker_version}",
                    "findings": "; ".join(rescore.findings) or "none",
                }
            )
        return rows

    def markdown(self) -> str:
        """Return the headline and the findings as Markdown."""
        lines = [f"## {self.candidate.voice} version {self.candidate.version}: {self.headline()}", ""]
        lines += [f"- {finding}" for finding in self.findings]
        return "\n".join(lines) + "\n"

    def headline(self) -> str:
        """Return the answer in a few words."""
        return "it drifted" if self.has_drifted else "as it was when it was registered"

    def to_json(self) -> str:
        """Return the answer, the findings and the trend as JSON."""
        content = {
            "voice": self.candidate.voice,
            "version": self.candidate.version,
            "drifted": self.has_drifted,
            "findings": list(self.findings),
            "trend": self.table(),
        }
        return json.dumps(content, indent=2)


def evaluate_champion(voice: str, version: int | None, *, engine: Engine) -> RescoreResult:
    """Score a version again, keep the scores in the registry and compare them with the registered ones.

    Args:
        voice: The voice.
        version: The version, None for the champion.
        engine: What runs the steps.

    Raises:
        ReleaseRefused: If there is no champion, or the speaker's consent does not allow it.
        ValueError: If its recordings are gone.
        CandidateError: If its bytes have changed.
    """
    with locked(f"run-{voice}", wait_seconds=2):
        store, today = open_store(), datetime.now(UTC).date()
        folder = recordings_dir(voice)
        candidate = find_servable(store, voice, version=version, recordings_dir=folder, today=today).candidate
        registered = scorecard_of(store, candidate)
        scorecard = engine.step("score again", lambda log: _score_again(store, candidate, registered=registered))
        drift = find_drift(registered, scorecard)
        margins = {margin.metric: margin.margin for margin in parse_policy(load_params().gate).non_inferiority}
        worse = find_degradations(drift, margins) if not drift.questions else []
        findings = (*drift.findings, *worse)
        engine.step("keep the scores", lambda log: save_rescore(store, candidate, scorecard, findings))
        trend = engine.step("read the trend", lambda log: rescores_of(store, candidate))
    return RescoreResult(candidate=candidate, drift=drift, worse=tuple(worse), trend=tuple(trend))


def _score_again(store: Store, candidate: Candidate, *, registered: Scorecard) -> Scorecard:
    from stages.evaluation.rescoring import rescore_voice

    # `--json` promises that the answer is all there is on stdout, so progress goes to stderr
    with tempfile.TemporaryDirectory(prefix="rescore-") as folder, redirect_stdout(sys.stderr):
        return rescore_voice(
            candidate.voice,
            voice_folder_of(store, candidate),
            registered.pair,
            candidate.tags["data_manifest_sha256"],
            load_params(),
            Path(folder),
        )
