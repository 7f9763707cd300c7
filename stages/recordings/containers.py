"""Which audio files were cut short, as by a broken download.

Decoders read such a file as if it were shorter, and its transcript would then name words that are not in it. FLAC is
not checked here, because its decoder knows the length.
"""

from __future__ import annotations

from pathlib import Path

HEAD_BYTES = 4096  # of an mp3, where the first frame's tag is if there is one
TAIL_BYTES = 65536  # an Ogg page is smaller
MIN_MP3_SHARE = 0.95  # of the announced samples: encoders count their padding differently


def fault_of_container(path: Path, n_samples: int, announced_samples: int | None) -> str:
    """Return what is wrong with a file that could be decoded.

    Args:
        path: the file.
        n_samples: number of samples that were decoded.
        announced_samples: number of samples that the header announces, None where it does not say.

    Returns:
        The fault, or an empty text where the file is whole or nothing can be known.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, size - TAIL_BYTES))
        tail = file.read()
    if head[:4] == b"RIFF":
        missing = _missing_riff_bytes(head, size)
        return f"is cut short: {missing} bytes of its header's length are missing" if missing else ""
    if head[:4] == b"OggS":
        return "" if _last_page_ends_stream(tail) else "is cut short: its last page does not end the stream"
    suffix = path.suffix.lower()
    if suffix == ".m4a":
        # ffmpeg guesses formats, and some of them name other files to read
        return (
            _fault_of_mp4(path, size)
            if head[4:8] == b"ftyp"
            else "is not an MPEG-4 file; rename it, or convert it to FLAC"
        )
    # without such a tag the announced number is a guess from the first frame's bit rate
    tagged = suffix == ".mp3" and (b"Xing" in head or b"Info" in head)
    if tagged and announced_samples and n_samples < MIN_MP3_SHARE * announced_samples:
        return f"is cut short: {n_samples} of {announced_samples} samples can be decoded"
    return ""


def _missing_riff_bytes(head: bytes, size: int) -> int:
    """Return how many bytes of the header's length are missing.

    A writer that could not seek back leaves 0 or the largest number there. Then nothing is known to be missing.
    """
    announced = int.from_bytes(head[4:8], "little")
    return 0 if announced >= 0xFFFFFFFF - HEAD_BYTES else max(0, announced + 8 - size)


def _last_page_ends_stream(tail: bytes) -> bool:
    """Return whether the last Ogg page is complete and marked as the last.

    A page is a header of 27 bytes, the last of them n, then n segment lengths, then the segments (RFC 3533).
    """
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return False
    n_segments = page[26]
    return bool(page[5] & 4) and len(page) >= 27 + n_segments + sum(page[27 : 27 + n_segments])


def _fault_of_mp4(path: Path, size: int) -> str:
    """Walk the boxes at the top level. Their size is 4 bytes, or 8 where that is 1, or up to the end where it is 0."""
    position = 0
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            length = int.from_bytes(header[8:16], "big") if length == 1 else length or size - position
            if length < 8:
                return f"is not an MPEG-4 file: a box of {length} bytes at byte {position}"
            position += length
    return f"is cut short: {position - size} bytes of its last box are missing" if position > size else ""
