"""The environment of the processes that the service starts."""

from __future__ import annotations

import os

SECRETS = ("MLFLOW_", "VOXFOUNDRY_", "AWS_", "PG", "OTEL_")  # begin the names of variables that only the API needs


def without_secrets(*kept: str) -> dict[str, str]:
    """Return the environment of this process without its passwords.

    Args:
        kept: Names of variables that stay.
    """
    return {name: value for name, value in os.environ.items() if name in kept or not name.startswith(SECRETS)}
