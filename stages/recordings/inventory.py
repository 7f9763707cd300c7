"""What lies in a voice's folder, by name: audio with its transcripts, and what is neither. No audio is opened.

Ingest and `vox voice add` share it, so that what can be added can also be ingested.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from gpt_sovits.text.lexicon import LEXICON_FILE
from registry.consent.record import VOICE_FILE, Voice
from stages.corrections.file import CORRECTIONS_FILE
from stages.recordings.files import list_files
from stages.recordings.transcripts.audio_names import AUDIO_SUFFIXES, is_audio
from stages.recordings.transcripts.checks import require_transcripts_used
from stages.recordings.transcripts.reader import Transcript, is_document, read_transcripts, transcript_files
from stages.tables import Reject


class Inventory(NamedTuple):
    """The audio of a voice with its transcripts, and a reject for each file and each transcript that cannot be used."""

    audio: dict[str, list[Transcript]]  # by path, sorted
    transcripts: list[Transcript]
    rejects: list[Reject]


def take_inventory(folder: Path, voice: Voice, max_lost_share: float, *, left_out: Collection[str] = ()) -> Inventory:
    """List a voice's folder and find the audio of each transcript.

    Args:
        folder: the recordings folder of the voice.
        voice: its record, whose evidence and spoken statement are not recordings.
        max_lost_share: `ingest.max_lost_transcripts_share`.
        left_out: paths of further files that are not recordings, relative to the folder.

    Raises:
        ValueError: no audio was found, or a link takes the place of the lexicon or of the corrections.
        LostTranscriptsError: a recording would get the recogniser's text although the user gave one.
    """
    files, rejects = list_files(folder)
    if unread := next((row for row in rejects if row.path in (LEXICON_FILE, CORRECTIONS_FILE)), None):
        raise ValueError(f"{folder / unread.path}: {unread.reason}")
    known = {
        VOICE_FILE,
        *(posixpath.normpath(name) for name in voice.consent.proofs()),
        LEXICON_FILE,
        CORRECTIONS_FILE,
        *left_out,
    }
    files = [file for file in files if file not in known]
    texts = transcript_files([*files, *(row.path for row in rejects if row.path not in known)])
    # a link to a folder may be one to all transcripts
    unusable = {row.path: row.reason for row in rejects if row.path in texts or (folder / row.path).is_dir()}
    rejects = [row for row in rejects if row.path not in unusable]
    rejects += [
        Reject(path=file, reason=_no_recording(file)) for file in files if not (is_audio(file) or file in texts)
    ]
    transcripts = read_transcripts(folder, files, voice.name, voice.language, unusable=unusable)
    rejects += [Reject(path=row.source, reason=row.fault) for row in transcripts if not row.audio]
    audio: dict[str, list[Transcript]] = {file: [] for file in files if is_audio(file)}
    for row in transcripts:
        for file in row.audio:
            audio[file].append(row)
    if not audio:
        others = f"; it holds other files, such as {files[0]!r}" if files else ""
        if refused := next((row for row in rejects if is_audio(row.path)), None):
            others = f" that can be used; {refused.path} is {refused.reason}"
        raise ValueError(f"{folder} holds no audio file ({', '.join(AUDIO_SUFFIXES)}){others}")
    require_transcripts_used(transcripts, list(audio), max_lost_share)
    return Inventory(audio, transcripts, rejects)


def _no_recording(file: str) -> str:
    if is_document(file):
        return "a text about the recordings, not a transcript"
    return "neither audio nor a transcript in a format that is read; docs/transcripts.md lists them"
