"""What is said in a voice's recordings: LJSpeech `metadata.csv`, `x.txt` beside `x.wav`, GPT-SoVITS `.list`.

A transcript belongs to an audio file by name. Names are compared in Unicode's composed form (NFC), because file systems
differ in it, and only with the files that were found in the voice's folder, so that no row can reach outside.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gpt_sovits.text.languages import language_code

AUDIO_SUFFIXES = (".flac", ".m4a", ".mp3", ".ogg", ".wav")
METADATA = "metadata.csv"


class Transcript(NamedTuple):
    """One transcript and the audio it belongs to."""

    source: str  # where it was found, such as metadata.csv:4
    audio: tuple[str, ...]  # paths of files in the voice's folder; empty where there is no such file
    text: str  # on one line; empty where there is a fault
    fault: str  # why it cannot be used; empty where it can


def read_transcripts(folder: Path, files: Sequence[str], speaker: str, language: str) -> list[Transcript]:
    """Read every transcript in a voice's folder, in the order of its sources.

    Args:
        folder: the recordings folder of the voice.
        files: POSIX paths of all its files, audio and text, relative to the folder.
        speaker: the voice's name, which selects the rows of a `.list` with several speakers.
        language: ISO 639 code. Rows of a `.list` in another language have a fault. They may write it as JP, ZH, all_ja.
    """
    audio = {unicodedata.normalize("NFC", file): file for file in files if is_audio(file)}
    transcripts = []
    for file in files:
        if file == METADATA:
            transcripts += [_metadata_row(*row, audio) for row in _read_lines(folder, file)]
        elif file.lower().endswith(".list"):
            transcripts += _list_rows(folder, file, audio, speaker, language)
        elif file.lower().endswith(".txt"):
            candidates = [posixpath.splitext(file)[0] + suffix for suffix in AUDIO_SUFFIXES]
            text, fault = _decode_utf8((folder / file).read_bytes())
            transcripts.append(_transcript(file, candidates, audio, text, fault))
    return transcripts


def is_audio(file: str) -> bool:
    """Return whether a file's name is that of an audio format that is supported."""
    return file.lower().endswith(AUDIO_SUFFIXES)


def is_transcript(file: str) -> bool:
    """Return whether a file's name is that of a transcript.

    `metadata.csv` counts only in the root of the voice's folder.
    """
    return file == METADATA or file.lower().endswith((".txt", ".list"))


def clean_text(text: str) -> str:
    """Return text on one line in composed form. Control characters and runs of white space become one space."""
    text = "".join(" " if unicodedata.category(char) == "Cc" or char == "\ufeff" else char for char in text)
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _read_lines(folder: Path, file: str) -> Iterator[tuple[str, str, str]]:
    """Yield (source, line, fault) of every line that is not blank.

    Only a line feed ends a line, because text may hold U+2028.
    """
    for number, line in enumerate((folder / file).read_bytes().split(b"\n"), start=1):
        if line.strip():
            yield f"{file}:{number}", *_decode_utf8(line)


def _decode_utf8(raw: bytes) -> tuple[str, str]:
    """Return (text, fault)."""
    try:
        return raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        # the readable part may still name the audio it belongs to, which is then not used without its text
        readable = raw.decode("utf-8", errors="replace")
        return readable, f"not UTF-8 text (byte {error.start} is 0x{raw[error.start]:02x}); save it as UTF-8"


def _metadata_row(source: str, line: str, fault: str, audio: dict[str, str]) -> Transcript:
    """Read one row of LJSpeech's metadata.csv: id|text|normalised text, without quoting.

    The normalised text is used where it is given.
    """
    name, *texts = (column.strip() for column in line.split("|"))
    if len(texts) not in (1, 2):
        fault = fault or f"{len(texts) + 1} columns; a row is id|text or id|text|normalised text"
    text = next((text for text in reversed(texts) if text), "")
    candidates = [f"{place}{name}{suffix}" for place in ("wavs/", "") for suffix in AUDIO_SUFFIXES]
    if is_audio(name):
        candidates += [f"wavs/{name}", name]
    return _transcript(source, candidates, audio, text, fault)


def _list_rows(folder: Path, file: str, audio: dict[str, str], speaker: str, language: str) -> Iterator[Transcript]:
    """Yield the rows of a GPT-SoVITS .list: path|speaker|language|text, with paths relative to the voice's folder."""
    rows = [
        (source, [part.strip() for part in line.split("|", 3)], fault)
        for source, line, fault in _read_lines(folder, file)
    ]
    speakers = {columns[1] for _, columns, _ in rows if len(columns) == 4}
    for source, columns, fault in rows:
        path = columns[0].replace("\\", "/")
        if path.startswith(f"{folder.absolute().as_posix()}/"):
            path = path.removeprefix(f"{folder.absolute().as_posix()}/")
        if len(columns) != 4:
            fault = fault or f"{len(columns)} columns; a row is path|speaker|language|text"
        elif len(speakers) > 1 and columns[1] != speaker:
            fault = fault or (
                f"speaker {columns[1]!r} is one of {len(speakers)} and not this voice; its rows must name {speaker!r}"
            )
        else:
            fault = fault or _language_fault(columns[2], language)
        yield _transcript(source, [path], audio, columns[-1], fault)


def _language_fault(written: str, language: str) -> str:
    """Return why a row's language is not that of the voice, or an empty text where it is."""
    try:
        code = language_code(written)
    except ValueError as error:
        return str(error)
    return "" if code == language else f"language {written!r} is not the voice's {language!r}"


def _transcript(source: str, candidates: list[str], audio: dict[str, str], text: str, fault: str) -> Transcript:
    """Return the transcript with those files among `candidates` that exist."""
    names = [posixpath.normpath(unicodedata.normalize("NFC", name)) for name in candidates]
    found = tuple(sorted({audio[name] for name in names if name in audio}))
    text = clean_text(text)
    if not found and (names[0].startswith(("/", "../")) or names[0][1:2] == ":"):
        fault = fault or f"{candidates[0]!r} points outside the voice's folder; copy the audio into it"
    elif not found:
        fault = fault or f"transcript without audio: there is no {_expected_audio(candidates)}"
    elif len(found) > 1:
        fault = fault or f"belongs to any of {', '.join(found)}; keep one of them"
    elif not text:
        fault = fault or "the transcript is empty"
    return Transcript(source, found, "" if fault else text, fault)


def _expected_audio(candidates: list[str]) -> str:
    """Return a short description of the audio that was looked for, such as `wavs/a.flac`."""
    return (
        repr(candidates[0][:80])
        if len(candidates) == 1
        else f"{posixpath.splitext(candidates[0])[0][:80]!r} with an audio ending"
    )
