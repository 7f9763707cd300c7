"""A registered voice whose stages really run by DVC, each in a moment: a script that hashes what it reads."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from proof_helpers import STAGES, VOICE, git
from release_helpers import recordings_of, scorecard, write_scores, write_voice_folder
from ruamel.yaml import YAML

from registry.candidates.registration import register_candidate
from registry.files import file_sha256
from registry.storage.store import open_store
from stages.lineage import git_commit, locked_stages

RECORDINGS = f"data/1_recordings/{VOICE}"
BASE = "base_models/base/w"  # not in git
# DRIFT names a stage that writes other bytes, FAIL one that fails. LOG is a file that gets the name of each as it runs.
PROGRAM = """
import hashlib, json, os, shutil, sys, time
from pathlib import Path

stage, inputs, outputs = sys.argv[1], sys.argv[2].split(","), sys.argv[3].split(",")
with open(os.environ.get("LOG", os.devnull), "a") as log:
    log.write(stage + chr(10))
print(f"{stage}: reads {len(inputs)}", flush=True)
if os.environ.get("SLOW") == stage:
    time.sleep(15)
if os.environ.get("FAIL") == stage:
    sys.exit(f"error: {stage} has no memory left")
files = sorted(file for one in inputs for file in [Path(one), *Path(one).rglob("*")] if file.is_file())
text = " ".join(hashlib.md5(file.read_bytes()).hexdigest() for file in files)
text += next(line for line in Path("params.yaml").read_text().splitlines() if line.startswith("word: "))
text += "drift" if os.environ.get("DRIFT") == stage else ""
for place in map(Path, outputs):
    if stage == "evaluate":
        source = Path("made") / place.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)
        continue
    place.mkdir(parents=True)
    (place / "part.txt").write_text(hashlib.md5(text.encode()).hexdigest())
    if stage == "ingest":
        rows = [{"path": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
                for file in files if file.suffix == ".wav"]
        (place / "recordings.jsonl").write_text("".join(json.dumps(row) + chr(10) for row in rows))
"""


def make_computed(root: Path) -> None:
    """Make a git and DVC project, run its stages, commit, and register version 1 of anna. Works in the project."""
    # 1. Code in git, recordings and a base model beside it
    (root / "stages").mkdir(parents=True)
    (root / "stages/code.py").write_text(PROGRAM, encoding="utf-8")
    (root / BASE).parent.mkdir(parents=True)
    (root / BASE).write_text("a base model")
    write_voice_folder(root / "made/voice")
    write_scores(root / "made", scorecard())
    for number in range(2):
        (recordings_of(root) / f"{number}.wav").write_text(f"sound {number}")
    yaml = YAML()
    yaml.dump({"voices": [VOICE], "word": "first"}, root / "params.yaml")
    yaml.dump({"stages": {name: _stage(name) for name in STAGES}}, root / "dvc.yaml")
    (root / ".gitignore").write_text("data/\nbase_models/\nmlflow.db*\nmlartifacts/\n.vox/\n.cache/\n")
    (root / ".dvcignore").write_text(".cache\n")
    git(root, "init", "-q")
    dvc(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    # 2. Every stage, and its registration
    dvc(root, "repro", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")
    register(root)


def register(root: Path) -> None:
    """Register what evaluate wrote, as the stage register does."""
    locked = json.dumps(locked_stages(VOICE, Path("dvc.lock")), sort_keys=True)
    params = json.dumps({"word": YAML(typ="safe").load(root / "params.yaml")["word"]})
    lineage = {
        "git_commit": git_commit(),
        "dvc_lock_sha256": hashlib.sha256(locked.encode()).hexdigest(),
        "params_sha256": hashlib.sha256(params.encode()).hexdigest(),
        "data_manifest_sha256": file_sha256(root / f"data/1_manifests/{VOICE}/recordings.jsonl"),
    }
    scores = root / f"data/6_scores/{VOICE}"
    shutil.copytree(root / "made/audio", scores / "audio", dirs_exist_ok=True)
    register_candidate(
        open_store(),
        VOICE,
        voice_folder=scores / "voice",
        scorecard_path=scores / "scorecard.json",
        lineage=lineage,
        lineage_files={"dvc_lock.json": locked, "params.json": params},
    )


def dvc(root: Path, *arguments: str) -> str:
    """Run DVC in a project."""
    command = [sys.executable, "-m", "dvc", *arguments]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _stage(name: str) -> dict:
    reads, writes = STAGES[name]
    reads = sorted({*reads, "stages/code.py", "base_models/base", *(["made"] if name == "evaluate" else [])})
    arguments = f"{name} {','.join(reads)} {','.join(writes)}".replace(VOICE, "${item.voice}")
    return {
        "matrix": {"voice": "${voices}"},
        "cmd": f"python stages/code.py {arguments}",
        "deps": [path.replace(VOICE, "${item.voice}") for path in reads],
        "params": ["word"],
        "outs": [path.replace(VOICE, "${item.voice}") for path in writes],
    }
