"""How the errors of a command become a sentence on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Callable

import click

EXIT_ERROR = 2  # the question could not be answered
EXIT_INTERRUPTED = 130


def run_guarded(command: Callable[[], int | None], *, debug: bool) -> int:
    """Run a command and return its exit code. An error becomes a sentence on stderr, never a traceback.

    Args:
        command: Returns an exit code. None counts as 0.
        debug: Whether an error is raised, with its traceback.
    """
    try:
        return command() or 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.Abort:
        return _print_error("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return EXIT_ERROR
    except KeyboardInterrupt:
        return _print_error("interrupted; run the same command again to continue", EXIT_INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        from flows.errors import named_errors

        text = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, named_errors()):
            return _print_error(text, getattr(error, "exit_code", EXIT_ERROR))
        return _print_error(
            f"{text} ({type(error).__name__}: a fault of vox; `vox --debug ...` shows where)", EXIT_ERROR
        )


def _print_error(text: str, exit_code: int) -> int:
    click.echo(f"error: {text}", err=True)
    return exit_code
