"""The base of the errors of stages/."""


class StageError(Exception):
    """An error that stages/ raises on purpose."""

    exit_code: int = 2
