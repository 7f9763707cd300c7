"""Stops a run that would use the recogniser's text instead of one that the user gave."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence

from stages.recordings.transcripts.reader import JSON_LINES, TABLES, Transcript

# Files that are for all recordings. One that is of no use stops the run, whatever the setting
TABLE_SUFFIXES = (*TABLES, *JSON_LINES, ".json", ".xlsx", ".xls", ".ods", ".parquet", ".arrow")
SETTING = "ingest.max_lost_transcripts_share"


class LostTranscriptsError(ValueError):
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
    without = f"{_count(len(untold), 'recording')} without a transcript, such as {untold[0]!r}"
    for file in dict.fromkeys(row.file for row in lost):
        rows = [row for row in transcripts if row.file == file]
        if not any(row.audio for row in rows) and (rows[0].name or file.lower().endswith(TABLE_SUFFIXES)):
            raise LostTranscriptsError(_unused_table(file, rows, without))
    n_lost = min(len(lost), len(untold))
    share = n_lost / sum(not row.others for row in transcripts)
    if share > max_lost_share:
        first = (
            f"{lost[0].source} names {lost[0].name[:80]!r}" if lost[0].name else f"{lost[0].source}: {lost[0].fault}"
        )
        raise LostTranscriptsError(
            f"{_count(len(lost), 'transcript')} found no audio (the first: {first}), and the folder has {without}. "
            f"Correct the names, or raise {SETTING} = {max_lost_share:g} to use what the recogniser hears"
        )


def _unused_table(file: str, rows: Sequence[Transcript], without: str) -> str:
    if not rows[0].name:
        return f"{file}: {rows[0].fault}. The folder has {without}. Mend {file}, or move it out of the folder"
    return (
        f"0 of {_count(len(rows), 'row')} of {file} found their audio. The first names {rows[0].name[:80]!r}, and the "
        f"folder has {without}. Correct the names, or move {file} out of the folder if it belongs to other recordings"
    )


def _count(n: int, noun: str) -> str:
    return f"1 {noun}" if n == 1 else f"{n} {noun}s"


def describe_transcripts(transcripts: Sequence[Transcript], recordings: Sequence[str]) -> str:
    """Return in one sentence how many recordings have a transcript, and from where: files by ending and encoding.

    Args:
        transcripts: all transcripts of the voice's folder.
        recordings: paths of the recordings that are used.
    """
    used = set(recordings)
    rows = [row for row in transcripts if not row.fault and not used.isdisjoint(row.audio)]
    told = {file for row in rows for file in row.audio} & used
    if not told:
        return f"none of {_count(len(recordings), 'recording')} has a transcript; the recogniser's text will be used"
    kinds = {row.file: (row.file if row.name else f"*{posixpath.splitext(row.file)[1]}", row.encoding) for row in rows}
    counts = Counter(kinds.values())
    files = [
        f"{kind} ({encoding})" if n == 1 else f"{n} files {kind} ({encoding})" for (kind, encoding), n in counts.items()
    ]
    n_shortened = sum(row.shortened for row in rows)
    left_out = f"; tags, notes or names of speakers were left out of {n_shortened}" if n_shortened else ""
    return f"{len(told)} of {_count(len(recordings), 'recording')} have a transcript, from {', '.join(files)}{left_out}"
