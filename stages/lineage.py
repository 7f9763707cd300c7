"""Where a candidate comes from, as tags of its model version."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.params import Params
from stages.used_settings import require_same_settings

UNRELATED_SECTIONS = {"voices", "consent", "releases", "gate", "serve"}  # they do not change the model


@dataclass(frozen=True)
class Lineage:
    """Where a candidate comes from.

    Attributes:
        tags: Hashes of everything that made it, as tags of its version.
        files: The texts behind two of them, by file name: DVC's record of each stage, and the parameters.
    """

    tags: dict[str, str]
    files: dict[str, str]


def lineage(voice: str, manifest_dir: Path, params: Params) -> Lineage:
    """Return what made the candidate: code, stages as DVC locked them, parameters, recordings.

    Args:
        voice: name of the voice.
        manifest_dir: output of the stage ingest.
        params: all of params.yaml.

    Raises:
        ValueError: dvc.lock is missing, or a stage ran with other parameters than these.
    """
    stages = locked_stages(voice, Path("dvc.lock"))
    values = params.model_dump(mode="json", by_alias=True, exclude=UNRELATED_SECTIONS)
    require_same_settings(stages, values)
    locked, settings = (json.dumps(one, sort_keys=True) for one in (stages, values))
    tags = {
        "git_commit": git_commit(),
        "dvc_lock_sha256": _sha256(locked),
        "params_sha256": _sha256(settings),
        "data_manifest_sha256": hashlib.sha256((manifest_dir / "recordings.jsonl").read_bytes()).hexdigest(),
    }
    return Lineage(tags, {"dvc_lock.json": locked, "params.json": settings})


def git_commit() -> str:
    """Return the commit that is checked out, with `+changes` where tracked files differ, or `none` outside git.

    dvc.lock and params.yaml do not count: they are hashed separately, and a run changes them.
    """
    head = _git("rev-parse", "HEAD")
    if not head:
        return "none"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock", ":!params.yaml")
    return f"{head}+changes" if changed else head


def locked_stages(voice: str, path: Path) -> dict[str, Any]:
    """Return the entries of this voice's stages before `register` in dvc.lock: what each read and wrote.

    Raises:
        ValueError: the file is missing.
    """
    if not path.is_file():
        raise ValueError(
            f"{path} is missing, and it records what the scores were made from; run the stages with `dvc repro`"
        )
    stages = YAML(typ="safe").load(path.read_text(encoding="utf-8")).get("stages", {})
    return {name: stages[name] for name in stages if name.endswith(f"@{voice}") and name != f"register@{voice}"}


def _git(*arguments: str) -> str:
    """Return what git prints, or an empty text where git or a repository is missing."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
    except FileNotFoundError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
