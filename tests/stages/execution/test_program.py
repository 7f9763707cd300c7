"""The frame of a stage's program: an expected error is one line and an exit code."""

from __future__ import annotations

import pytest

from metrics.errors import JudgeUnavailableError
from stages.errors import StageBusyError, StageError
from stages.execution.program import run_stage


def failing(error: Exception):
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    "error",
    [ValueError("bad\nvalue"), FileNotFoundError("gone"), StageBusyError("busy"), JudgeUnavailableError("no weights")],
    ids=lambda error: type(error).__name__,
)
def test_an_expected_error_is_one_line_and_exit_code_1(error, capsys):
    with pytest.raises(SystemExit) as exit_:
        run_stage(failing(error))
    assert exit_.value.code == 1
    assert capsys.readouterr().err == f"error: {' '.join(str(error).split())}\n"


@pytest.mark.parametrize("error", [RuntimeError("torch failed"), KeyError("x"), AssertionError("our fault")], ids=repr)
def test_a_fault_of_our_own_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        run_stage(failing(error))


def test_a_busy_stage_could_not_answer_the_question():
    assert StageBusyError("busy").exit_code == StageError.exit_code == 2
