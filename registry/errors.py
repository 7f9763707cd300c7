"""The base of the errors that registry raises."""

from __future__ import annotations


class RegistryError(Exception):
    """Base of the errors that registry raises."""

    exit_code: int = 2
