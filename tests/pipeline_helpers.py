"""Helpers for tests of whole runs: their outputs, their states, and how to kill one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

from project import VOICE, environment
from ruamel.yaml import YAML

# A policy that any sound passes. Both versions make the same sound: in project.py, their GPTs learn almost nothing.
LENIENT = (
    "gate.thresholds=[{metric: similarity, relative_to: recordings, scale: difference, at_least: -0.99, unit: cosine, "
    "reason: a test}]",
    "gate.non_inferiority=[{metric: similarity, margin: 0.1, unit: cosine, reason: a test}]",
    "gate.slices=[]",
)


def outputs(root):
    """Return the hash of every output of every stage, as dvc.lock has it."""
    stages = YAML(typ="safe").load((root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {(name, out["path"]): out["md5"] for name, stage in stages.items() for out in stage["outs"]}


def states(stdout):
    """Return what a run printed about each stage: up to date, done or restored from cache."""
    return dict(re.findall(r"^(\w+): (up to date|done|restored from cache) in \d+ s$", stdout, flags=re.MULTILINE))


def kill_in(root, stage, seconds, *more, prefect=False):
    """Run the pipeline and kill -9 `vox` some seconds after a stage began.

    Its children must end by themselves.
    """
    command = [sys.executable, "-m", "flows.cli", "run", VOICE, "--first-release", *more]
    command += [] if prefect else ["--no-prefect"]
    child = subprocess.Popen(command, cwd=root, env=environment(), stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if line.startswith(f"{stage}: started"):
            time.sleep(seconds)
            break
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 10
    while (left := stage_processes(root)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left, f"{stage} outlived the run that started it: {left}"


def stage_processes(root):
    """Return the processes that still work in the project, as lines of ps."""
    done = subprocess.run(["ps", "-eo", "pid,ppid,stat,etimes,args"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in done.splitlines() if "-m stages." in line or "-m dvc" in line]
    return [line for line in lines if _folder_of(line.split()[0]) == str(root)]


def _folder_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except FileNotFoundError:
        return ""
