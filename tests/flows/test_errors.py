"""Our errors become a sentence and their exit code, and anything else is called a fault of vox."""

from __future__ import annotations

import ast
import subprocess
import sys

import click
import pytest
import sqlalchemy as sa
from imports import PRODUCT, ROOT

from flows.errors import FlowError, named_errors
from flows.guard import run_guarded
from gpt_sovits.errors import GptSovitsError
from metrics.errors import MetricsError
from registry.errors import RegistryError
from serving.errors import ServingError
from stages.errors import StageError

BASES = (FlowError, StageError, ServingError, RegistryError, MetricsError, GptSovitsError)
BASE_NAMES = {base.__module__.split(".")[0]: base.__name__ for base in BASES}
BASE_NAMES["campaigns"] = "CampaignError"  # derives from ServingError, which names it for the commands


class RefusalError(RegistryError):
    exit_code = 1


def guarded(error, capsys):
    """Return the exit code and stderr of a command that raises."""

    def command():
        raise error

    return run_guarded(command, debug=False), capsys.readouterr().err


@pytest.mark.parametrize("base", BASES)
def test_base_error_is_a_sentence_with_its_exit_code(base, capsys):
    assert guarded(base("the disk is\nfull; free some space"), capsys) == (
        2,
        "error: the disk is full; free some space\n",
    )


def test_exit_code_of_a_class_counts(capsys):
    assert guarded(RefusalError("no"), capsys) == (1, "error: no\n")


@pytest.mark.parametrize("error", [ValueError("no such key"), FileNotFoundError("no such file")])
def test_wrong_input_and_missing_file_are_sentences(error, capsys):
    assert guarded(error, capsys) == (2, f"error: {error}\n")


@pytest.mark.parametrize("error", [RuntimeError("odd"), KeyError("odd"), AssertionError()])
def test_anything_else_is_a_fault_of_vox(error, capsys):
    code, text = guarded(error, capsys)
    assert code == 2
    assert f"({type(error).__name__}: a fault of vox; `vox --debug ...` shows where)" in text
    assert text.count("\n") == 1


def test_click_errors_and_interruptions_keep_their_codes(capsys):
    code, text = guarded(click.UsageError("no such option"), capsys)
    assert (code, "no such option" in text) == (2, True)
    assert guarded(KeyboardInterrupt(), capsys)[0] == 130
    assert guarded(click.Abort(), capsys)[0] == 130


def test_debug_shows_the_traceback_and_the_sentence(capsys):
    def command():
        raise FlowError("a fault")

    assert run_guarded(command, debug=True) == 2
    shown = capsys.readouterr().err
    assert "in command" in shown and shown.endswith("\nerror: a fault\n")


@pytest.mark.parametrize("debug", [False, True])
def test_no_secret_and_no_control_character_of_an_error_is_shown(capsys, monkeypatch, debug):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter22")

    def command():
        raise RuntimeError("postgresql://anna:p@ss/w0rd@db/x refused \x1b[31mhunter22")

    assert run_guarded(command, debug=debug) == 2
    shown = capsys.readouterr().err
    assert "w0rd" not in shown and "hunter22" not in shown
    assert "postgresql://anna:***@db/x" in shown
    assert debug or "\x1b" not in shown


def test_database_that_cannot_be_used_is_a_sentence(capsys):
    def command():
        with sa.create_engine("sqlite:////").connect():
            pass

    assert run_guarded(command, debug=False) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: the database cannot be used (unable to open database file); check MLFLOW_TRACKING")


def test_success_and_verdicts_pass_through():
    assert [run_guarded(lambda code=code: code, debug=False) for code in (None, 0, 1, 3)] == [0, 0, 1, 3]


def test_base_errors_are_cheap_to_import():
    code = (
        "import sys\nfrom flows.errors import named_errors\nnamed_errors()\n"
        "print([name for name in ('torch', 'mlflow', 'numpy', 'pydantic', 'click') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_named_errors_are_the_bases_and_two_of_python():
    assert set(named_errors()) == {*BASES, ValueError, OSError}


def error_classes(package):
    """Return {class: names of its bases} of each public exception class of a package, read from the source."""
    classes = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name] = [ast.unparse(base).split(".")[-1] for base in node.bases]

    def is_error(name):
        return name.endswith(("Error", "Exception")) or any(map(is_error, classes.get(name, ())))

    return {name: bases for name, bases in classes.items() if is_error(name)}


@pytest.mark.parametrize("package", PRODUCT)
def test_every_error_derives_from_its_packages_base(package):
    classes = error_classes(package)

    def derives(name):
        return name == BASE_NAMES[package] or any(derives(base) for base in classes.get(name, ()))

    assert classes
    assert not [name for name in classes if not derives(name)]
