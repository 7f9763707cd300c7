"""Where a candidate comes from, as tags of its model version."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from ruamel.yaml import YAML

from stages.params import Params

NOT_ABOUT_THE_MODEL = {"voices", "gate"}  # other voices, and who may be released


def lineage(voice: str, manifest_dir: Path, params: Params) -> dict[str, str]:
    """Hashes of everything that made the candidate: code, stages as DVC locked them, parameters, recordings."""
    return {
        "git_commit": git_commit(),
        "dvc_lock_sha256": dvc_lock_sha256(voice, Path("dvc.lock")),
        "params_sha256": _sha256(params.model_dump(mode="json", by_alias=True, exclude=NOT_ABOUT_THE_MODEL)),
        "data_manifest_sha256": hashlib.sha256((manifest_dir / "recordings.jsonl").read_bytes()).hexdigest(),
    }


def git_commit() -> str:
    """The commit that is checked out, `+changes` behind it where tracked files differ; `none` outside git.

    dvc.lock and params.yaml do not count: they are hashed by themselves, and a run changes them.
    """
    head = _git("rev-parse", "HEAD")
    if not head:
        return "none"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock", ":!params.yaml")
    return f"{head}+changes" if changed else head


def dvc_lock_sha256(voice: str, path: Path) -> str:
    """sha256 over the entries of this voice's stages before `register` in dvc.lock."""
    if not path.is_file():
        raise ValueError(
            f"{path} is missing, so nobody knows what the scores were made from; run the stages by `dvc repro`"
        )
    stages = YAML(typ="safe").load(path.read_text(encoding="utf-8")).get("stages", {})
    return _sha256(
        {name: stages[name] for name in stages if name.endswith(f"@{voice}") and name != f"register@{voice}"}
    )


def _git(*arguments: str) -> str:
    """What git prints; empty where git or a repository is absent."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
