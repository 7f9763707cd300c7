"""The zip archive of a torch.save file, checked before PyTorch reads it: is it complete, and as small as it claims?

GPT-SoVITS marks its newer SoVITS files by writing two digits over the first two bytes of the archive. The digits are
read here, and the archive is opened as if they were not there. The file itself is never changed.
Source: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS process_ckpt.py, and PKWARE's APPNOTE.TXT for the zip
format.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gpt_sovits.weights.errors import WeightsError, first_names

ZIP_HEAD = b"PK"
# First two bytes -> the version that they claim, None for an ordinary zip archive
VERSION_OF_HEAD = {ZIP_HEAD: None, b"01": "v2", b"05": "v2Pro", b"06": "v2ProPlus"}
# First two bytes -> networks that are not implemented
REFUSED_HEADS = {b"00": "a v1 model", b"02": "a v3 model", b"03": "a v3 LoRA", b"04": "a v4 LoRA"}
PICKLE_HEAD = b"\x80"  # files of torch.save before version 1.6

MAX_FILE_BYTES = 8 << 30
MAX_PICKLE_BYTES = 16 << 20  # of data.pkl, which has 20-150 kB in official files
MAX_ENTRIES = 20_000
LOCAL_HEADER_BYTES = 30  # before the name of a zip entry
END_RECORD, END_RECORD_BYTES = b"PK\5\6", 22  # the end of an archive without a comment


class _ZipHeadView(io.RawIOBase):
    """A read-only view of a file whose first two bytes read as those of a zip archive."""

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
    """Open a torch.save archive that holds only what torch.save writes.

    Yields:
        (file, head, pickle). `file` is for torch.load and begins with the bytes of a zip archive. `head` are the two
        bytes in the file on disk, a key of VERSION_OF_HEAD. `pickle` is data.pkl, at most MAX_PICKLE_BYTES.

    Raises:
        WeightsError: the file has the head of another version, is a pickle without an archive, or is an archive that is
            cut off, damaged, compressed, overlapping, larger inside than outside, or with names outside of its folder.
    """
    try:
        n_bytes = path.stat().st_size
        file = path.open("rb")
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); check its name and permissions") from error
    with file:
        head = file.read(2)
        _check_head(path, head, n_bytes)
        view = io.BufferedReader(_ZipHeadView(file), 1 << 20)
        try:
            with zipfile.ZipFile(view) as archive:
                pickle = _check_archive(path, archive, view)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError, OverflowError) as error:
            raise WeightsError(
                f"{path} is cut off or damaged: its zip archive cannot be read ({error}); copy or download it again"
            ) from error
        view.seek(0)
        yield view, head, pickle


def _check_head(path: Path, head: bytes, n_bytes: int) -> None:
    if head in REFUSED_HEADS:
        raise WeightsError(
            f"{path} is {REFUSED_HEADS[head]} of GPT-SoVITS (its first two bytes are {head.decode()}), which is a "
            "different network; use a full model of v2, v2Pro or v2ProPlus"
        )
    if head[:1] == PICKLE_HEAD:
        raise WeightsError(
            f"{path} is a bare pickle, as torch.save wrote before version 1.6, which cannot be checked beforehand; "
            "if you trust it, load it elsewhere and save it again with a current version of PyTorch"
        )
    if head not in VERSION_OF_HEAD:
        seen = f"its first bytes are {head!r}" if head else "it is empty"
        raise WeightsError(f"{path} was not written by torch.save: {seen}; use the .ckpt or .pth itself")
    if n_bytes > MAX_FILE_BYTES:
        raise WeightsError(f"{path} has {n_bytes} bytes; at most {MAX_FILE_BYTES} are read")


def _check_archive(path: Path, archive: zipfile.ZipFile, file: BinaryIO) -> bytes:
    """Check the entries of an archive and return its data.pkl."""
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise WeightsError(f"{path} holds {len(entries)} entries; a model has at most {MAX_ENTRIES}")
    names = [entry.filename for entry in entries]
    repeated = [name for name, n in Counter(name.casefold() for name in names).items() if n > 1]
    if repeated:  # PyTorch finds an entry without regard to case
        raise WeightsError(f"{path} holds entries twice ({first_names(sorted(repeated))}); torch.save never does that")
    folder = names[0].partition("/")[0] if names else ""
    for name in names:
        parts = name.split("/")
        if parts[0] != folder or len(parts) < 2 or "\\" in name or any(part in ("", ".", "..") for part in parts):
            raise WeightsError(f"{path} holds an entry {name!r} outside of its folder {folder!r}; it is refused")
    _check_sizes(path, entries, archive.start_dir)
    _check_ends(path, archive, file)
    if f"{folder}/constants.pkl" in names:
        raise WeightsError(f"{path} is a TorchScript program, not a file of weights; use the .ckpt or .pth itself")
    if f"{folder}/data.pkl" not in names:
        raise WeightsError(f"{path} is a zip archive without data.pkl; torch.save did not write it")
    size = archive.getinfo(f"{folder}/data.pkl").file_size
    if size > MAX_PICKLE_BYTES:
        raise WeightsError(f"{path}: data.pkl has {size} bytes; at most {MAX_PICKLE_BYTES} are read")
    if damaged := archive.testzip():
        raise WeightsError(f"{path} is damaged: {damaged} does not have its checksum; copy or download it again")
    return archive.read(f"{folder}/data.pkl")


def _check_ends(path: Path, archive: zipfile.ZipFile, file: BinaryIO) -> None:
    """Refuse bytes before the first entry or after the directory, so that every reader finds the same archive."""
    first = min((entry.header_offset for entry in archive.infolist()), default=0)
    file.seek(-END_RECORD_BYTES, io.SEEK_END)
    if first != 0 or archive.comment or file.read(len(END_RECORD)) != END_RECORD:
        raise WeightsError(f"{path} holds something besides its zip archive; torch.save does not write such a file")


def _check_sizes(path: Path, entries: list[zipfile.ZipInfo], n_bytes: int) -> None:
    """Refuse entries that are compressed, share bytes or reach into the directory, which begins at n_bytes."""
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise WeightsError(
                f"{path}: {entry.filename} is compressed and would expand from {entry.compress_size} to "
                f"{entry.file_size} bytes; torch.save does not compress, so it did not write this file"
            )
        if entry.flag_bits & 1:
            raise WeightsError(f"{path}: {entry.filename} is encrypted; torch.save does not write such a file")
        begin, end_before = entry.header_offset, end
        end = begin + LOCAL_HEADER_BYTES + len(entry.filename.encode()) + entry.file_size
        if begin < end_before or end > n_bytes:
            raise WeightsError(
                f"{path}: {entry.filename} claims bytes {begin} to {end} of {n_bytes}, which belong to other entries "
                "or do not exist; torch.save did not write this file"
            )
