"""Reads all transcripts of a voice's folder, whatever their layout and encoding, and finds the audio of each."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gpt_sovits.text.encodings import REPLACEMENT, DecodedText, decode_texts
from gpt_sovits.text.languages import language_code
from stages.recordings.transcripts.audio_names import (
    FOREIGN,
    MICROPHONES,
    AudioNames,
    Match,
    is_audio,
    keep_closest,
    without_audio_suffix,
)
from stages.recordings.transcripts.delimited import TableKind, read_table
from stages.recordings.transcripts.json_texts import read_json, read_json_lines
from stages.recordings.transcripts.pieces import join, join_by_start
from stages.recordings.transcripts.rows import LayoutError, NotATableError, NotTranscriptsError, Row
from stages.recordings.transcripts.spoken import spoken_text
from stages.recordings.transcripts.stamps import require_no_times
from stages.recordings.transcripts.timed import read_textgrid, read_timed_text

TABLES = (".list", ".csv", ".tsv", ".psv")
JSON_LINES = (".jsonl", ".ndjson")
SUBTITLES = (".srt", ".vtt", ".sbv")
PLAIN_TEXTS = (".txt", ".text", ".trans", ".transcript", ".lab", ".wrd")
TRANSCRIPT_SUFFIXES = (*TABLES, *JSON_LINES, *SUBTITLES, *PLAIN_TEXTS, ".json", ".textgrid")
# Texts in formats that are not read. Ignored, they would be replaced by what the recogniser hears
UNREADABLE_SUFFIXES = (
    *(".xlsx", ".xls", ".ods", ".docx", ".doc", ".odt", ".rtf", ".parquet", ".arrow"),
    *(".eaf", ".ass", ".ssa", ".lrc", ".stm", ".ctm", ".trn", ".mlf", ".trs", ".cha", ".ttml", ".dfxp", ".smi"),
)
# Named like a recording, they may hold its text
UNREADABLE_BESIDE = (".xml", ".html", ".htm", ".md", ".yaml", ".yml", ".pdf")
WORD = re.compile(r"[^\W_]+")
MAX_BYTES = 100_000_000  # the texts of 1,000 hours have 50 MB
KALDI_TEXT = "text"
VARIANT = re.compile(
    r"\.(?:normalized|original|[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?)$"
)  # LibriTTS, and x.en.srt of YouTube
# Texts of the same words that are worse to read aloud. They count only where a recording has no other text.
LAST_RESORTS = (".original.txt", ".textgrid", ".wrd", *UNREADABLE_BESIDE)
DOCUMENT = re.compile(r"(?:readme|licen[cs]e|copying|notice|changelog|authors|citation|credits)\b", re.I)
OTHER_SPEAKER = "speaker {!r} is one of {} and not this voice; its rows must name {!r}"


class Transcript(NamedTuple):
    """One transcript and the audio it belongs to.

    Invariant: it has either a text or a fault.
    """

    source: str  # where it was found, such as metadata.csv:4
    audio: tuple[str, ...]  # paths of files in the voice's folder; empty where there is no such file
    text: str  # on one line; empty where there is a fault
    fault: str  # why it cannot be used; empty where it can
    file: str  # the file in which it was found
    name: str = ""  # what it says about its audio
    encoding: str = ""  # of the file, such as UTF-8
    shortened: bool = False  # tags, names of speakers or notes on sounds were left out
    others: bool = False  # it belongs to another speaker, or is not a transcript, and so is not lost


def transcript_files(files: Collection[str]) -> set[str]:
    """Return those files whose names are those of transcripts. credits.txt is one only beside credits.wav."""
    recorded = {without_audio_suffix(file).casefold() for file in files if is_audio(file)}
    found = set()
    for file in files:
        stem = posixpath.splitext(file)[0]
        is_beside = not recorded.isdisjoint({stem.casefold(), without_audio_suffix(stem).casefold()})
        suffixes = (*TRANSCRIPT_SUFFIXES, *UNREADABLE_SUFFIXES, *(UNREADABLE_BESIDE if is_beside else ()))
        if file.lower().endswith(suffixes) or posixpath.basename(file) == KALDI_TEXT:
            found |= {file} if is_beside or not is_document(file) else set()
    return found


def is_document(file: str) -> bool:
    """Return whether a file's name is that of a text about the recordings, such as README.txt."""
    return DOCUMENT.match(posixpath.basename(file)) is not None


def read_transcripts(
    folder: Path, files: Sequence[str], speaker: str, language: str, *, unusable: Mapping[str, str] | None = None
) -> list[Transcript]:
    """Read every transcript in a voice's folder, in the order of its sources.

    Args:
        folder: the recordings folder of the voice.
        files: POSIX paths of all its files, audio and text, relative to the folder.
        speaker: the voice's name, which selects the rows of a table with several speakers.
        language: ISO 639 code. Rows in another language have a fault. They may write it as JP, ZH, all_ja.
        unusable: transcripts that must not be opened, such as links, with the reason.
    """
    audio = AudioNames(folder, files)
    faults = dict(unusable or {})
    texts = sorted({*faults, *transcript_files(files)})
    own_audio = _own_audio(texts, audio)
    contents, transcripts = {}, {}
    for file in texts:
        fault = faults.get(file) or _fault_of_file(folder / file)
        if fault:
            transcripts[file] = [Transcript(file, own_audio[file], "", fault, file)]
        else:
            contents[file] = (folder / file).read_bytes()
    decoded = decode_texts(contents, language)
    for file in contents:
        transcripts[file] = _read_file(file, decoded[file], own_audio[file], audio, speaker, language)
    return _without_last_resorts([row for file in texts for row in transcripts[file]])


def _fault_of_file(path: Path) -> str:
    """Return why a file's content is not looked at, or an empty text."""
    if path.name.lower().endswith((*UNREADABLE_SUFFIXES, *UNREADABLE_BESIDE)):
        return "is in a format that is not read; save it as CSV or text in UTF-8"
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return f"has {size} bytes, which no transcript has; at most {MAX_BYTES} are read" if size > MAX_BYTES else ""


def _read_file(
    file: str, decoded: DecodedText, own_audio: tuple[str, ...], audio: AudioNames, speaker: str, language: str
) -> list[Transcript]:
    """Return the transcripts of one file. A file that cannot be read is one transcript with a fault."""
    rows: list[Row] = []
    fault, is_other = decoded.fault, False
    try:
        rows = [] if fault else _rows(file, decoded.text, own_audio, audio, speaker)
    except LayoutError as error:
        fault, is_other = str(error), isinstance(error, NotTranscriptsError)
    if fault or not rows:
        fault = fault or ("the transcript is empty" if own_audio else "is empty")
        found = () if is_other else own_audio
        return [Transcript(file, found, "", fault, file, encoding=decoded.encoding, others=is_other)]
    place = posixpath.dirname(file)
    if own_audio and len(rows) > 1 and not any(row.name for row in rows):
        rows = [join(rows)]

    def match_of(row: Row) -> Match:
        return audio.find(row.name, place) if row.name else Match(own_audio)

    speakers = {row.speaker for row in rows if row.speaker and match_of(row).files}
    rows = list(join_by_start(rows))
    matches = keep_closest([match_of(row) for row in rows])
    transcripts = []
    for row, (found, _) in zip(rows, matches, strict=True):
        source = f"{file}:{row.line}" if row.line else file
        others = len(speakers) > 1 and row.speaker not in (speaker, "")
        spoken = spoken_text(row.text, speaker, subtitles=row.subtitles)
        fault = (
            OTHER_SPEAKER.format(row.speaker, len(speakers), speaker)
            if others
            else _fault(row, found, language) or ("" if found else _missing_audio(row.name, file, audio))
        )
        fault = fault or ("" if spoken.text else "the transcript is empty")
        text = "" if fault else spoken.text
        transcripts.append(
            Transcript(source, found, text, fault, file, row.name, decoded.encoding, spoken.shortened, others)
        )
    return transcripts


def _rows(file: str, text: str, own_audio: tuple[str, ...], audio: AudioNames, speaker: str) -> list[Row]:
    """Read a file by the layout that its name and its content say it has."""
    text, name, place = text.removeprefix("\ufeff"), file.lower(), posixpath.dirname(file)

    def has_audio(written: str) -> bool:
        return bool(written) and bool(audio.find(written, place).files)

    if not text.strip():
        return []
    if name.endswith(".textgrid"):
        return [Row(line=None, name="", text=read_textgrid(text, speaker), subtitles=True)]
    if name.endswith(JSON_LINES):
        return read_json_lines(text, has_audio, has_own_audio=bool(own_audio))
    if name.endswith(".json"):
        return read_json(text, has_audio, has_own_audio=bool(own_audio))
    if not name.endswith(TABLES) or own_audio:
        timed = read_timed_text(text)
        if timed is not None:
            return [Row(line=None, name="", text=timed, subtitles=True)]
    if name.endswith(SUBTITLES):
        raise LayoutError("holds no subtitle with a time")
    if name.endswith(TABLES):
        kind: TableKind = "list" if name.endswith(".list") else "table"
        return read_table(text, speaker, has_audio, kind, has_own_audio=bool(own_audio))
    if own_audio:
        require_no_times(text)
        return [Row(line=None, name="", text=text)]
    try:
        return read_table(text, speaker, has_audio, "unknown")
    except NotATableError as error:
        near = audio.of_same_name(posixpath.splitext(file)[0])
        reason = f"{near[0]} is in another folder" if near else "no recording has its name"
        raise LayoutError(f"transcript without audio: {reason}, and it {error}") from error


def _own_audio(files: Iterable[str], audio: AudioNames) -> dict[str, tuple[str, ...]]:
    """Return the audio that each text file is named like: x.txt, x.wav.txt or x.normalized.txt for x.wav.

    Of texts of one kind, such as x.txt and day1/x.txt, only those that lie closest to the audio have it.
    """
    found: dict[str, Match] = {}
    kinds: dict[str, list[str]] = defaultdict(list)
    for file in files:
        name, kind = posixpath.splitext(posixpath.basename(file))
        while not (match := audio.find_beside(name, file)).files and (shorter := VARIANT.sub("", name)) not in (
            "",
            name,
        ):
            name, kind = shorter, name[len(shorter) :] + kind
        found[file] = match
        kinds[kind.lower()].append(file)
    for alike in kinds.values():
        found.update(zip(alike, keep_closest([found[file] for file in alike]), strict=True))
    return {file: match.files for file, match in found.items()}


def _fault(row: Row, found: tuple[str, ...], language: str) -> str:
    """Return why a row cannot be used, or an empty text. Whether its audio is missing is not looked at."""
    if row.fault:
        return row.fault
    if REPLACEMENT in row.text or REPLACEMENT in row.name:
        return "holds characters that were lost (U+FFFD), or bytes that are not UTF-8; write them again"
    if row.language and (fault := _language_fault(row.language, language)):
        return fault
    takes = {MICROPHONES.sub("", without_audio_suffix(name)) for name in found}
    if len(found) > 1 and not (len(takes) == 1 and all(MICROPHONES.search(without_audio_suffix(n)) for n in found)):
        return f"belongs to any of {', '.join(found)}; keep one of them"
    return ""


def _missing_audio(name: str, file: str, audio: AudioNames) -> str:
    """Return what was looked for in vain, by the name in a row or by that of the text file."""
    wanted = name or posixpath.splitext(file)[0]
    missing = f"transcript without audio: there is no {wanted[:80]!r}" + ("" if name else " with an audio ending")
    if near := audio.of_same_name(wanted):
        return f"{missing}; {near[0]} is in another folder, so move it, or correct the name of the folder"
    if FOREIGN.match(name.replace("\\", "/")):
        return f"transcript without audio: {name[:80]!r} points outside the voice's folder; copy the audio into it"
    return missing


def _language_fault(written: str, language: str) -> str:
    """Return why a row's language is not that of the voice, or an empty text where it is."""
    try:
        code = language_code(written)
    except ValueError as error:
        return str(error)
    return "" if code == language else f"language {written!r} is not the voice's {language!r}"


def _without_last_resorts(transcripts: Iterable[Transcript]) -> list[Transcript]:
    """Return the transcripts without those of the second choice whose audio has one of the first."""
    transcripts = list(transcripts)
    told = {file for row in transcripts if not row.file.lower().endswith(LAST_RESORTS) for file in row.audio}
    return [
        row
        for row in transcripts
        if not (row.file.lower().endswith(LAST_RESORTS) and row.audio and told.issuperset(row.audio))
    ]


def agreed_text(transcripts: Sequence[Transcript]) -> str | None:
    """Return the text of a recording, the longest of several with the same words, None where they differ.

    Whisper writes the same words into files of five kinds, and aligners write them without marks or in capitals.

    Args:
        transcripts: the transcripts of one recording, at least one, none with a fault.
    """
    if len({"".join(WORD.findall(row.text.casefold())) for row in transcripts}) > 1:
        return None
    return max((row.text for row in transcripts), key=len)
