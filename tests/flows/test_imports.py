"""What the commands import: a command that needs no torch or MLflow must not wait seconds for them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from imports import ROOT
from project import environment

from flows.cli import vox

TEXT = "The kettle is on."
# What `vox --help` and wrong usage must not load.
HEAVY = ("torch", "mlflow", "prefect", "dvc", "pydantic", "numpy", "sqlalchemy", "rich")
# What `vox say` must not load. Speaking itself needs torch and numba.
NOT_FOR_SPEECH = (
    "mlflow", "librosa", "transformers", "torchaudio", "prefect", "dvc", "pandas", "sklearn", "scipy.stats",
    "scipy.optimize", "matplotlib", "whisper", "jinja2",
)  # fmt: skip


def loaded(names, *arguments, cwd=ROOT):
    """Run `vox` in its own process, and return its exit code and which of the modules it has loaded."""
    code = (
        "import sys, flows.cli\n"
        "try: flows.cli.main()\n"
        "except SystemExit as end: exit_code = end.code\n"
        f"print('loaded', exit_code, *(name for name in {names!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    last = done.stdout.splitlines()[-1].split() if done.stdout else []
    assert last[:1] == ["loaded"], done.stdout + done.stderr
    return int(last[1]), last[2:]


def command_lines(group, *before):
    """Yield the words of every command of the command line, groups included."""
    yield before
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from command_lines(command, *before, name)
        else:
            yield (*before, name)


def test_help_of_no_command_loads_anything_heavy():
    code = (
        "import sys, flows.cli\n"
        f"for words in {[list(words) for words in command_lines(vox)]!r}:\n"
        "    assert flows.cli.vox.main([*words, '--help'], standalone_mode=False) == 0, words\n"
        f"print('loaded', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env={**environment(), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded"


def test_wrong_usage_loads_nothing_heavy():
    assert loaded(HEAVY, "say", "anna") == (2, [])


def test_say_loads_neither_mlflow_nor_audio_and_training_libraries(speaking):
    output = speaking / "a.wav"
    code, modules = loaded((*NOT_FOR_SPEECH, "torch"), "say", "anna", TEXT, "-o", str(output), cwd=speaking)
    assert (code, modules) == (0, ["torch"])
    assert output.stat().st_size > 1000


def test_say_of_a_voice_without_consent_does_not_even_load_torch(speaking):
    code, modules = loaded(("torch", "mlflow"), "say", "nobody", TEXT, "-o", str(speaking / "b.wav"), cwd=speaking)
    assert (code, modules) == (1, [])


def test_journal_is_read_without_mlflow(speaking):
    assert loaded(("mlflow", "torch", "prefect"), "releases", "anna", cwd=speaking) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("audit", "anna"), 0),
        (("rollback", "anna"), 1),  # it is the first release
        (("promote", "anna"), 0),  # it is champion already
        (("gate", "anna"), 2),  # it was scored on other prompts than the locked ones
    ],
)
def test_release_commands_load_neither_mlflow_nor_torch(speaking, arguments, exit_code):
    names = ("mlflow", "torch", "prefect", "dvc", "pandas", "sklearn", "scipy.stats")
    assert loaded(names, *arguments, cwd=speaking) == (exit_code, [])
