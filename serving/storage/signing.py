"""Addresses that are valid for a time: the key and the time are signed with a secret of the store."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from serving.errors import SignedAddressError
from serving.storage.scratch import temporary_file

MAX_SECONDS = 604_800  # a week, as S3 has it
SECRET_BYTES = 32


class UrlSigner:
    """Signs keys.

    Invariant: the secret is made once, readable by its owner only, and never changes.
    """

    def __init__(self, file: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Prepare. The secret is made when the first address is signed.

        Args:
            file: Where the secret is, or will be.
            clock: Returns the time in seconds since 1970.
        """
        self._file, self._clock = file, clock

    def sign(self, key: str, *, seconds: int) -> str:
        """Return the query of an address.

        Args:
            key: Of the file.
            seconds: How long the address is valid, 1 to 604,800.

        Raises:
            ValueError: The time is another.
        """
        if not 1 <= seconds <= MAX_SECONDS:
            raise ValueError(f"an address is to be valid for {seconds} s; it can be 1 to {MAX_SECONDS} s")
        expires = int(self._clock()) + seconds
        return f"expires={expires}&signature={self._signature(key, expires, self._secret())}"

    def check(self, key: str, *, expires: int, signature: str) -> None:
        """Check an address.

        Args:
            key: Of the file.
            expires: Its time, in seconds since 1970.
            signature: Its signature, in hex.

        Raises:
            SignedAddressError: It was not signed here, or has expired.
        """
        secret = self._read()
        right = self._signature(key, expires, secret) if secret is not None else ""
        if not secret or not hmac.compare_digest(right.encode(), signature.encode()):
            raise SignedAddressError("the signature does not belong to this address")
        if expires <= self._clock():
            raise SignedAddressError("the address has expired")

    def _signature(self, key: str, expires: int, secret: bytes) -> str:
        return hmac.new(secret, f"{expires}\n{key}".encode(), hashlib.sha256).hexdigest()

    def _secret(self) -> bytes:
        secret = self._read()
        if secret is not None:
            return secret
        with temporary_file(self._file.parent / "unfinished") as made:
            made.touch(mode=0o600)
            with made.open("wb") as file:  # on the disk before it has its name, or a power cut leaves an empty secret
                file.write(secrets.token_bytes(SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another node made it a moment ago
                os.link(made, self._file)
        secret = self._read()
        assert secret is not None
        return secret

    def _read(self) -> bytes | None:
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None
