"""The names that users import from gpt_sovits, its errors, and the maps in the docstrings of its packages."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys

import pytest
from imports import ROOT

import gpt_sovits
from gpt_sovits.errors import GptSovitsError

FOLDER = ROOT / "gpt_sovits"
MAPPED = ("", "adaptation", "synthesis", "weights", "weights/network", "weights/upstream")


def test_importing_the_package_does_not_import_pytorch():
    code = "import sys, gpt_sovits; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_every_public_name_can_be_imported():
    assert list(gpt_sovits.__all__) == sorted(gpt_sovits.__all__)
    assert {"load_voice", "stream", "Synthesizer", "Reference", "Preset", "import_pair"} <= set(gpt_sovits.__all__)
    for name in gpt_sovits.__all__:
        value = getattr(gpt_sovits, name)
        assert value.__name__ == name and value.__doc__, name
    assert set(gpt_sovits.__all__) <= set(dir(gpt_sovits))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = gpt_sovits.nothing


def test_the_import_of_voices_that_were_registered_before_still_works():
    synthesis = importlib.import_module("gpt_sovits.synthesis")
    assert synthesis.load_voice is gpt_sovits.load_voice


def test_every_error_class_derives_from_the_base_class():
    found = set()
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
                assert issubclass(getattr(module, node.name), GptSovitsError), f"{path}: {node.name}"
                found.add(node.name)
    assert {"CheckpointError", "WeightsError", "TrainingDivergedError", "AudioError"} <= found
    assert GptSovitsError.exit_code == 2


@pytest.mark.parametrize("package", MAPPED)
def test_the_docstring_of_a_package_names_each_of_its_modules(package):
    folder = FOLDER / package
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")), clean=False)
    modules = {path.name for path in folder.glob("*.py") if path.name != "__init__.py"}
    packages = {f"{path.name}/" for path in folder.iterdir() if (path / "__init__.py").is_file()}
    named = {line.split()[0] for line in text.splitlines() if line.startswith("    ") and line.split()}
    assert modules | packages <= named
