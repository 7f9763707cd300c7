"""How long the commands of a release manager take, in CPU seconds of one core, their start included.

    python -m benchmarks.release_speed PROJECT VOICE --markdown benchmarks/RELEASE_SPEED.md

The voice needs a champion that passes against a former champion. Its releases are rolled back and promoted again, each
time under a policy with another seed, because a verdict allows one promotion. So take a copy of a project. Each command
runs in its own process. What it takes until it loads torch, which is to speak, is in its own column: the rest depends
on the voice and the text.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TEXT = "The kettle is on."
CHILD = """
import sys, time, flows.cli
class Watch:
    seconds = None
    def find_spec(self, name, path=None, target=None):
        if name == "torch" and Watch.seconds is None:
            Watch.seconds = time.process_time()
sys.meta_path.insert(0, Watch())
try:
    flows.cli.main()
except SystemExit as end:
    code = end.code
total = time.process_time()
print("measured", code, total, total if Watch.seconds is None else Watch.seconds, "mlflow" in sys.modules)
"""


class Use(NamedTuple):
    """What a command used.

    Attributes:
        total: CPU seconds of the whole command.
        before_speech: CPU seconds until it loaded torch, or of all of it.
        imports_mlflow: Whether it imported MLflow.
    """

    total: float
    before_speech: float
    imports_mlflow: bool


def measure(project: Path, arguments: Sequence[str]) -> Use:
    """Run a command in its own process.

    Args:
        project: The project's folder.
        arguments: What follows `vox`.

    Raises:
        RuntimeError: The command failed.
    """
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    last = (done.stdout.splitlines() or [""])[-1].split()
    if last[:2] != ["measured", "0"]:
        raise RuntimeError(f"vox {' '.join(arguments)} failed: {done.stdout}{done.stderr}")
    return Use(float(last[2]), float(last[3]), last[4] == "True")


def measure_all(project: Path, voice: str, n_rounds: int) -> dict[str, Use]:
    """Return the least that each command used. The champion is the same at the end as at the start.

    Args:
        project: The project's folder.
        voice: A voice with two releases.
        n_rounds: How often each command runs.
    """
    commands: dict[str, Callable[[], Use]] = {
        name: lambda arguments=arguments: measure(project, arguments)
        for name, arguments in {
            "releases": ("releases", voice),
            "audit": ("audit", voice),
            "say": ("say", voice, TEXT, "-o", "release_speed.wav"),
            "rollback": ("rollback", voice),
            "gate": ("gate", voice),
            "promote": ("promote", voice),
        }.items()
    }
    uses: dict[str, list[Use]] = {name: [] for name in commands}
    for number in range(n_rounds):
        _set_seed(project, time.time_ns() % 2**31 + number)
        for name, run in commands.items():
            uses[name].append(run())
    return {name: min(each) for name, each in uses.items()}


def _set_seed(project: Path, seed: int) -> None:
    """Change the seed of the gate's policy, so that the gate gives a new verdict."""
    code = f"from flows.settings import apply_settings; apply_settings(['gate.seed={seed}'])"
    subprocess.run([sys.executable, "-c", code], cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


def to_markdown(uses: dict[str, Use]) -> str:
    """Return the table of the commands, as Markdown."""
    lines = [
        "# Speed of the release commands",
        "",
        "`python -m benchmarks.release_speed PROJECT VOICE --markdown benchmarks/RELEASE_SPEED.md`",
        f"with MLflow {version('mlflow')} on SQLite. CPU seconds of the whole process, the least of several runs.",
        "",
        "| command | without speech | in all | imports MLflow |",
        "|---|---|---|---|",
    ]
    for name, use in uses.items():
        mlflow = "yes" if use.imports_mlflow else "no"
        total = "" if use.total == use.before_speech else f"{use.total:.1f} s"
        lines.append(f"| `vox {name}` | {use.before_speech:.1f} s | {total} | {mlflow} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the commands and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("voice")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", type=Path, help="Write the table here too.")
    options = parser.parse_args()
    table = to_markdown(measure_all(options.project.absolute(), options.voice, options.rounds))
    print(table)
    if options.markdown:
        options.markdown.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
