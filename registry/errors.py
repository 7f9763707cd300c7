"""The base class of every error that the registry raises on purpose."""


class RegistryError(Exception):
    """An error that the registry raises on purpose. The message says what is wrong and what to do.

    Attributes:
        exit_code: Exit code of the command line that ends with this error.
    """

    exit_code: int = 2
