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
from stages.execution.outputs import stage_output
from stages.execution.program import run_stage
from stages.execution.progress import report_progress
from stages.params import load_params
from stages.recordings.duplicates import MeasuredRecording, mark_duplicates
from stages.recordings.files import list_files, read_recording, remove_duplicates
from stages.recordings.findings import findings
from stages.recordings.transcripts import AUDIO_SUFFIXES, is_audio, is_transcript, read_transcripts
from stages.sections.data import Ingest
from stages.tables import Reject, write_table


def ingest(recordings_dir: Path, out_dir: Path, params: Ingest, today: date) -> None:
    """Write recordings.jsonl and rejects.jsonl, both sorted by path, and the voice's lexicon.yaml if it has one.

    Args:
        recordings_dir: the folder of the voice.
        out_dir: gets the tables.
        params: the section `ingest` of params.yaml.
        today: the day on which the consent must be valid.

    Raises:
        ConsentError: the voice may not be used.
        ValueError: no recording is usable, or the lexicon has a fault.
    """
    voice = check_consent(recordings_dir, today)
    files, rejects = list_files(recordings_dir)
    known = {VOICE_FILE, posixpath.normpath(voice.consent.evidence or VOICE_FILE), LEXICON_FILE}
    if LEXICON_FILE in files:
        load_lexicon(recordings_dir / LEXICON_FILE)  # finds a fault here, before hours of work
        shutil.copyfile(recordings_dir / LEXICON_FILE, out_dir / LEXICON_FILE)
    rejects += [
        Reject(
            path=file,
            reason=f"neither audio ({', '.join(AUDIO_SUFFIXES)}) nor a transcript (metadata.csv, .txt, .list)",
        )
        for file in files
        if not (file in known or is_audio(file) or is_transcript(file))
    ]
    files = [file for file in files if file not in known]
    transcripts = read_transcripts(recordings_dir, files, voice.name, voice.language)
    rejects += [Reject(path=row.source, reason=row.fault) for row in transcripts if not row.audio]

    measured: list[MeasuredRecording] = []
    audio = [file for file in files if is_audio(file)]
    for file in report_progress(audio, len(audio), f"ingest {voice.name}: {{}} files", every=100):
        its_transcripts = [row for row in transcripts if file in row.audio]
        result = read_recording(recordings_dir, file, its_transcripts, params, voice.language)
        (measured if isinstance(result, MeasuredRecording) else rejects).append(result)
    recordings, same_bytes = remove_duplicates([one.row for one in measured])
    kept_paths = {row.path for row in recordings}
    recordings, same_sound = mark_duplicates([one for one in measured if one.row.path in kept_paths], params.duplicates)
    rejects = sorted(rejects + same_bytes + same_sound, key=lambda reject: (reject.path, reject.reason))
    if not recordings:
        raise ValueError(f"{recordings_dir}: no usable recording; {_summary(rejects)}")
    write_table(out_dir / "recordings.jsonl", recordings)
    write_table(out_dir / "rejects.jsonl", rejects)
    print(f"ingest {voice.name}: {len(recordings)} recordings, {len(rejects)} rejects", flush=True)
    for finding in findings(recordings, same_bytes + same_sound):
        print(f"ingest {voice.name}: {finding}", flush=True)


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
