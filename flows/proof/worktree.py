"""A temporary worktree with the registered code, parameters and data of a version."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ruamel.yaml import YAML

from flows.errors import FlowError
from flows.paths import REBUILDS, recordings_dir
from flows.proof.commit import GitError, run_git, why_not_checked_out
from flows.proof.data import DataFinder, Found, Missing, list_files
from flows.proof.stage_links import Origin, find_outside_inputs, read_manifest
from registry.files import file_sha256
from stages.execution.locks import locked

LOCK_WAIT_SECONDS = 2.0
# Of DVC in the worktree. With a cache of its own, it finds no outputs of earlier runs and has to run every stage.
DVC_SETTINGS = """[core]
    no_scm = true
    analytics = false
    check_update = false
    site_cache_dir = {folder}/.dvc/site
[cache]
    dir = {folder}/.dvc/cache
"""


class RebuildError(FlowError, RuntimeError):
    """A version cannot be rebuilt here. The message says what is missing."""


@contextmanager
def open_worktree(root: Path, commit: str, *, name: str, keep: bool) -> Iterator[Path]:
    """Check a commit out into a temporary folder, yield the project in it, and remove it at the end.

    It removes what killed rebuilds left, and kept ones. One project has one rebuild at a time.

    Args:
        root: The project's root.
        commit: Which commit.
        name: Of the folder, as `git worktree list` shows it.
        keep: Whether it stays until the next rebuild.

    Raises:
        RebuildError: Git does not have the commit.
        StageBusyError: Another rebuild is running.
    """
    if reason := why_not_checked_out(root, commit):
        raise RebuildError(f"it cannot be rebuilt: {reason}")
    prefix = run_git(root, "rev-parse", "--show-prefix").decode().strip()
    with locked("rebuild", wait_seconds=LOCK_WAIT_SECONDS):
        _remove_worktrees(root)
        (root / REBUILDS).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=(root / REBUILDS).resolve())) / name
        try:
            # without the project's hooks, which may do anything after a checkout
            run_git(
                root, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", "--quiet", str(folder), commit
            )
            yield folder / prefix
        finally:
            if not keep:
                _remove_worktrees(root)


def _remove_worktrees(root: Path) -> None:
    """Remove the folders of rebuilds and what git knows of them. What cannot be removed now is for the next rebuild."""
    place = (root / REBUILDS).resolve()
    shutil.rmtree(place, ignore_errors=True)
    lines = run_git(root, "worktree", "list", "--porcelain").decode().splitlines()
    for line in lines:
        folder = Path(line.removeprefix("worktree "))
        if line.startswith("worktree ") and folder.is_relative_to(place):
            with suppress(GitError):
                run_git(root, "worktree", "remove", "--force", "--force", str(folder))


def fill_worktree(worktree: Path, origin: Origin, *, root: Path, params: str, finder: DataFinder) -> list[str]:
    """Put everything that the stages read and git does not have into a worktree.

    Args:
        worktree: The project in it.
        origin: Of the version.
        root: The project's root.
        params: The registered params.json.
        finder: Where data is looked for.

    Returns:
        What a reader of the result should know, in sentences.

    Raises:
        RebuildError: Something that the stages read is not to be had.
    """
    notes = _place_recordings(worktree, origin, root=root, finder=finder)
    for path, place in find_outside_inputs(origin, root, finder=finder).items():
        if isinstance(place, Missing):
            raise RebuildError(f"it cannot be rebuilt: {place.reason}")
        if isinstance(place, Found):
            _copy(place, worktree / path)
    _write_params(worktree / "params.yaml", origin.candidate.voice, params=params)
    (worktree / "dvc.lock").unlink(missing_ok=True)  # else DVC would call the stages unchanged
    (worktree / ".dvc").mkdir(exist_ok=True)
    settings = DVC_SETTINGS.format(folder=worktree)
    (worktree / ".dvc/config.local").write_text(settings, encoding="utf-8")
    return notes


def _place_recordings(worktree: Path, origin: Origin, *, root: Path, finder: DataFinder) -> list[str]:
    """Put the recordings into a worktree, and return notes about them.

    The folder also holds the consent record and the corrections. Where it has changed since, and no copy of it is to be
    had, it serves as long as every recording is the registered one.
    """
    folder = recordings_dir(origin.candidate.voice).as_posix()
    found = finder.find(folder, origin.inputs("ingest").get(folder, ""), is_current=False)
    notes = []
    if isinstance(found, Missing):
        rows = read_manifest(origin, finder)
        if isinstance(rows, Missing):
            raise RebuildError(f"it cannot be rebuilt: {found.reason}")
        for row in rows:
            place = root / folder / row["path"]
            if not place.is_file() or file_sha256(place) != row["sha256"]:
                state = "is another file than the one registered" if place.exists() else "is missing"
                raise RebuildError(
                    f"it cannot be rebuilt: {folder}/{row['path']} in this workspace {state}; {found.reason}"
                )
        found = Found(list_files(root / folder), "workspace")
        notes.append(f"every recording is as registered, but another file in {folder} has changed since")
    shutil.rmtree(worktree / folder, ignore_errors=True)
    _copy(found, worktree / folder)
    return notes


def _copy(found: Found, target: Path) -> None:
    """Copy a file or folder. A link would let a stage write into the user's file."""
    for name, source in found.files.items():
        place = target / name if name else target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)


def _write_params(path: Path, voice: str, *, params: str) -> None:
    """Write the registered parameters over those of the commit, whose rules for releases no stage before reads."""
    yaml = YAML(typ="safe")
    content = yaml.load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    content |= json.loads(params) | {"voices": [voice]}
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
