"""What git has of a registered commit."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from flows.errors import FlowError
from stages.lineage import git_commit

CHANGED = "+changes"  # after the commit where tracked files differed from it
NO_GIT = "none"


class GitError(FlowError, RuntimeError):
    """Git does not have the commit, or could not do what it was told."""


def run_git(root: Path, *arguments: str, text: str | None = None) -> bytes:
    """Run git in a project and return what it prints.

    Args:
        root: The project's root.
        *arguments: Of git.
        text: For its standard input.

    Raises:
        GitError: With git's own message.
    """
    # a hook of git sets these, and they would lead to another repository
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607
            cwd=root,
            env=env,
            input=text.encode() if text is not None else None,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError("git is not installed; install it") from error
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError(f"git {arguments[0]}: {message[-1] if message else 'failed without a message'}")
    return done.stdout


def why_not_checked_out(root: Path, commit: str) -> str:
    """Return why the code of a registration cannot be had from git, "" where it can.

    Args:
        root: The project's root.
        commit: The tag git_commit of the registration.
    """
    if commit == NO_GIT:
        return "it was registered outside git, so nobody knows its code"
    if commit.endswith(CHANGED):
        plain = commit.removesuffix(CHANGED)
        return f"it was registered with changes that were not committed after {plain[:12]}; commit before you run"
    try:
        run_git(root, "cat-file", "-e", f"{commit}^{{commit}}")
    except GitError:
        return f"this repository does not have the commit {commit[:12]}; fetch it (`git fetch --all`)"
    return ""


def describe_changes() -> str:
    """Return a note for a run whose version nobody could rebuild, "" where its code is in git."""
    commit = git_commit()
    if commit == NO_GIT:
        return "note: this folder is not in a git repository, so the new version cannot be verified or rebuilt later"
    if commit.endswith(CHANGED):
        return (
            "note: tracked files differ from the last commit, so the new version cannot be verified or rebuilt later; "
            "commit them before the run"
        )
    return ""


def hash_committed(root: Path, commit: str, *, paths: Iterable[str]) -> dict[str, str]:
    """Return the md5 of files of a commit, by their path in the project.

    Args:
        root: The project's root, which may lie below the repository's.
        commit: Which commit.
        paths: Files, and folders whose files are all wanted. What the commit does not have is left out.

    Raises:
        GitError: Git cannot read it.
    """
    listed = run_git(root, "ls-tree", "-r", "-z", commit, "--", *paths).decode().split("\0")
    entries = [line.split("\t", 1) for line in listed if line]
    blobs = {path: fields.split()[2] for fields, path in entries if fields.split()[1] == "blob"}
    output = run_git(root, "cat-file", "--batch", text="".join(f"{blob}\n" for blob in blobs.values()))
    hashes, position = {}, 0
    for path in blobs:
        end = output.index(b"\n", position)
        size = int(output[position:end].split()[2])
        content = output[end + 1 : end + 1 + size]
        hashes[path] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        position = end + 1 + size + 1
    return hashes
