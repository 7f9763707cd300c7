"""Stage ingest: measure the recordings of a voice and find their transcripts. What cannot be used gets a reason.

python -m stages.ingest --recordings data/1_recordings/V --out data/1_manifests/V
"""

from __future__ import annotations

import argparse
import posixpath
import shutil
from datetime import date
from pathlib import Path

from gpt_sovits.text.lexicon import LEXICON_FILE, load_lexicon
from registry.consent import VOICE_FILE, check_consent
from stages.corrections.decisions import DECISIONS_FILE, decide
from stages.corrections.file import CORRECTIONS_FILE, read_corrections
from stages.execution.outputs import stage_output
from stages.execution.program import run_stage
from stages.execution.progress import report_progress
from stages.params import load_params
from stages.recordings.files import list_files, read_recording, remove_duplicates
from stages.recordings.transcripts.audio_names import AUDIO_SUFFIXES, is_audio
from stages.recordings.transcripts.checks import describe_transcripts, require_transcripts_used
from stages.recordings.transcripts.reader import (
    TRANSCRIPT_SUFFIXES,
    Transcript,
    is_document,
    is_transcript,
    read_transcripts,
)
from stages.sections.data import Ingest
from stages.tables import Recording, Reject, write_table


def ingest(recordings_dir: Path, out_dir: Path, params: Ingest, today: date) -> None:
    """Write recordings.jsonl and rejects.jsonl, both sorted by path, and what the voice has besides.

    That is lexicon.yaml, and decisions.jsonl from its corrections.jsonl.

    Args:
        recordings_dir: the folder of the voice.
        out_dir: gets the tables.
        params: the section `ingest` of params.yaml.
        today: the day on which the consent must be valid.

    Raises:
        ConsentError: the voice may not be used.
        ValueError: no recording is usable, or the lexicon or the corrections have a fault.
    """
    voice = check_consent(recordings_dir, today)
    files, rejects = list_files(recordings_dir)
    known = {VOICE_FILE, posixpath.normpath(voice.consent.evidence or VOICE_FILE), LEXICON_FILE, CORRECTIONS_FILE}
    corrections = read_corrections(recordings_dir) if CORRECTIONS_FILE in files else []
    if LEXICON_FILE in files:
        load_lexicon(recordings_dir / LEXICON_FILE)  # finds a fault here, before hours of work
        shutil.copyfile(recordings_dir / LEXICON_FILE, out_dir / LEXICON_FILE)
    files = [file for file in files if file not in known]
    rejects += [
        Reject(path=file, reason=_no_recording(file)) for file in files if not (is_audio(file) or is_transcript(file))
    ]
    transcripts = read_transcripts(recordings_dir, files, voice.name, voice.language)
    rejects += [Reject(path=row.source, reason=row.fault) for row in transcripts if not row.audio]
    its_transcripts: dict[str, list[Transcript]] = {file: [] for file in files if is_audio(file)}
    for row in transcripts:
        for file in row.audio:
            its_transcripts[file].append(row)
    audio = list(its_transcripts)
    require_transcripts_used(transcripts, audio, params.max_lost_transcripts_share)

    recordings = []
    for file in report_progress(audio, len(audio), f"ingest {voice.name}: {{}} files", every=100):
        result = read_recording(recordings_dir, file, its_transcripts[file], params, voice.language)
        (recordings if isinstance(result, Recording) else rejects).append(result)
    recordings, duplicates = remove_duplicates(recordings)
    decisions, unused = decide(corrections, {row.sha256: row for row in recordings})
    rejects += [Reject(path=f"{CORRECTIONS_FILE}:{row.number}", reason=row.reason) for row in unused]
    if unused:
        print(f"ingest {voice.name}: {len(unused)} corrections change nothing, see rejects.jsonl", flush=True)
    rejects = sorted(rejects + duplicates, key=lambda reject: (reject.path, reject.reason))
    if not recordings:
        raise ValueError(f"{recordings_dir}: no usable recording; {_summary(rejects)}")
    write_table(out_dir / "recordings.jsonl", recordings)
    write_table(out_dir / "rejects.jsonl", rejects)
    if decisions:
        write_table(out_dir / DECISIONS_FILE, decisions)
    print(f"ingest {voice.name}: {len(recordings)} recordings, {len(rejects)} rejects", flush=True)
    told = describe_transcripts(transcripts, [recording.path for recording in recordings])
    print(f"ingest {voice.name}: {told}", flush=True)


def _no_recording(file: str) -> str:
    if is_document(file):
        return "a text about the recordings, not a transcript"
    return f"neither audio ({', '.join(AUDIO_SUFFIXES)}) nor a transcript ({', '.join(TRANSCRIPT_SUFFIXES)})"


def _summary(rejects: list[Reject]) -> str:
    if not rejects:
        return f"it holds no audio file ({', '.join(AUDIO_SUFFIXES)})"
    return f"{len(rejects)} rejected, the first: {rejects[0].path}: {rejects[0].reason}"


def main() -> None:
    """Run the stage with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.ingest", description="measure a voice's recordings")
    parser.add_argument("--recordings", type=Path, required=True, help="data/1_recordings/VOICE")
    parser.add_argument("--out", type=Path, required=True, help="data/1_manifests/VOICE")
    arguments = parser.parse_args()
    params = load_params().ingest
    with stage_output(arguments.out, "ingest", arguments.recordings.name) as folder:
        ingest(arguments.recordings, folder, params, date.today())


if __name__ == "__main__":
    run_stage(main)
