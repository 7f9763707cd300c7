"""The base of the errors of metrics/."""


class MetricsError(Exception):
    """An error that metrics/ raises on purpose."""

    exit_code: int = 2
