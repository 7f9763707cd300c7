"""What passes between the API and a worker: a header in JSON, and bytes of sound after it.

A frame is two lengths (4 bytes each, big endian), the header and the body. Nothing is unpickled, so a worker that was
taken over could not run code in the process that holds the keys.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

from serving.errors import ServingError

LENGTHS = struct.Struct(">II")
MAX_HEADER = 4_000_000  # a text of 1,000,000 characters
MAX_BODY = 64_000_000  # a sentence of 15 minutes

Header = dict[str, Any]


class BrokenFrameError(ServingError):
    """What arrived is not a frame. The other side is broken."""


def pack(header: Header, body: bytes = b"") -> bytes:
    """Return a frame."""
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


async def read_frame(reader: asyncio.StreamReader) -> tuple[Header, bytes] | None:
    """Return the next frame, None where the other side has ended.

    Raises:
        BrokenFrameError: What arrived is not a frame.
    """
    try:
        n_header, n_body = _check(*LENGTHS.unpack(await reader.readexactly(LENGTHS.size)))
        text = await reader.readexactly(n_header)
        return _parse(text), await reader.readexactly(n_body)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def receive_frame(connection: socket.socket) -> tuple[Header, bytes] | None:
    """Return the next frame in a process without asyncio, None where the other side has ended.

    Raises:
        BrokenFrameError: What arrived is not a frame.
    """
    lengths = _receive(connection, LENGTHS.size)
    if lengths is None:
        return None
    n_header, n_body = _check(*LENGTHS.unpack(lengths))
    text, body = _receive(connection, n_header), _receive(connection, n_body)
    return None if text is None or body is None else (_parse(text), body)


def _receive(connection: socket.socket, n: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < n:
        try:
            part = connection.recv(min(n - len(parts), 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)


def _check(n_header: int, n_body: int) -> tuple[int, int]:
    if n_header > MAX_HEADER or n_body > MAX_BODY:
        raise BrokenFrameError(f"a frame of {n_header} + {n_body} bytes; at most {MAX_HEADER} + {MAX_BODY} are sent")
    return n_header, n_body


def _parse(text: bytes) -> Header:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise BrokenFrameError("the header of a frame is not JSON") from error
    if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
        raise BrokenFrameError("the header of a frame names no kind")
    return header
