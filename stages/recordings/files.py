"""The recordings of one voice: lists the files, reads each into a row, and finds duplicates."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gpt_sovits.text.sentences import width
from registry.files import file_sha256
from stages.recordings.duplicates import MeasuredRecording
from stages.recordings.measure import rejection_reason
from stages.recordings.measured_files import MeasuredFile
from stages.recordings.transcripts.reader import Transcript, agreed_text
from stages.sections.data import Ingest
from stages.tables import Recording, Reject

# Folders and files that systems leave behind, as in an archive packed on a Mac or a drive used with Windows
DROPPINGS = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "$recycle.bin",
        "system volume information",
        "@eadir",
    }
)


def list_files(folder: Path) -> tuple[list[str], list[Reject]]:
    """List the regular files below a folder, without hidden ones and what systems leave behind.

    Returns:
        Sorted POSIX paths relative to the folder, and rejects for links and other special files.
    """
    files, rejects = [], []
    for path, mode in sorted(_walk(folder)):
        name = path.relative_to(folder).as_posix()
        readable = name.encode("utf-8", "backslashreplace").decode()
        if readable != name:
            rejects.append(Reject(path=readable, reason="its name is not UTF-8; rename it"))
        elif stat.S_ISLNK(mode):
            rejects.append(
                Reject(path=name, reason="a symbolic link, which may leave the voice's folder; copy the file")
            )
        elif stat.S_ISREG(mode):
            files.append(name)
        else:  # a pipe, for instance, would wait for a writer forever
            rejects.append(Reject(path=name, reason="not a regular file"))
    return files, rejects


def is_dropping(name: str) -> bool:
    """Return whether a file or a folder is hidden, or was left behind by a system."""
    return name.startswith(".") or name.lower() in DROPPINGS


def _walk(folder: Path) -> Iterator[tuple[Path, int]]:
    for entry in os.scandir(folder):
        path, mode = folder / entry.name, entry.stat(follow_symlinks=False).st_mode
        if is_dropping(entry.name):
            continue
        if stat.S_ISDIR(mode):
            yield from _walk(path)
        else:
            yield path, mode


def read_recording(
    folder: Path, file: str, sound: MeasuredFile, transcripts: list[Transcript], params: Ingest, language: str
) -> MeasuredRecording | Reject:
    """Make the row of one audio file in the table of recordings or of rejects.

    A recording whose transcript has a fault is rejected with it. Used without its transcript, it would count as one
    that has none.

    Args:
        folder: the recordings folder of the voice.
        file: POSIX path of the audio relative to the folder.
        sound: what was measured in it.
        transcripts: the transcripts that belong to it.
        params: the section `ingest` of params.yaml.
        language: ISO 639 code of the voice's language.
    """
    if fault := next((f"{row.source}: {row.fault}" for row in transcripts if row.fault), ""):
        return Reject(path=file, reason=fault)
    transcript = agreed_text(transcripts) if transcripts else None
    if transcripts and transcript is None:
        sources = " and ".join(row.source for row in transcripts)
        return Reject(path=file, reason=f"transcripts that differ: {sources}; keep the right one")
    if sound.fault:
        return Reject(path=file, reason=sound.fault)
    measurement, sha256 = sound.measurement, file_sha256(folder / file)
    if reason := rejection_reason(measurement, params):
        return Reject(path=file, reason=reason, seconds=measurement.seconds)
    if transcript is not None and (length := width(transcript)) > params.max_chars_per_second * measurement.seconds:
        limit = f"ingest.max_chars_per_second = {params.max_chars_per_second:g} in {measurement.seconds:.1f} s"
        said = f"{len(transcript)} characters" + (
            "" if length == len(transcript) else f", as long as {length} Latin letters,"
        )
        reason = f"{transcripts[0].source}: {said} exceed {limit}"
        return Reject(path=file, reason=reason, seconds=measurement.seconds)
    row = Recording(
        recording_id=sha256[:12],
        path=file,
        sha256=sha256,
        transcript=transcript,
        language=language,
        **measurement._asdict(),
    )
    return MeasuredRecording(row, sound.fingerprint)


def remove_duplicates(recordings: list[Recording]) -> tuple[list[Recording], list[Reject]]:
    """Keep one recording per content: the first by path that has a transcript, else the first.

    Equal files with different transcripts are all rejected, because it cannot be known which text is right.

    Returns:
        The recordings sorted by path, and the rejects.
    """
    groups: dict[str, list[Recording]] = {}
    for recording in sorted(recordings, key=lambda recording: (recording.transcript is None, recording.path)):
        groups.setdefault(recording.sha256, []).append(recording)
    kept, rejects = [], []
    for first, *others in groups.values():
        texts = {recording.transcript for recording in (first, *others) if recording.transcript is not None}
        if len(texts) > 1:
            names = ", ".join(recording.path for recording in (first, *others))
            reason = f"the same bytes with different transcripts: {names}; keep the right one"
            rejects += [_reject(recording, reason) for recording in (first, *others)]
        else:
            kept.append(first)
            rejects += [_reject(other, f"the same bytes as {first.path}") for other in others]
    return sorted(kept, key=lambda recording: recording.path), rejects


def _reject(recording: Recording, reason: str) -> Reject:
    return Reject(path=recording.path, reason=reason, seconds=recording.seconds)
