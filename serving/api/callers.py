"""Who sends a request, and what the key allows. serving/keys makes the callers where keys are required."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from serving.messages import Lane


class Caller(Protocol):
    """Whoever a valid key belongs to."""

    @property
    def name(self) -> str:
        """Return the name for the audit. It is not a secret."""
        ...

    def require(self, *, voice: str, lane: Lane, purpose: str | None) -> None:
        """Raise KeyScopeError if the key does not cover a use."""
        ...

    def require_valid(self) -> None:
        """Raise UnauthenticatedError if the key has ended since the request came in."""
        ...

    def sees(self, voice: str) -> bool:
        """Return whether the key covers a voice at all. Others are not shown to it."""
        ...


# Takes the header Authorization. Raises UnauthenticatedError, or RateLimitedError with its retry_after
Authenticate = Callable[[str | None], Awaitable[Caller]]


class Anonymous:
    """Anybody on this machine, where keys are off. It may do everything."""

    name = "anonymous"

    def require(self, *, voice: str, lane: Lane, purpose: str | None) -> None:
        """Allow the use."""

    def require_valid(self) -> None:
        """Return, because there is nothing that could end."""

    def sees(self, voice: str) -> bool:
        """Return True."""
        return True


async def without_keys(authorization: str | None) -> Caller:
    """Return the anonymous caller, whatever the header says."""
    return Anonymous()
