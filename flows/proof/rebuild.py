"""Compute a version again from its commit and its recordings, and compare every output with the registered one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from flows.dvc_objects import find_dvc_cache
from flows.dvc_stages import STAGES, Recomputation, compute_again
from flows.paths import recordings_dir
from flows.proof.data import DataFinder, list_files
from flows.proof.fetch import RemoteFetcher
from flows.proof.packages import describe_other_packages
from flows.proof.stage_links import CHAIN, Origin, hash_scored, read_origin, scored_outputs
from flows.proof.worktree import RebuildError, fill_worktree, open_worktree
from flows.run_view import RunView
from registry.candidates.candidate import Candidate
from registry.proof.links import Link
from registry.proof.release_links import find_subject, read_lineage_file
from registry.releases.journal import read_journal
from registry.releases.requirements import check_speaker
from registry.releases.state import ReleaseState
from registry.storage.store import Store

SAME, DIFFERENT, IMPOSSIBLE = 0, 1, 2  # exit codes
COMPUTED = tuple(stage for stage in STAGES if stage != "register")  # that one writes into the registry
CANDIDATE = "candidate"  # the row after the stages


@dataclass(frozen=True, kw_only=True)
class StageComparison:
    """The outputs of one stage beside the registered ones.

    Attributes:
        stage: Its name, or CANDIDATE for the candidate id, which is over what the last stage wrote.
        state: "missing": it did not run, or it failed.
        n_outputs: How many outputs were compared.
        seconds: How long it ran, None where it did not end.
        difference: The first output that differs and how, "" where none does.
        has_other_inputs: Whether it read something else than the registered run. Then a difference may come from there.
    """

    stage: str
    state: Literal["same", "differs", "missing"]
    n_outputs: int
    seconds: float | None = None
    difference: str = ""
    has_other_inputs: bool = False


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """What a rebuild gave.

    Attributes:
        version: Which version was rebuilt.
        commit: Of its code.
        comparisons: One per stage, in the order in which a voice is made, and the candidate's.
        fault: Why a stage failed, "" where all ended.
        notes: What a reader should know, in sentences.
        folder: The worktree, where it was kept.
    """

    version: int
    commit: str
    comparisons: tuple[StageComparison, ...]
    fault: str
    notes: tuple[str, ...]
    folder: Path | None

    @property
    def first_difference(self) -> StageComparison | None:
        """Return the comparison nearest to the recordings that differs, None where none does."""
        return next((one for one in self.comparisons if one.state == "differs"), None)

    @property
    def exit_code(self) -> int:
        """Return 0 if all is the same, 1 if something differs, 2 if nothing differs and a stage failed."""
        if self.first_difference is not None:
            return DIFFERENT
        return IMPOSSIBLE if self.fault else SAME

    def as_content(self) -> dict[str, Any]:
        """Return the rebuild as JSON values."""
        first = self.first_difference
        return {
            "version": self.version,
            "commit": self.commit,
            "same": self.exit_code == SAME,
            "first_difference": first.stage if first else None,
            "stages": [asdict(one) for one in self.comparisons],
            "fault": self.fault,
            "notes": list(self.notes),
            "folder": str(self.folder) if self.folder else None,
        }


def rebuild(store: Store, voice: str, *, version: int | None, keep: bool, view: RunView) -> Rebuild:
    """Rebuild a version in a temporary worktree and compare it with what was registered.

    Args:
        store: Where MLflow and the journal are. Nothing is written there.
        voice: The voice's name.
        version: Its number, None for the champion.
        keep: Whether the worktree stays until the next rebuild.
        view: Where it shows what it does, open.

    Raises:
        RebuildError: Commit, data, parameters or consent are not to be had.
        CandidateError: The version does not exist.
        JournalError: The journal is broken.
    """
    root = Path().absolute()
    # 1. What is rebuilt, and whether the speaker allows it today
    candidate = find_subject(store, voice, version)
    locked, params = (_read_lineage(store, candidate, name=name) for name in ("dvc_lock.json", "params.json"))
    origin = read_origin(candidate, locked)
    if missing := [stage for stage in CHAIN if stage not in origin.stages]:
        raise RebuildError(f"it cannot be rebuilt: its dvc_lock.json has no entry for {', '.join(missing)}")
    state = read_journal(store, voice).require_whole().state
    is_at_hand = (root / recordings_dir(voice)).is_dir()
    if is_at_hand:
        _require_consent(root, voice, state=state)
    finder = DataFinder(root, find_dvc_cache(), fetch=RemoteFetcher(root, view.print_line))
    commit = candidate.tags.get("git_commit", "")
    stages = [*(stage for stage in COMPUTED if stage in origin.stages), *sorted(set(origin.stages) - set(COMPUTED))]
    name = f"{voice}-{candidate.version}"
    with open_worktree(root, commit, name=name, keep=keep) as worktree:
        # 2. Code, parameters and data in a worktree of their own
        view.print_line(f"version {candidate.version} of {voice}: commit {commit[:12]} into {worktree}")
        notes = fill_worktree(worktree, origin, root=root, params=params, finder=finder)
        if not is_at_hand:
            _require_consent(worktree, voice, state=state)
        notes += describe_other_packages(worktree / "requirements.lock")
        # 3. Compute every stage, and compare
        run = _compute(stages, voice, worktree=worktree, view=view)
        comparisons = _compare_all(origin, stages, worktree=worktree, locked=locked, finder=finder, run=run)
    return Rebuild(
        version=candidate.version,
        commit=commit,
        comparisons=comparisons,
        fault=run.fault,
        notes=tuple(notes),
        folder=worktree if keep else None,
    )


def _read_lineage(store: Store, candidate: Candidate, *, name: str) -> str:
    text = read_lineage_file(store, candidate, name)
    if isinstance(text, Link):
        raise RebuildError(f"it cannot be rebuilt: {text.reason}")
    return text


def _require_consent(root: Path, voice: str, *, state: ReleaseState) -> None:
    consent = check_speaker(root / recordings_dir(voice), voice, datetime.now(UTC).date(), state)
    if consent.reasons:
        raise RebuildError(f"it may not be rebuilt: {consent.reasons[0]}")


def _compute(stages: list[str], voice: str, *, worktree: Path, view: RunView) -> Recomputation:
    running = ""

    def on_stage(stage: str) -> None:
        nonlocal running
        if running:
            view.end_stage(running, "ran")
        running = stage
        if stage:
            view.start_stage(stage, "computed again")

    def on_line(line: str) -> None:
        if running:
            view.log_line(running, line)
        else:
            view.print_line(line)

    return compute_again(stages, voice, root=worktree, on_stage=on_stage, on_line=on_line)


def _compare_all(
    origin: Origin, stages: list[str], *, worktree: Path, locked: str, finder: DataFinder, run: Recomputation
) -> tuple[StageComparison, ...]:
    again = read_origin(origin.candidate, locked, lock=worktree / "dvc.lock").current
    rows = []
    for stage in stages:
        if stage not in run.seconds:
            rows.append(StageComparison(stage=stage, state="missing", n_outputs=0))
        else:
            rows.append(
                _compare(
                    origin,
                    stage,
                    entry=again.get(stage, {}),
                    worktree=worktree,
                    finder=finder,
                    seconds=run.seconds[stage],
                )
            )
    return (*rows, _compare_candidate(origin, worktree, is_there="evaluate" in run.seconds))


def _compare(
    origin: Origin, stage: str, *, entry: Mapping[str, Any], worktree: Path, finder: DataFinder, seconds: float
) -> StageComparison:
    """Return the comparison of one stage that ended.

    Args:
        origin: Of the version.
        stage: The stage's name.
        entry: What DVC recorded of it now.
        worktree: Where it ran.
        finder: Knows the files of the registered outputs that DVC's cache has.
        seconds: How long it ran.
    """
    wrote, read = ({one["path"]: one.get("md5") for one in entry.get(key, ())} for key in ("outs", "deps"))
    outputs = origin.outputs(stage)
    others = [path for path, md5 in outputs.items() if wrote.get(path) != md5]
    difference = ""
    if others:
        difference = f"{others[0]}: {finder.why_different(worktree / others[0], outputs[others[0]])}"
        difference += f"; {len(others) - 1} more outputs differ" if len(others) > 1 else ""
    return StageComparison(
        stage=stage,
        state="differs" if others else "same",
        n_outputs=len(outputs),
        seconds=seconds,
        difference=difference,
        has_other_inputs=any(read.get(path) != md5 for path, md5 in origin.inputs(stage).items()),
    )


def _compare_candidate(origin: Origin, worktree: Path, *, is_there: bool) -> StageComparison:
    """Return the comparison by sha256 of what was registered. DVC knows the outputs by md5 only."""
    if not is_there:
        return StageComparison(stage=CANDIDATE, state="missing", n_outputs=0)
    paths = scored_outputs(origin)
    seen = hash_scored(origin, {path: list_files(worktree / path) for path in paths})
    is_same = seen == origin.candidate.candidate_id
    return StageComparison(
        stage=CANDIDATE,
        state="same" if is_same else "differs",
        n_outputs=len(paths),
        difference="" if is_same else f"candidate id {seen}, registered was {origin.candidate.candidate_id}",
        has_other_inputs=not is_same,
    )
