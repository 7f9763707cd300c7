"""Stage ingest: measure the recordings of a voice and find their transcripts. What cannot be used gets a reason.

python -m stages.ingest --recordings data/1_recordings/V --out data/1_manifests/V
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path

from gpt_sovits.text.lexicon import LEXICON_FILE, load_lexicon
from registry.consent.checks import check_consent
from stages.corrections.decisions import DECISIONS_FILE, decide
from stages.corrections.file import CORRECTIONS_FILE, read_corrections
from stages.execution.cache import NO_CACHE, ResultCache, open_cache
from stages.execution.cached_calls import cached_map
from stages.execution.inputs import read_inputs
from stages.execution.outputs import stage_output
from stages.execution.parallel import worker_processes
from stages.execution.program import run_stage
from stages.execution.progress import report_progress
from stages.params import load_params
from stages.recordings.duplicates import MeasuredRecording, mark_duplicates
from stages.recordings.files import read_recording, remove_duplicates
from stages.recordings.findings import findings
from stages.recordings.inventory import take_inventory
from stages.recordings.measured_files import MeasuredFile, measured_file
from stages.recordings.transcripts.checks import describe_transcripts
from stages.sections.data import Ingest
from stages.tables import Reject, write_table


def ingest(
    recordings_dir: Path,
    out_dir: Path,
    params: Ingest,
    today: date,
    cache: ResultCache = NO_CACHE,
    *,
    before_corrections: Callable[[Path], None] = lambda path: None,
) -> None:
    """Write recordings.jsonl and rejects.jsonl, both sorted by path, and what the voice has besides.

    That is lexicon.yaml, and decisions.jsonl from its corrections.jsonl.

    Args:
        recordings_dir: the folder of the voice.
        out_dir: gets the tables.
        params: the section `ingest` of params.yaml.
        today: the day on which the consent must be valid.
        cache: holds what earlier runs measured in the same files.
        before_corrections: called with corrections.jsonl just before it is read, which is late, because somebody may
            be adding decisions.

    Raises:
        ConsentError: the voice may not be used.
        ValueError: no recording is usable, or the lexicon or the corrections have a fault.
        LostTranscriptsError: a recording would get the recogniser's text although the user gave one.
    """
    voice = check_consent(recordings_dir, today)
    read_corrections(recordings_dir)  # finds a fault here, before hours of work
    lexicon = recordings_dir / LEXICON_FILE
    if lexicon.is_file():
        load_lexicon(lexicon)  # the same
        shutil.copyfile(lexicon, out_dir / LEXICON_FILE)
    audio, transcripts, rejects = take_inventory(recordings_dir, voice, params.max_lost_transcripts_share)
    measured: list[MeasuredRecording] = []
    for file, sound in zip(audio, _measure(recordings_dir, list(audio), params, cache), strict=True):
        result = read_recording(recordings_dir, file, sound, audio[file], params, voice.language)
        (measured if isinstance(result, MeasuredRecording) else rejects).append(result)
    recordings, same_bytes = remove_duplicates([one.row for one in measured])
    kept_paths = {row.path for row in recordings}
    recordings, same_sound = mark_duplicates([one for one in measured if one.row.path in kept_paths], params.duplicates)
    before_corrections(recordings_dir / CORRECTIONS_FILE)
    decisions, unused = decide(read_corrections(recordings_dir), {row.sha256: row for row in recordings})
    rejects += [Reject(path=f"{CORRECTIONS_FILE}:{row.number}", reason=row.reason) for row in unused]
    if unused:
        print(f"ingest {voice.name}: {len(unused)} corrections change nothing, see rejects.jsonl", flush=True)
    rejects = sorted(rejects + same_bytes + same_sound, key=lambda reject: (reject.path, reject.reason))
    if not recordings:
        first = f"{rejects[0].path}: {rejects[0].reason}"
        raise ValueError(f"{recordings_dir}: no usable recording; {len(rejects)} rejected, the first: {first}")
    write_table(out_dir / "recordings.jsonl", recordings)
    write_table(out_dir / "rejects.jsonl", rejects)
    if decisions:
        write_table(out_dir / DECISIONS_FILE, decisions)
    print(f"ingest {voice.name}: {len(recordings)} recordings, {len(rejects)} rejects", flush=True)
    told = describe_transcripts(transcripts, [recording.path for recording in recordings])
    for finding in (told, *findings(recordings, same_bytes + same_sound)):
        print(f"ingest {voice.name}: {finding}", flush=True)


def _measure(folder: Path, files: Sequence[str], params: Ingest, cache: ResultCache) -> list[MeasuredFile]:
    with worker_processes(params.n_jobs) as workers:
        workers = cached_map(workers, cache, same={}, keep=lambda one: one.is_readable)
        sounds = workers(partial(measured_file, max_seconds=params.max_seconds), [folder / file for file in files])
        return list(report_progress(sounds, len(files), f"ingest {folder.name}: {{}} files", every=100))


def main() -> None:
    """Run the stage with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.ingest", description="measure a voice's recordings")
    parser.add_argument("--recordings", type=Path, required=True, help="data/1_recordings/VOICE")
    parser.add_argument("--out", type=Path, required=True, help="data/1_manifests/VOICE")
    arguments = parser.parse_args()
    inputs = read_inputs("ingest", arguments.recordings.name)
    with stage_output(arguments.out, "ingest", arguments.recordings.name, inputs=inputs) as folder:
        params = load_params().ingest
        today = date.today()
        ingest(arguments.recordings, folder, params, today, open_cache(), before_corrections=inputs.read_again)


if __name__ == "__main__":
    run_stage(main)
