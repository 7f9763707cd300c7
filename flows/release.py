"""What a flow decides with the registry: judge a candidate, promote it, take a voice out of service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metrics.prompts import load_prompts
from registry.gate.errors import CannotMeasure
from registry.gate.policy import GatePolicy, parse_policy
from registry.releases.journal import champion
from registry.storage.store import Store, open_store
from registry.verdicts.gating import current_verdict, gate_candidate
from registry.verdicts.store import SignedVerdict, newest_verdict
from stages.execution.outputs import write_atomically
from stages.params import load_params


@dataclass(frozen=True)
class GatedCandidate:
    """A signed verdict, and whether it is an earlier one that still holds."""

    signed: SignedVerdict
    is_earlier: bool

    def table(self) -> list[dict[str, Any]]:
        """One row a figure, for Prefect's table artifact."""
        decision = self.signed.verdict.decision
        others = decision.champion_figures or {}
        return [
            {"figure": name, "candidate": round(value, 4), "champion": round(others[name], 4) if others else ""}
            for name, value in decision.figures.items()
        ]

    def markdown(self) -> str:
        from registry.verdicts.markdown import to_markdown

        return to_markdown(self.signed)


def candidate_id(voice: str) -> str | None:
    """The id of the candidate that the register stage wrote, or None before it ran."""
    path = Path(f"data/7_candidates/{voice}/candidate.json")
    return json.loads(path.read_text(encoding="utf-8"))["candidate_id"] if path.is_file() else None


def candidate_is_registered(voice: str) -> bool:
    """Whether the registry in use holds the candidate; DVC cannot know that. A verdict about it is proof enough."""
    wanted = candidate_id(voice)
    if wanted is None:
        return False
    store = open_store()
    if newest_verdict(store, voice, candidate_id=wanted) is not None:
        return True
    from registry.candidates.candidate import find_candidate
    from registry.candidates.fingerprint import CandidateError

    try:
        find_candidate(store, voice, candidate_id=wanted)
    except CandidateError:
        return False
    return True


def gate_newest(voice: str, policy: GatePolicy, first_release: bool) -> GatedCandidate:
    """The verdict about the candidate of the last run: the earlier one where it still holds, else a new one."""
    store = open_store()
    wanted = candidate_id(voice)
    if wanted is None:
        raise CannotMeasure(f"{voice} has no candidate; run `vox run {voice}`")
    first_release = first_release and champion(store, voice) is None
    earlier = current_verdict(store, voice, candidate_id=wanted, policy=policy)
    if earlier is not None and earlier.verdict.decision.first_release == first_release:
        return GatedCandidate(earlier, is_earlier=True)
    return GatedCandidate(_judge(store, voice, policy, None, wanted, first_release), is_earlier=False)


def gate_version(voice: str, policy: GatePolicy, version: int | None, first_release: bool) -> SignedVerdict:
    """A new verdict about a registered version, the newest without one."""
    return _judge(open_store(), voice, policy, version, None, first_release)


def promote(voice: str, version: int | None, first_release: bool) -> tuple[bool, str]:
    """Make a version champion: whether anything moved, and a sentence. Raises ReleaseRefused with every reason."""
    from registry.releases.promotion import promotion as releases

    params = load_params()
    moved = releases.promote(
        open_store(),
        voice,
        policy=parse_policy(params.gate),
        recordings_dir=recordings_dir(voice),
        smoke_text=params.register_.smoke_text,
        version=version,
        first_release=first_release,
        today=datetime.now(UTC).date(),
    )
    return moved.changed, moved.note


def promote_if_passed(judged: GatedCandidate) -> tuple[bool, str]:
    """Promote what was just judged, if it passed."""
    verdict = judged.signed.verdict
    if verdict.outcome != "pass":
        return False, f"not promoted: the verdict is {verdict.outcome}"
    return promote(verdict.voice, verdict.candidate.version, verdict.decision.first_release)


def report_html(signed: SignedVerdict) -> str:
    """The report of a verdict, from what the registry holds."""
    from registry.report.verdict_report import report_of
    from stages.evaluation.selection import RULE

    return report_of(open_store(), signed, RULE)


def write_report(judged: GatedCandidate) -> Path:
    """Where the report of a verdict is; made where there is none. It names the verdict, for it never changes."""
    signed = judged.signed
    name = f"{signed.verdict.voice}-{signed.verdict.candidate.version}-{signed.sha256[:8]}.html"
    path = Path(".vox/reports").absolute() / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, report_html(signed))
    return path


def recordings_dir(voice: str) -> Path:
    return Path("data/1_recordings") / voice


def _judge(
    store: Store, voice: str, policy: GatePolicy, version: int | None, wanted: str | None, first_release: bool
) -> SignedVerdict:
    from registry.candidates.candidate import find_candidate

    prompts = load_prompts(Path(load_params().evaluate.prompts))
    candidate = find_candidate(store, voice, version, wanted)
    if candidate.prompts_sha256 != prompts.sha256:
        raise CannotMeasure(
            f"{voice} version {candidate.version} was scored on other prompts ({candidate.prompts_sha256[:12]}...) "
            f"than the locked ones ({prompts.sha256[:12]}...); score it on them with `vox run {voice}`"
        )
    return gate_candidate(
        store,
        voice,
        policy=policy,
        version=candidate.version,
        first_release=first_release,
        prompt_ids=[prompt.id for prompt in prompts.prompts],
    )
