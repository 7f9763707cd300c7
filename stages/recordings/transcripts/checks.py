"""Stops a run that would use the recogniser's text instead of one that the user gave."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from stages.errors import StageError
from stages.recordings.transcripts.reader import JSON_LINES, TABLES, Transcript

# Files that are for all recordings. One that is of no use stops the run, whatever the setting
TABLE_SUFFIXES = (*TABLES, *JSON_LINES, ".json", ".xlsx", ".xls", ".ods", ".parquet", ".arrow")
MAX_NAMED_FILES = 3
SETTING = "ingest.max_lost_transcripts_share"


class LostTranscriptsError(StageError, ValueError):
    """Transcripts found no audio while audio has no transcript. The message names the first of each."""


def require_transcripts_used(transcripts: Sequence[Transcript], audio: Sequence[str], max_lost_share: float) -> None:
    """Check that no recording goes to the recogniser because its transcript was not found.

    Rows without audio do no harm where each recording has its transcript: the table may be of a larger corpus. They
    are suspicious where a recording has none.

    Args:
        transcripts: all transcripts of the voice's folder.
        audio: all its audio files.
        max_lost_share: the largest allowed number of lost transcripts, as a share of all. 0 to 1.

    Raises:
        LostTranscriptsError: a file found none of its audio, cannot be read, or too many transcripts are lost.
    """
    told = {file for row in transcripts for file in row.audio}
    untold = [file for file in audio if file not in told]
    lost = [row for row in transcripts if not row.audio and not row.others]
    if not untold or not lost:
        return
    instead = f"{_named(untold)} would get the recogniser's text instead"
    for file in dict.fromkeys(row.file for row in lost):
        rows = [row for row in transcripts if row.file == file]
        if any(row.audio for row in rows) or not (rows[0].name or file.lower().endswith(TABLE_SUFFIXES)):
            continue
        if not rows[0].name:
            raise LostTranscriptsError(f"{file}: {rows[0].fault}. {instead}; mend {file}, or move it out of the folder")
        raise LostTranscriptsError(
            f"0 of {_count(len(rows), 'row')} of {file} found their audio; the first names {rows[0].name[:80]!r}. "
            f"{instead}; correct the names, or move {file} out of the folder if it belongs to other recordings"
        )
    n_lost = min(len(lost), len(untold))
    share = n_lost / sum(not row.others for row in transcripts)
    if share > max_lost_share:
        first = (
            f"{lost[0].source} names {lost[0].name[:80]!r}" if lost[0].name else f"{lost[0].source}: {lost[0].fault}"
        )
        raise LostTranscriptsError(
            f"{_count(len(lost), 'transcript')} found no audio, the first: {first}. "
            f"{instead}; correct the names, or raise {SETTING} = {max_lost_share:g}"
        )


def describe_transcripts(transcripts: Sequence[Transcript], recordings: Sequence[str]) -> str:
    """Return in one sentence how many recordings have a transcript, from which files, and in which encodings.

    Args:
        transcripts: all transcripts of the voice's folder.
        recordings: paths of the recordings that are used.
    """
    used = set(recordings)
    rows = [row for row in transcripts if not row.fault and not used.isdisjoint(row.audio)]
    n_told = len({file for row in rows for file in row.audio} & used)
    total = _count(len(recordings), "recording")
    if not n_told:
        return f"none of {total} has a transcript, so the recogniser's text will be used"
    files: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        kind = row.file if row.name else posixpath.splitext(row.file)[1]  # a table, or one of many texts
        files.setdefault((kind, row.encoding), []).append(row.file)
    places = [
        f"{names[0]} ({encoding})" if len(set(names)) == 1 else f"{len(set(names))} files *{kind} ({encoding})"
        for (kind, encoding), names in files.items()
    ]
    further = f" and {len(places) - MAX_NAMED_FILES} more files" if len(places) > MAX_NAMED_FILES else ""
    sentence = f"{n_told} of {total} {'has' if n_told == 1 else 'have'} a transcript, from "
    sentence += ", ".join(places[:MAX_NAMED_FILES]) + further
    if n_told < len(recordings):
        sentence += f"; the recogniser's text will be used for {len(recordings) - n_told}"
    if n_shortened := sum(row.shortened for row in rows):
        sentence += f"; tags, notes on sounds or names of speakers were left out of {n_shortened}"
    return sentence


def _named(files: Sequence[str]) -> str:
    """Return how many recordings there are, and the name of the first."""
    return f"Recording {files[0]!r}" if len(files) == 1 else f"{len(files)} recordings, such as {files[0]!r},"


def _count(n: int, noun: str) -> str:
    return f"1 {noun}" if n == 1 else f"{n} {noun}s"
