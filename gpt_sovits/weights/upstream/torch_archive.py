"""The zip archive of a torch.save file, looked at before torch is: is it whole, and as small as it says?

GPT-SoVITS marks its newer SoVITS files by writing two digits over the first two bytes of the archive. The marks are
read here and the archive is opened as if they were not there; the file itself is never changed.
Source: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS process_ckpt.py; PKWARE's APPNOTE.TXT for the zip format.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gpt_sovits.weights.errors import WeightsError, some

ZIP_HEAD = b"PK"
HEADS = {ZIP_HEAD: None, b"05": "v2Pro", b"06": "v2ProPlus"}  # first two bytes -> the version that they claim
REFUSED_HEADS = {b"00": "v1", b"03": "v3", b"04": "v4"}  # other networks
PICKLE_HEAD = b"\x80"  # what torch.save wrote before its version 1.6

MAX_FILE_BYTES = 8 << 30
MAX_PICKLE_BYTES = 16 << 20  # of data.pkl; the official ones have 20-150 kB
MAX_ENTRIES = 20_000
LOCAL_HEADER_BYTES = 30  # of a zip entry, before its name
END_RECORD, END_RECORD_BYTES = b"PK\5\6", 22  # the last of an archive without a comment


class _Restored(io.RawIOBase):
    """A read-only view of a file in which the first two bytes are those of a zip archive."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: bytearray) -> int:
        position = self._file.tell()
        n = self._file.readinto(buffer)
        for index in range(position, min(position + n, len(ZIP_HEAD))):
            memoryview(buffer)[index - position] = ZIP_HEAD[index]
        return n


@contextmanager
def open_torch_archive(path: Path) -> Iterator[tuple[BinaryIO, bytes, bytes]]:
    """(file, head, pickle) of a torch.save archive that holds nothing but what torch.save writes.

    file: for torch.load, with the zip's own first bytes; head: the two bytes that are really there (a key of HEADS)
    pickle: data.pkl, at most MAX_PICKLE_BYTES
    Raises WeightsError for everything else: other versions' heads, pickles without an archive, archives that are cut
    off, damaged, compressed, overlapping or bigger inside than outside, and names that leave the archive's folder.
    """
    try:
        n_bytes = path.stat().st_size
        file = path.open("rb")
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); check the name and the rights") from error
    with file:
        head = file.read(2)
        _check_head(path, head, n_bytes)
        whole = io.BufferedReader(_Restored(file), 1 << 20)
        try:
            with zipfile.ZipFile(whole) as archive:
                pickle = _checked_pickle(path, archive, whole)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError, OverflowError) as error:
            raise WeightsError(
                f"{path} is cut off or damaged: its zip archive cannot be read ({error}); copy or download it again"
            ) from error
        whole.seek(0)
        yield whole, head, pickle


def _check_head(path: Path, head: bytes, n_bytes: int) -> None:
    if head in REFUSED_HEADS:
        raise WeightsError(
            f"{path} is a GPT-SoVITS {REFUSED_HEADS[head]} model (its head is {head.decode()}), which is another "
            "network; v2, v2Pro and v2ProPlus can be read"
        )
    if head[:1] == PICKLE_HEAD:
        raise WeightsError(
            f"{path} is a bare pickle, as torch.save wrote before 2020: it cannot be checked before it is read; load "
            "it where you trust it and save it again with torch.save of today"
        )
    if head not in HEADS:
        seen = f"its first bytes are {head!r}" if head else "it is empty"
        raise WeightsError(f"{path} is no file of torch.save: {seen}; it must be the .ckpt or .pth itself")
    if n_bytes > MAX_FILE_BYTES:
        raise WeightsError(f"{path} has {n_bytes} bytes; at most {MAX_FILE_BYTES} are read")


def _checked_pickle(path: Path, archive: zipfile.ZipFile, file: BinaryIO) -> bytes:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise WeightsError(f"{path} holds {len(entries)} entries; a model has at most {MAX_ENTRIES}")
    names = [entry.filename for entry in entries]
    alike = [name for name, n in Counter(name.casefold() for name in names).items() if n > 1]
    if alike:  # torch finds an entry without regard to case
        raise WeightsError(f"{path} holds entries twice ({some(sorted(alike))}); torch.save does not write such a file")
    folder = names[0].partition("/")[0] if names else ""
    for name in names:
        parts = name.split("/")
        if parts[0] != folder or len(parts) < 2 or "\\" in name or any(part in ("", ".", "..") for part in parts):
            raise WeightsError(f"{path} holds an entry {name!r} outside of its folder {folder!r}; it is refused")
    _check_sizes(path, entries, archive.start_dir)
    _check_ends(path, archive, file)
    if f"{folder}/constants.pkl" in names:
        raise WeightsError(f"{path} is a TorchScript program, not a file of weights; it is refused")
    if f"{folder}/data.pkl" not in names:
        raise WeightsError(f"{path} is a zip archive without data.pkl; torch.save did not write it")
    size = archive.getinfo(f"{folder}/data.pkl").file_size
    if size > MAX_PICKLE_BYTES:
        raise WeightsError(f"{path}: data.pkl has {size} bytes; at most {MAX_PICKLE_BYTES} are read")
    if damaged := archive.testzip():
        raise WeightsError(f"{path} is damaged: {damaged} does not have its checksum; copy or download it again")
    return archive.read(f"{folder}/data.pkl")


def _check_ends(path: Path, archive: zipfile.ZipFile, file: BinaryIO) -> None:
    """Nothing before the first entry and nothing after the directory: every reader finds the same archive in a file."""
    first = min((entry.header_offset for entry in archive.infolist()), default=0)
    file.seek(-END_RECORD_BYTES, io.SEEK_END)
    if first != 0 or archive.comment or file.read(len(END_RECORD)) != END_RECORD:
        raise WeightsError(f"{path} holds something besides its zip archive; torch.save does not write such a file")


def _check_sizes(path: Path, entries: list[zipfile.ZipInfo], n_bytes: int) -> None:
    """Nothing unfolds: every entry is stored as it is, before the directory (at n_bytes), and no two share bytes."""
    end = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise WeightsError(
                f"{path}: {entry.filename} is compressed and would unfold from {entry.compress_size} to "
                f"{entry.file_size} bytes; torch.save stores its tensors as they are, so this is no file of its"
            )
        if entry.flag_bits & 1:
            raise WeightsError(f"{path}: {entry.filename} is encrypted; torch.save does not write such a file")
        begin, end_before = entry.header_offset, end
        end = begin + LOCAL_HEADER_BYTES + len(entry.filename.encode()) + entry.file_size
        if begin < end_before or end > n_bytes:
            raise WeightsError(
                f"{path}: {entry.filename} claims bytes {begin} to {end} of {n_bytes}, which other entries "
                "have or which are not there; it is refused"
            )
