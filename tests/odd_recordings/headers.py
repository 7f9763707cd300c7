"""Change what an audio file says about itself, or lose a part of it."""

from __future__ import annotations

import zlib

import numpy as np


def without_end(data: bytes, share: float = 0.6) -> bytes:
    """Return the first part of a file, as a broken download leaves it."""
    return data[: round(share * len(data))]


def damaged(data: bytes, n_bytes: int = 300) -> bytes:
    """Return a file with wrong bytes in the middle."""
    middle = len(data) // 2
    return data[:middle] + np.random.default_rng(0).bytes(n_bytes) + data[middle + n_bytes :]


def with_data_length(wav: bytes, length: int, riff_length: int | None = None) -> bytes:
    """Return a wav whose data chunk, at byte 36, states another length."""
    assert wav[36:40] == b"data"
    riff = wav[4:8] if riff_length is None else riff_length.to_bytes(4, "little")
    return wav[:4] + riff + wav[8:40] + length.to_bytes(4, "little") + wav[44:]


def with_format(wav: bytes, *, channels: int | None = None, rate: int | None = None) -> bytes:
    """Return a wav whose header states another number of channels or another sample rate."""
    fields = wav[22:24] if channels is None else channels.to_bytes(2, "little")
    return wav[:22] + fields + (wav[24:28] if rate is None else rate.to_bytes(4, "little")) + wav[28:]


def with_chunk(wav: bytes, name: bytes, content: bytes, *, behind: bool = False) -> bytes:
    """Return a wav with another chunk before or behind its data."""
    chunk = name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)
    body = wav[12:] + chunk if behind else wav[12:36] + chunk + wav[36:]
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WAVE" + body


def with_flac_length(flac: bytes, n_samples: int) -> bytes:
    """Return a FLAC whose header states another number of samples, 36 bits at byte 21."""
    first = flac[21] & 0xF0 | n_samples >> 32 & 0x0F
    return flac[:21] + bytes([first]) + (n_samples & 0xFFFFFFFF).to_bytes(4, "big") + flac[26:]


def with_id3(data: bytes, picture_bytes: int = 300_000) -> bytes:
    """Return a file behind an ID3v2 tag with a cover picture, whose length has seven bits per byte."""
    picture = b"\0image/png\0\x03\0" + bytes(picture_bytes)
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    length = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + length + frame + data


def without_end_of_stream(ogg: bytes) -> bytes:
    """Return an Ogg file whose last page does not end the stream, with the right checksum."""
    start = ogg.rfind(b"OggS")
    page = bytearray(ogg[start:])
    page[5] &= ~4
    page[22:26] = bytes(4)
    page[22:26] = ogg_checksum(bytes(page)).to_bytes(4, "little")
    return ogg[:start] + bytes(page)


def ogg_checksum(page: bytes) -> int:
    """Return the CRC-32 of a page with its checksum zeroed, bit by bit as RFC 3533 describes it."""
    register = 0
    for byte in page:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ 0x04C11DB7 if register & 0x80000000 else register << 1) & 0xFFFFFFFF
    return register


def zip_of_nothing() -> bytes:
    """Return an empty zip archive with random bytes behind it."""
    return b"PK\x05\x06" + bytes(18) + zlib.compress(bytes(9999))
