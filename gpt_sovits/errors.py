"""The base class of the errors that gpt_sovits defines."""

from __future__ import annotations


class GptSovitsError(Exception):
    """Base class of every exception that gpt_sovits defines.

    Attributes:
        exit_code: status with which a command line program should exit.
    """

    exit_code: int = 2
