"""What is said when a file of weights is refused."""


class WeightsError(ValueError):
    """A file of weights is refused, could not be fetched or cannot be written. The message says what to do."""


def some(names: list[str], n: int = 5) -> str:
    """The first names and how many more there are, for a message."""
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
