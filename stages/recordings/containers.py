"""Recognise an audio file by its content, and find files that were cut short, as by a broken download.

Decoders read such a file as if it were shorter, and its transcript would then name words that are not in it. What a
container says about its own length is compared with the file here. decoding.py compares lengths in samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from gpt_sovits.audio import AudioError
from stages.recordings.ogg import fault_of_ogg

HEAD_BYTES = 4096  # behind an ID3 tag, where the first frame of an mp3 is
MAX_MISSING_BYTES = 64  # some recorders count their header twice, and nobody hears a millisecond
MAX_TAG_START = 64  # bytes from the start of the first frame, in which a title may say Info further on
MAX_MP3_PADDING = 3456  # samples that an encoder may add: three frames
UNKNOWN_LENGTH_BYTES = 4096  # a length this far below the largest number means that the writer could not seek back


class ChunkLayout(NamedTuple):
    """How the chunks of a container follow one another: a name, a length, the content."""

    start: int  # of the first chunk, in bytes
    name_bytes: int
    length_bytes: int
    byteorder: Literal["little", "big"]
    counts_header: bool = False  # whether the length includes the name and itself
    alignment: int = 2  # of the next chunk, in bytes


class Container(NamedTuple):
    """An audio format."""

    name: str
    demuxer: str  # ffmpeg's name of it
    for_soundfile: bool = False  # whether libsndfile is tried first
    chunks: ChunkLayout | None = None
    states_length: bool = False  # whether ffmpeg knows the length in samples rather than guessing it


WAV = Container("WAV", "wav", for_soundfile=True, chunks=ChunkLayout(12, 4, 4, "little"))
AIFF = Container("AIFF", "aiff", for_soundfile=True, chunks=ChunkLayout(12, 4, 4, "big"))
W64 = Container("Wave64", "w64", for_soundfile=True, chunks=ChunkLayout(40, 16, 8, "little", True, 8))
CAF = Container("CAF", "caf", for_soundfile=True, chunks=ChunkLayout(8, 4, 8, "big", alignment=1))
AU = Container("AU", "au", for_soundfile=True)
FLAC = Container("FLAC", "flac", for_soundfile=True, states_length=True)
MP3 = Container("MP3", "mp3", for_soundfile=True)
AAC = Container("AAC", "aac")
OGG = Container("Ogg", "ogg", states_length=True)
MPEG4 = Container("MPEG-4", "mov")  # an edit list may play less than the length that it states
MATROSKA = Container("Matroska", "matroska", states_length=True)

MAGIC: tuple[tuple[int, bytes, Container], ...] = (
    (0, b"RIFF", WAV),
    (0, b"RF64", WAV),
    (0, b"BW64", WAV),
    (0, b"riff\x2e\x91", W64),
    (0, b"FORM", AIFF),
    (0, b"caff", CAF),
    (0, b".snd", AU),
    (0, b"fLaC", FLAC),
    (0, b"OggS", OGG),
    *((4, kind, MPEG4) for kind in (b"ftyp", b"moov", b"mdat", b"wide")),
    (0, b"\x1a\x45\xdf\xa3", MATROSKA),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Container("ASF", "asf", states_length=True)),
    (0, b"wvpk", Container("WavPack", "wv", states_length=True)),
    (0, b"MAC ", Container("Monkey's Audio", "ape", states_length=True)),
    (0, b"TTA1", Container("True Audio", "tta", states_length=True)),
    (0, b"#!AMR", Container("AMR", "amr")),
)
AUDIO_SUFFIXES = (
    *(".3gp", ".aac", ".aif", ".aiff", ".amr", ".ape", ".au", ".caf", ".flac", ".m4a", ".m4b", ".mka", ".mkv", ".mov"),
    *(".mp3", ".mp4", ".oga", ".ogg", ".opus", ".tta", ".w64", ".wav", ".webm", ".wma", ".wv"),
)


def recognise(path: Path) -> Container:
    """Return the format of a file by its first bytes.

    Raises:
        AudioError: It is not an audio format that is known, or the file is cut short.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = id3_bytes(file)
        file.seek(start)
        head = file.read(HEAD_BYTES)
        if not size:
            raise AudioError(f"{path.name}: is empty")
        if not head:
            raise AudioError(f"{path.name}: is cut short: it ends in its ID3 tag")
        container = _container_of(head)
        if container is None:
            raise AudioError(
                f"{path.name}: its content is not that of an audio format that is known; convert it to FLAC"
            )
        if fault := _fault_of(file, container, head, size):
            raise AudioError(f"{path.name}: {fault}")
    return container


def id3_bytes(file: BinaryIO) -> int:
    """Return the length of the ID3v2 tags at the start, which hold titles and pictures."""
    position = 0
    while True:
        file.seek(position)
        header = file.read(10)
        if len(header) < 10 or header[:3] != b"ID3":
            return position
        length = 0
        for byte in header[6:]:  # seven bits per byte
            length = length << 7 | byte & 0x7F
        position += 10 + length + (10 if header[5] & 0x10 else 0)


def announced_mp3_samples(path: Path) -> int | None:
    """Return the length that the tag in the first frame states, in samples, or None without a tag.

    Without it, decoders guess the length from the first frame's bit rate. The tag is Xing's, with the number of frames,
    in which LAME and others write the samples that they added at the start and at the end.
    """
    with path.open("rb") as file:
        file.seek(id3_bytes(file))
        head = file.read(HEAD_BYTES)
    position = max(head.find(tag, 0, MAX_TAG_START) for tag in (b"Xing", b"Info"))
    if position < 0 or not head[position + 7] & 1:
        return None
    n_frames = int.from_bytes(head[position + 8 : position + 12], "big")
    lame = position + 8 + sum(length for bit, length in ((1, 4), (2, 4), (4, 100), (8, 4)) if head[position + 7] & bit)
    added = int.from_bytes(head[lame + 21 : lame + 24], "big")
    n_added = (added >> 12) + (added & 0xFFF) if head[lame : lame + 4].isalnum() else MAX_MP3_PADDING
    is_mpeg1 = head[1] & 0x18 == 0x18
    return max(0, n_frames * (1152 if is_mpeg1 else 576) - n_added)


def _container_of(head: bytes) -> Container | None:
    for offset, magic, container in MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return container
    if len(head) > 3 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # MPEG audio's sync word
        return AAC if head[1] & 0xF6 == 0xF0 else MP3
    return None


def _fault_of(file: BinaryIO, container: Container, head: bytes, size: int) -> str:
    """Return how a container shows that a part of it is missing, or an empty text."""
    if container.chunks:
        missing = _missing_of_chunks(file, size, container.chunks)
    elif container is AU:
        start, length = (int.from_bytes(head[at : at + 4], "big") for at in (4, 8))
        missing = 0 if length == 0xFFFFFFFF else start + length - size
    elif container is MPEG4:
        missing = _missing_of_boxes(file, size)
    elif container is MATROSKA:
        missing = _missing_of_segment(head, size)
    elif container is OGG:
        file.seek(0)
        return fault_of_ogg(file, size)
    else:
        return ""
    return f"is cut short: {missing} bytes are missing" if missing > MAX_MISSING_BYTES else ""


def _missing_of_chunks(file: BinaryIO, size: int, layout: ChunkLayout) -> int:
    """Return how many bytes of the chunk with the samples are missing.

    RF64 states its length in a chunk before it, because the field has four bytes.
    """
    header_bytes = layout.name_bytes + layout.length_bytes
    largest = (1 << 8 * layout.length_bytes) - 1
    position, long_length = layout.start, None
    while position + header_bytes <= size:
        file.seek(position)
        header = file.read(32)
        name, length = header[:4], int.from_bytes(header[layout.name_bytes : header_bytes], layout.byteorder)
        if name == b"ds64":
            long_length = int.from_bytes(header[16:24], "little")
        if name in {b"data", b"SSND"}:
            if length == 0xFFFFFFFF and long_length:
                length = long_length
            elif any(number - UNKNOWN_LENGTH_BYTES <= length <= number for number in (largest >> 1, largest)):
                return 0
            return max(0, position + length + (0 if layout.counts_header else header_bytes) - size)
        length += 0 if layout.counts_header else header_bytes
        position += max(header_bytes, length + -length % layout.alignment)
    return 0


def _missing_of_boxes(file: BinaryIO, size: int) -> int:
    """Walk the boxes at the top level. Their size is 4 bytes, or 8 where that is 1, or up to the end where it is 0."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        length = int.from_bytes(header[8:16], "big") if length == 1 else length or size - position
        if length < 8:  # not a box, which the decoder finds too
            return 0
        position += length
    return max(0, position - size)


def _missing_of_segment(head: bytes, size: int) -> int:
    """Return how many bytes of the segment, which holds all else, are missing. Recorders may leave its length open."""

    def length_at(position: int) -> tuple[int, int]:
        """Return (length, where the content starts). The first byte says how many bytes the length has."""
        n_bytes = 9 - head[position].bit_length()
        field = int.from_bytes(head[position : position + n_bytes], "big") & (1 << 7 * n_bytes) - 1
        is_open = field == (1 << 7 * n_bytes) - 1
        return 0 if is_open else field, position + n_bytes

    if len(head) < HEAD_BYTES:
        return 0
    length, start = length_at(4)
    if head[start + length : start + length + 4] != b"\x18\x53\x80\x67":
        return 0
    length, start = length_at(start + length + 4)
    return max(0, start + length - size)
