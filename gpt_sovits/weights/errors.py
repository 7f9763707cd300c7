"""The error of files of weights that are refused."""

from __future__ import annotations

from gpt_sovits.errors import GptSovitsError


class WeightsError(GptSovitsError, ValueError):
    """A file of weights is refused, could not be fetched or cannot be written. The message says what to do."""


def first_names(names: list[str], n: int = 5) -> str:
    """Return the first n names and the number of the others, for a message."""
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
