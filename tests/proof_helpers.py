"""A released voice whose origin is a few files: what `vox verify` walks over, without a model and without DVC runs."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imports import ROOT
from release_helpers import promote_first, recordings_of, scorecard, write_scores, write_voice_folder
from ruamel.yaml import YAML

from flows.proof.data import hash_tree, list_files
from registry.candidates.registration import register_candidate
from registry.files import file_sha256
from registry.storage.store import Store, open_store
from stages.params import load_params

VOICE = "anna"
CODE = "stages/code.py"
PARAMS = {"profile": "starter", "segment": load_params(ROOT / "params.yaml").segment.model_dump(mode="json")}
# what each stage reads and writes
STAGES = {
    "ingest": ((CODE, "data/1_recordings/anna"), ("data/1_manifests/anna",)),
    "segment": (("data/1_manifests/anna", "data/1_recordings/anna"), ("data/2_clips/anna",)),
    "align": (("data/2_clips/anna", "data/1_manifests/anna"), ("data/3_aligned/anna",)),
    "features": (("base_models/base", "data/2_clips/anna", "data/3_aligned/anna"), ("data/4_features/anna",)),
    "adapt_sovits": (("data/4_features/anna",), ("data/5_checkpoints/anna/sovits/checkpoints",)),
    "adapt_gpt": (("data/4_features/anna",), ("data/5_checkpoints/anna/gpt/checkpoints",)),
    "evaluate": (
        ("data/5_checkpoints/anna/sovits/checkpoints", "data/5_checkpoints/anna/gpt/checkpoints"),
        ("data/6_scores/anna/scorecard.json", "data/6_scores/anna/voice"),
    ),
}


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def make_released(root: Path, *, settings: Mapping[str, Any] = PARAMS) -> Store:
    """Make a project in which version 1 of anna was registered with its whole origin and promoted.

    The stages ran with PARAMS, and `settings` are registered.
    """
    # 1. Code in git, a base model outside git, recordings, and what each stage wrote
    for name, text in (
        (CODE, "code"),
        ("params.yaml", "{}"),
        ("dvc.yaml", "{}"),
        (".dvc/config", ""),
        ("base_models/base/w", "b"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    git(root, "init", "-q")
    git(root, "add", CODE, "params.yaml", "dvc.yaml")
    git(root, "commit", "-qm", "start")
    recordings = recordings_of(root)
    rows = []
    for number in range(2):
        (recordings / f"{number}.wav").write_text(f"sound {number}")
        rows.append({"path": f"{number}.wav", "sha256": file_sha256(recordings / f"{number}.wav")})
    write_voice_folder(root / "data/6_scores/anna/voice")
    scores = write_scores(root / "data/6_scores/anna", scorecard())
    for _, outputs in STAGES.values():
        for path in outputs:
            if not (root / path).exists():
                (root / path).mkdir(parents=True)
                (root / path / "part.bin").write_text(f"made: {path}")
    manifest = root / "data/1_manifests/anna/recordings.jsonl"
    manifest.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    # 2. What DVC would have recorded
    stages = {
        f"{stage}@{VOICE}": {
            "deps": [_entry(root, path) for path in deps],
            "params": {"params.yaml": {key: PARAMS[key] for key in ("profile", stage) if key in PARAMS}},
            "outs": [_entry(root, path) for path in outs],
        }
        for stage, (deps, outs) in STAGES.items()
    }
    with (root / "dvc.lock").open("w", encoding="utf-8") as file:
        YAML().dump({"schema": "2.0", "stages": stages}, file)
    # 3. Registered and released
    files = {"dvc_lock.json": json.dumps(stages, sort_keys=True), "params.json": json.dumps(settings)}
    lineage = {
        "git_commit": git(root, "rev-parse", "HEAD"),
        "dvc_lock_sha256": _sha256(files["dvc_lock.json"]),
        "params_sha256": _sha256(files["params.json"]),
        "data_manifest_sha256": file_sha256(manifest),
    }
    store = open_store(root)
    register_candidate(
        store, VOICE, voice_folder=scores.parent / "voice", scorecard_path=scores, lineage=lineage, lineage_files=files
    )
    promote_first(store)
    return store


def keep_in_cache(root: Path, path: str) -> None:
    """Put a folder of the workspace into DVC's cache, as DVC does after a stage."""
    objects = root / ".dvc/cache/files/md5"
    hashes = {}
    for name, file in list_files(root / path).items():
        hashes[name] = hashlib.md5(file.read_bytes()).hexdigest()
        (objects / hashes[name][:2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, objects / hashes[name][:2] / hashes[name][2:])
    md5 = hash_tree(hashes, is_folder=True)
    (objects / md5[:2]).mkdir(parents=True, exist_ok=True)
    rows = [{"md5": hashes[name], "relpath": name} for name in sorted(hashes)]
    (objects / md5[:2] / md5[2:]).write_text(json.dumps(rows, sort_keys=True))


def _entry(root: Path, path: str) -> dict[str, str]:
    hashes = {name: hashlib.md5(file.read_bytes()).hexdigest() for name, file in list_files(root / path).items()}
    return {"path": path, "hash": "md5", "md5": hash_tree(hashes, is_folder=(root / path).is_dir())}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
