"""What the gate raises instead of a decision."""

from __future__ import annotations

from registry.errors import RegistryError


class CannotMeasure(RegistryError, ValueError):  # noqa: N818  (not a fault of the candidate: there is no decision)
    """The scores are incomplete, contradictory or not comparable. The message lists every reason."""

    exit_code: int = 2
