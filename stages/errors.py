"""The errors that stages raise on purpose."""

from __future__ import annotations


class StageError(Exception):
    """The base of the exceptions of this package."""

    exit_code: int = 2


class StageBusyError(StageError, RuntimeError):
    """Another process holds the lock that this one needs."""


class InputsChangedError(StageError, RuntimeError):
    """What a stage reads was edited while the stage ran."""


def is_expected(error: Exception) -> bool:
    """Return whether an exception tells the user something, rather than being a fault of this code.

    Wrong parameters, tables and audio are ValueErrors. A full disk or a missing file is an OSError. The exceptions of
    this project's packages carry an `exit_code`.
    """
    return isinstance(error, (ValueError, OSError)) or hasattr(error, "exit_code")
