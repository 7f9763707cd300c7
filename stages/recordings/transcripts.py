"""What is said in a voice's recordings: LJSpeech `metadata.csv`, `x.txt` beside `x.wav`, GPT-SoVITS `.list`.

A transcript belongs to an audio file by name. Names are compared in Unicode's composed form (NFC), because file systems
disagree about it, and only with the files that were found in the voice's folder: no row can reach outside.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

AUDIO_SUFFIXES = (".flac", ".m4a", ".mp3", ".ogg", ".wav")
METADATA = "metadata.csv"


class Transcript(NamedTuple):
    """One transcript and the audio it belongs to."""

    source: str  # where it stands: metadata.csv:4
    audio: tuple[str, ...]  # paths of files in the voice's folder; none where there is no such file
    text: str  # on one line; empty where there is a fault
    fault: str  # why it cannot be used; empty where it can


def read_transcripts(folder: Path, files: Sequence[str], speaker: str, language: str) -> list[Transcript]:
    """Every transcript in a voice's folder, in the order of its sources.

    files: POSIX paths relative to `folder` of all its files, audio and text
    speaker: the voice's name, which picks the rows of a `.list` with several speakers
    language: ISO 639 code; rows of a `.list` in another language are at fault
    """
    audio = {unicodedata.normalize("NFC", file): file for file in files if is_audio(file)}
    transcripts = []
    for file in files:
        if file == METADATA:
            transcripts += [_metadata_row(*row, audio) for row in _lines(folder, file)]
        elif file.lower().endswith(".list"):
            transcripts += _list_rows(folder, file, audio, speaker, language)
        elif file.lower().endswith(".txt"):
            candidates = [posixpath.splitext(file)[0] + suffix for suffix in AUDIO_SUFFIXES]
            text, fault = _decode((folder / file).read_bytes())
            transcripts.append(_transcript(file, candidates, audio, text, fault))
    return transcripts


def is_audio(file: str) -> bool:
    """Whether a file's name is that of a format we read."""
    return file.lower().endswith(AUDIO_SUFFIXES)


def is_transcript(file: str) -> bool:
    """Whether a file's name is that of a transcript; `metadata.csv` counts in the root of the voice's folder only."""
    return file == METADATA or file.lower().endswith((".txt", ".list"))


def clean_text(text: str) -> str:
    """Text on one line in composed form; control characters and runs of white space become one space."""
    text = "".join(" " if unicodedata.category(char) == "Cc" or char == "\ufeff" else char for char in text)
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _lines(folder: Path, file: str) -> Iterator[tuple[str, str, str]]:
    """(source, line, fault) of every line that is not blank. Only a line feed ends a line: text may hold U+2028."""
    for number, line in enumerate((folder / file).read_bytes().split(b"\n"), start=1):
        if line.strip():
            yield f"{file}:{number}", *_decode(line)


def _decode(raw: bytes) -> tuple[str, str]:
    """(text, fault)."""
    try:
        return raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        # the readable part may still name the audio it belongs to, which is then not used without its text
        readable = raw.decode("utf-8", errors="replace")
        return readable, f"not UTF-8 text (byte {error.start} is 0x{raw[error.start]:02x}); save it as UTF-8"


def _metadata_row(source: str, line: str, fault: str, audio: dict[str, str]) -> Transcript:
    """One row of LJSpeech's metadata.csv: id|text|normalised text; the last where it is given. No quoting."""
    name, *texts = (column.strip() for column in line.split("|"))
    if len(texts) not in (1, 2):
        fault = fault or f"{len(texts) + 1} columns; a row is id|text or id|text|normalised text"
    text = next((text for text in reversed(texts) if text), "")
    candidates = [f"{place}{name}{suffix}" for place in ("wavs/", "") for suffix in AUDIO_SUFFIXES]
    if is_audio(name):
        candidates += [f"wavs/{name}", name]
    return _transcript(source, candidates, audio, text, fault)


def _list_rows(folder: Path, file: str, audio: dict[str, str], speaker: str, language: str) -> Iterator[Transcript]:
    """Rows of a GPT-SoVITS .list: path|speaker|language|text. Paths are relative to the voice's folder."""
    rows = [
        (source, [part.strip() for part in line.split("|", 3)], fault) for source, line, fault in _lines(folder, file)
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
        elif not columns[2].lower().startswith(language):
            fault = fault or f"language {columns[2]!r} is not the voice's {language!r}"
        yield _transcript(source, [path], audio, columns[-1], fault)


def _transcript(source: str, candidates: list[str], audio: dict[str, str], text: str, fault: str) -> Transcript:
    """The transcript with the files among `candidates` that are there."""
    names = [posixpath.normpath(unicodedata.normalize("NFC", name)) for name in candidates]
    found = tuple(sorted({audio[name] for name in names if name in audio}))
    text = clean_text(text)
    if not found and (names[0].startswith(("/", "../")) or names[0][1:2] == ":"):
        fault = fault or f"{candidates[0]!r} points outside the voice's folder; copy the audio into it"
    elif not found:
        fault = fault or f"transcript without audio: there is no {_shown(candidates)}"
    elif len(found) > 1:
        fault = fault or f"belongs to any of {', '.join(found)}; keep one of them"
    elif not text:
        fault = fault or "the transcript is empty"
    return Transcript(source, found, "" if fault else text, fault)


def _shown(candidates: list[str]) -> str:
    """The audio that was looked for, short: `wavs/a.flac` and its like."""
    return (
        repr(candidates[0][:80])
        if len(candidates) == 1
        else f"{posixpath.splitext(candidates[0])[0][:80]!r} with an audio ending"
    )
