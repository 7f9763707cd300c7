"""Errors of the judges, in a module that imports nothing heavy."""


class JudgeUnavailableError(RuntimeError):
    """A judge cannot judge here: its weights are missing and cannot be fetched. Says what, where to put it, and how."""
