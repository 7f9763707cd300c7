"""Whether every page of an Ogg file is there and whole (RFC 3533).

Decoders pass over a page whose checksum is wrong and join what is left, so a hole in the middle is not heard of.
A last page that does not end the stream is not a fault: recorders that are stopped leave it so.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

HEADER_BYTES = 27
MAX_TAIL_BYTES = 128  # an ID3v1 tag at the end
BIT_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def fault_of_ogg(file: BinaryIO, size: int) -> str:
    """Return what is wrong with an Ogg file, or an empty text.

    Args:
        file: opened at its first page.
        size: of the whole file, in bytes.
    """
    next_numbers: dict[bytes, int] = {}  # by the serial number of the logical stream
    position = file.tell()
    while position < size:
        header = file.read(HEADER_BYTES)
        if not b"OggS".startswith(header[:4]):
            return (
                "" if size - position <= MAX_TAIL_BYTES else f"is damaged at byte {position}: no Ogg page begins here"
            )
        segments = file.read(header[26]) if len(header) == HEADER_BYTES else b""
        content = file.read(sum(segments))
        if len(header) < HEADER_BYTES or len(segments) < header[26] or len(content) < sum(segments):
            return f"is cut short: its last page, at byte {position}, is not complete"
        page = header[:22] + bytes(4) + header[26:] + segments + content
        if _checksum(page) != int.from_bytes(header[22:26], "little"):
            return f"is damaged at byte {position}: the checksum of the Ogg page there is wrong"
        serial, number = header[14:18], int.from_bytes(header[18:22], "little")
        if number != next_numbers.get(serial, number):
            return f"is damaged at byte {position}: {number - next_numbers[serial]} Ogg pages are missing before it"
        next_numbers[serial] = number + 1
        position += len(page)
    return ""


def _checksum(page: bytes) -> int:
    """Return Ogg's CRC-32, which is zlib's with the bits of each byte and of the result reversed, started at 0."""
    reversed_bits = zlib.crc32(page.translate(BIT_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reversed_bits:032b}"[::-1], 2)
