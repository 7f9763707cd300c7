"""The base of the errors of registry/."""


class RegistryError(Exception):
    """An error that registry/ raises on purpose."""

    exit_code: int = 2
