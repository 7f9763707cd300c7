"""What can be wrong with marks and certificates."""

from __future__ import annotations

from serving.errors import ServingError


class MarkUnreadableError(ServingError, ValueError):
    """A mark is there and cannot be read."""


class CertificateError(ServingError, ValueError):
    """The certificate or the key that is to sign cannot be used. The message names the file."""


class MarkingError(ServingError):
    """A file could not be marked, so it is not delivered."""
