"""How the errors of a command become a sentence on stderr and an exit code."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import click

from registry.storage.masking import mask_secrets, visible

EXIT_ERROR = 2  # the question could not be answered
EXIT_INTERRUPTED = 130


def run_guarded(command: Callable[[], int | None], *, debug: bool) -> int:
    """Run a command and return its exit code. An error becomes a sentence on stderr, without secrets.

    Args:
        command: Returns an exit code. None counts as 0.
        debug: Whether the traceback of an error is printed too.
    """
    try:
        return command() or 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.Abort:
        return _print_error("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.message = visible(mask_secrets(error.message))
        error.show()
        return EXIT_ERROR
    except KeyboardInterrupt:
        return _print_error("interrupted; run the same command again to continue", EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001  (the last resort of the command line)
        if debug:
            click.echo(mask_secrets(traceback.format_exc()), err=True)
        return _print_error(explain(error), getattr(error, "exit_code", EXIT_ERROR))


def explain(error: Exception) -> str:
    """Return what an error says in one line, without secrets and without control characters."""
    from flows.errors import database_errors, named_errors

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, database_errors()):
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        text = (
            f"the database cannot be used ({reason}); check MLFLOW_TRACKING_URI and VOXFOUNDRY_DATABASE_URI, "
            "and that you may write there and the disk is not full"
        )
    elif not isinstance(error, named_errors()):
        text = f"{text} ({type(error).__name__}: a fault of vox; `vox --debug ...` shows where)"
    return visible(mask_secrets(text))


def _print_error(text: str, exit_code: int) -> int:
    click.echo(f"error: {text}", err=True)
    return exit_code
