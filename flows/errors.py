"""The errors that `vox` explains in a sentence."""

from __future__ import annotations


class FlowError(Exception):
    """The base of the errors that flows/ raises on purpose."""

    exit_code: int = 2


def named_errors() -> tuple[type[Exception], ...]:
    """Return the classes of errors whose message is written for the user.

    These are the base of each package, ValueError (a wrong input) and OSError (a full disk, a missing file).
    The imports wait until an error has happened.
    """
    from gpt_sovits.errors import GptSovitsError
    from metrics.errors import MetricsError
    from registry.errors import RegistryError
    from serving.errors import ServingError
    from stages.errors import StageError

    return FlowError, StageError, ServingError, RegistryError, MetricsError, GptSovitsError, ValueError, OSError


def database_errors() -> tuple[type[Exception], ...]:
    """Return the classes of errors with which a database says that it cannot be used."""
    import sqlite3

    from sqlalchemy.exc import SQLAlchemyError

    return SQLAlchemyError, sqlite3.Error
