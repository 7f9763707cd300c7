"""Reproduce a version from its commit and its recordings, and compare every output with the registered one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.dvc_objects import find_dvc_cache
from flows.dvc_stages import reproduce_all
from flows.paths import recordings_dir
from flows.proof.data import DataFinder
from flows.proof.stage_links import CHAIN, read_origin
from flows.proof.worktree import RebuildError, fill_worktree, open_worktree
from registry.proof.links import Link
from registry.proof.release_links import find_subject, read_lineage_file
from registry.releases.journal import read_journal
from registry.releases.requirements import check_speaker
from registry.storage.store import Store


@dataclass(frozen=True)
class Rebuild:
    """What a rebuild gave.

    Attributes:
        version: Which version was rebuilt.
        computed: The stages that really ran.
        restored: The stages whose outputs DVC's cache had, for equal inputs.
        n_outputs: How many outputs were compared.
        difference: The first output that is not as registered, in words, "" where all are.
        notes: What a reader should know.
    """

    version: int
    computed: tuple[str, ...]
    restored: tuple[str, ...]
    n_outputs: int
    difference: str
    notes: tuple[str, ...]


def rebuild(store: Store, voice: str, version: int | None, *, force: bool, on_line: Callable[[str], None]) -> Rebuild:
    """Rebuild a version in a temporary worktree and compare it with what was registered.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        version: Its number, None for the champion.
        force: Compute every stage, and use nothing of DVC's cache.
        on_line: Takes each line of the stages' output.

    Raises:
        RebuildError: Commit, data, parameters or consent are not to be had.
        StageFailedError: A stage failed.
    """
    root = Path().absolute()
    # 1. What is rebuilt, and whether the speaker allows it today
    candidate = find_subject(store, voice, version)
    texts = [read_lineage_file(store, candidate, name) for name in ("dvc_lock.json", "params.json")]
    for text in texts:
        if isinstance(text, Link):
            raise RebuildError(f"it cannot be rebuilt: {text.reason}")
    locked, params = (str(text) for text in texts)
    state = read_journal(store, voice).require_whole().state
    consent = check_speaker(root / recordings_dir(voice), voice, datetime.now(UTC).date(), state)
    if consent.reasons:
        raise RebuildError(f"it may not be rebuilt: {consent.reasons[0]}")
    # 2. Code, parameters and data in a worktree of their own
    origin, cache = read_origin(candidate, locked), find_dvc_cache()
    finder = DataFinder(root, cache)
    with open_worktree(root, candidate.tags.get("git_commit", "")) as worktree:
        notes = fill_worktree(worktree, origin, root=root, params=params, finder=finder, cache=None if force else cache)
        # 3. Reproduce, and compare
        stages = [*(stage for stage in CHAIN if stage in origin.stages), *sorted(set(origin.stages) - set(CHAIN))]
        states = reproduce_all(stages, voice, root=worktree, on_line=on_line, force=force)
        again = read_origin(candidate, locked, worktree / "dvc.lock")
        difference, n_outputs = "", 0
        for stage in stages:
            rebuilt = {entry["path"]: entry["md5"] for entry in again.current.get(stage, {}).get("outs", ())}
            for path, md5 in origin.outputs(stage).items():
                n_outputs += 1
                if rebuilt.get(path) != md5 and not difference:
                    difference = f"{stage} wrote another {path}: {finder.why_different(worktree / path, md5)}"
    return Rebuild(
        candidate.version,
        tuple(stage for stage in stages if states.get(stage) == "ran"),
        tuple(stage for stage in stages if states.get(stage) != "ran"),
        n_outputs,
        difference,
        tuple(notes),
    )
