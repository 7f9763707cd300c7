"""What the commands import: a command that needs no torch or MLflow must not wait seconds for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from imports import ROOT
from release_helpers import LINEAGE, promote_first, scorecard, write_scores
from sovits_tiny import tiny_sovits
from synthesis_tiny import PRESET, SOVITS_CONFIG, tiny_gpt, tiny_reference

from flows.cli import vox

TEXT = "The kettle is on."
# What `vox --help` and wrong usage must not load.
HEAVY = ("torch", "mlflow", "prefect", "dvc", "pydantic", "numpy", "sqlalchemy", "rich")
# What `vox say` must not load. Speaking itself needs torch and numba.
NOT_FOR_SPEECH = (
    "mlflow", "librosa", "transformers", "torchaudio", "prefect", "dvc", "pandas", "sklearn", "scipy.stats",
    "scipy.optimize", "matplotlib", "whisper", "jinja2",
)  # fmt: skip
SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_SIGNING_KEY")


def loaded(names, *arguments, cwd=ROOT):
    """Run `vox` in a process of its own; return its exit code and which of the modules it has loaded."""
    code = (
        "import sys, flows.cli\n"
        "try: flows.cli.main()\n"
        "except SystemExit as end: exit_code = end.code\n"
        f"print('loaded', exit_code, *(name for name in {names!r} if name in sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(ROOT)},
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


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Return a project whose champion of the voice anna is a tiny pair that speaks."""
    from gpt_sovits.synthesis.voice import save_voice
    from gpt_sovits.weights.checkpoint import save_checkpoint
    from registry.candidates.candidate import register_candidate
    from registry.storage.store import open_store

    root = tmp_path_factory.mktemp("released")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    gpt, sovits = tiny_gpt(), tiny_sovits(config=SOVITS_CONFIG)
    for kind, model in (("gpt", gpt), ("sovits", sovits)):
        save_checkpoint(root / "build" / kind, kind, model.config.to_dict(), model.state_dict())
    voice = root / "build/voice"
    save_voice(voice, root / "build/gpt", root / "build/sovits", tiny_reference(), PRESET)
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        store = open_store(root)
        register_candidate(store, "anna", voice, write_scores(root / "build", scorecard()), LINEAGE)
        promote_first(store)
    return root


def test_help_of_no_command_loads_anything_heavy():
    code = (
        "import sys, flows.cli\n"
        f"for words in {[list(words) for words in command_lines(vox)]!r}:\n"
        "    assert flows.cli.vox.main([*words, '--help'], standalone_mode=False) == 0, words\n"
        f"print('loaded', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded"


def test_wrong_usage_loads_nothing_heavy():
    assert loaded(HEAVY, "say", "anna") == (2, [])


def test_say_loads_neither_mlflow_nor_audio_and_training_libraries(released):
    output = released / "a.wav"
    code, modules = loaded((*NOT_FOR_SPEECH, "torch"), "say", "anna", TEXT, "-o", str(output), cwd=released)
    assert (code, modules) == (0, ["torch"])
    assert output.stat().st_size > 1000


def test_say_of_a_voice_without_consent_does_not_even_load_torch(released):
    code, modules = loaded(("torch", "mlflow"), "say", "nobody", TEXT, "-o", str(released / "b.wav"), cwd=released)
    assert (code, modules) == (2, [])


def test_journal_is_read_without_mlflow(released):
    assert loaded(("mlflow", "torch", "prefect"), "releases", "anna", cwd=released) == (0, [])
