"""What a cache keeps: bytes with a hash before them, and a header in JSON before the sound."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any, Protocol

LENGTH = struct.Struct(">I")
HASH_BYTES = 32


class ByteCache(Protocol):
    """Keeps bytes under a key until there is no room. It may be called by several threads."""

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key, None where that is not known any more."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Keep bytes, if that is possible."""
        ...

    def delete(self, key: str) -> None:
        """Forget a key."""
        ...


def seal(key: str, content: bytes) -> bytes:
    """Return bytes with a hash of them and their key before them."""
    return hashlib.sha256(key.encode() + b"\0" + content).digest() + content


def unseal(key: str, sealed: bytes) -> bytes | None:
    """Return the bytes that were sealed, None where they are not those, or of another key."""
    content = sealed[HASH_BYTES:]
    return content if seal(key, content)[:HASH_BYTES] == sealed[:HASH_BYTES] else None


def pack(header: dict[str, Any], body: bytes) -> bytes:
    """Return a header and a body as bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return LENGTH.pack(len(text)) + text + body


def unpack(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the body.

    Raises:
        ValueError: `pack` did not write it.
    """
    if len(content) < LENGTH.size:
        raise ValueError("an entry of the cache has no header")
    end = LENGTH.size + LENGTH.unpack_from(content)[0]
    header = json.loads(content[LENGTH.size : end])
    if not isinstance(header, dict):
        raise ValueError("the header of an entry of the cache is not an object")
    return header, content[end:]
