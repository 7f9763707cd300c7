"""A temporary worktree with the registered code, parameters and data of a version."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ruamel.yaml import YAML

from flows.dvc_objects import DvcCache
from flows.errors import FlowError
from flows.paths import recordings_dir
from flows.proof.commit import GitError, run_git, why_not_checked_out
from flows.proof.data import DataFinder, Found, Missing, list_files
from flows.proof.stage_links import Origin, find_outside_inputs, read_manifest
from registry.files import file_sha256


class RebuildError(FlowError, RuntimeError):
    """A version cannot be rebuilt here. The message says what is missing."""


@contextmanager
def open_worktree(root: Path, commit: str) -> Iterator[Path]:
    """Check a commit out into a temporary folder, yield the project in it, and remove it at the end.

    Args:
        root: The project's root.
        commit: Which commit.

    Raises:
        RebuildError: Git does not have the commit.
    """
    if reason := why_not_checked_out(root, commit):
        raise RebuildError(f"it cannot be rebuilt: {reason}")
    run_git(root, "worktree", "prune")  # forget those that killed rebuilds left
    prefix = run_git(root, "rev-parse", "--show-prefix").decode().strip()
    with tempfile.TemporaryDirectory(prefix="vox-rebuild-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "project"
        run_git(root, "worktree", "add", "--detach", "--quiet", str(folder), commit)
        try:
            yield folder / prefix
        finally:
            with suppress(GitError):
                run_git(root, "worktree", "remove", "--force", str(folder))


def fill_worktree(
    worktree: Path, origin: Origin, *, root: Path, params: str, finder: DataFinder, cache: DvcCache | None
) -> list[str]:
    """Put everything that the stages read and git does not have into a worktree.

    Args:
        worktree: The project in it.
        origin: Of the version.
        root: The project's root.
        params: The registered params.json.
        finder: Where data is looked for.
        cache: DVC's cache that the worktree uses, None for one of its own, so that nothing is restored.

    Returns:
        What a reader of the result should know, in sentences.

    Raises:
        RebuildError: Something that the stages read is not to be had.
    """
    notes = _place_recordings(worktree, origin, root, finder)
    for path, place in find_outside_inputs(origin, root, finder).items():
        if isinstance(place, Missing):
            raise RebuildError(f"it cannot be rebuilt: {place.reason}")
        if isinstance(place, Path):
            for name, file in list_files(place).items():
                _link_or_copy(file, worktree / path / name if name else worktree / path)
    _write_params(worktree / "params.yaml", origin.candidate.voice, params)
    (worktree / "dvc.lock").unlink(missing_ok=True)  # else DVC would call the stages unchanged
    (worktree / ".dvc").mkdir(exist_ok=True)
    settings = "[core]\n    no_scm = true\n    analytics = false\n"
    if cache is not None:
        settings += f"[cache]\n    dir = {cache.objects.parent.parent.absolute()}\n"
    (worktree / ".dvc/config.local").write_text(settings, encoding="utf-8")
    return notes


def _place_recordings(worktree: Path, origin: Origin, root: Path, finder: DataFinder) -> list[str]:
    voice, notes = origin.candidate.voice, []
    folder = recordings_dir(voice).as_posix()
    found = finder.find(folder, origin.inputs("ingest").get(folder, ""), is_current=False)
    files = found.files if isinstance(found, Found) else {}
    if not files:
        rows = read_manifest(origin, finder)
        if isinstance(rows, Missing):
            raise RebuildError(f"it cannot be rebuilt: {found.reason if isinstance(found, Missing) else rows.reason}")
        for row in rows:
            place = root / folder / row["path"]
            if not place.is_file() or file_sha256(place) != row["sha256"]:
                raise RebuildError(
                    f"it cannot be rebuilt: {folder}/{row['path']} as registered is neither in this workspace nor in "
                    "DVC's cache; put the recording back, or fetch it with `dvc pull`"
                )
        files = list_files(root / folder)
        notes.append(f"every recording is as registered, but another file in {folder} has changed since")
    shutil.rmtree(worktree / folder, ignore_errors=True)
    for name, file in files.items():
        place = worktree / folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    return notes


def _link_or_copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)  # a base model may have gigabytes
    except OSError:  # another file system
        shutil.copy(source, target)


def _write_params(path: Path, voice: str, params: str) -> None:
    """Write the registered parameters over those of the commit, whose rules for releases no stage before reads."""
    yaml = YAML(typ="safe")
    content = yaml.load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    content |= json.loads(params) | {"voices": [voice]}
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
