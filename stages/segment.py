"""Stage segment: cut recordings at silence into mono clips of equal loudness.

python -m stages.segment --recordings data/1_recordings/V --manifest data/1_manifests/V --out data/2_clips/V
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyloudnorm

from gpt_sovits.audio import resample_blocks, save_flac
from registry.files import file_sha256
from stages.corrections.decisions import ClipDecision
from stages.corrections.file import read_decisions
from stages.corrections.fixed_clips import cut_around, fixed_spans
from stages.cutting import Limits, Span
from stages.execution.cache import NO_CACHE, ResultCache, open_cache
from stages.execution.cached_calls import cached_map
from stages.execution.inputs import file_state
from stages.execution.outputs import stage_output
from stages.execution.parallel import call, worker_processes
from stages.execution.program import run_stage
from stages.execution.progress import report_progress
from stages.params import load_params
from stages.recordings.decoding import mono_blocks, open_audio
from stages.recordings.speech import CUT_GRID_SECONDS, FoundSpeech, find_speech
from stages.recordings.speech import SAMPLE_RATE as VAD_RATE
from stages.sections.data import Segment
from stages.tables import Clip, Recording, Reject, read_table, write_table

MAX_PAUSE_SECONDS = 1.0  # pauses inside a sentence are shorter; a longer pause always ends a clip


def segment(
    recordings_dir: Path, manifest_dir: Path, out_dir: Path, params: Segment, cache: ResultCache = NO_CACHE
) -> None:
    """Write clips.jsonl, rejects.jsonl and audio/CLIP_ID.flac, in the order of the manifest.

    Args:
        recordings_dir: the folder of the voice.
        manifest_dir: output of the stage ingest.
        out_dir: an empty folder for the outputs.
        params: the section `segment` of params.yaml.
        cache: holds the clips of earlier runs.

    Raises:
        ValueError: a recording changed since ingest, or no speech is found in any recording.
    """
    recordings = read_table(manifest_dir / "recordings.jsonl", Recording)
    decisions = read_decisions(manifest_dir)
    (out_dir / "audio").mkdir()
    calls, states = [], {}
    for recording in recordings:
        path = recordings_dir / recording.path
        states[path] = file_state(path)
        if file_sha256(path) != recording.sha256:
            raise _changed(path, manifest_dir)
        its_decisions = decisions.get(recording.recording_id, ())
        calls.append(partial(cut_recording, path, recording, params, out_dir, its_decisions))
    clips, rejects = [], []
    template = f"segment {recordings_dir.name}: {{}} recordings"
    try:
        with worker_processes(params.n_jobs) as workers:
            workers = cached_map(workers, cache, same={}, out_dir=out_dir, files=_clip_paths)
            for rows, rejected in report_progress(workers(call, calls), len(calls), template):
                clips += rows
                rejects += rejected
    finally:
        # Recordings are not among the deps in dvc.yaml, since the manifest has their hashes. So DVC does not compare
        # them. One that changed also explains whatever went wrong with it above.
        for path, state in states.items():
            if file_state(path) != state:
                raise _changed(path, manifest_dir)
    if not clips:
        raise ValueError(f"{recordings_dir}: no clip in {len(recordings)} recordings; the first: {rejects[0].reason}")
    write_table(out_dir / "clips.jsonl", clips)
    write_table(out_dir / "rejects.jsonl", rejects)
    print(f"segment {recordings_dir.name}: {len(clips)} clips, {len(rejects)} rejects", flush=True)


def cut_recording(
    path: Path, recording: Recording, params: Segment, out_dir: Path, decisions: Sequence[ClipDecision] = ()
) -> tuple[list[Clip], list[Reject]]:
    """Write the clips of one recording.

    It is decoded twice, once to find the places of the clips and once to write them. So at most one clip of it is in
    memory.

    Args:
        path: the recording.
        recording: its row in the manifest.
        params: the section `segment` of params.yaml.
        out_dir: gets audio/CLIP_ID.flac.
        decisions: those of a person on clips of this recording, which stay as they are.

    Returns:
        The rows of its clips and of what was rejected.
    """
    rate = params.sample_rate
    with open_audio(path) as stream:
        blocks = resample_blocks(mono_blocks(stream.blocks, recording), stream.sample_rate, VAD_RATE)
        found = find_speech(blocks, recording.level_dbfs, params)
    spans, rejects = place_clips(recording, found, params, decisions)
    clips = []
    with open_audio(path) as stream:
        blocks = resample_blocks(mono_blocks(stream.blocks, recording), stream.sample_rate, rate)
        for span, waveform in excerpts(blocks, spans):
            gain_db = loudness_gain(waveform, params)
            if gain_db is None:
                rejects.append(_reject(recording, span, rate, "too quiet to measure its loudness"))
                continue
            clip_id = f"{recording.recording_id}-{len(clips):04d}"
            clip_path = f"audio/{clip_id}.flac"
            clip = waveform.astype(np.float64) * 10 ** (gain_db / 20)
            save_flac(out_dir / clip_path, clip.astype(np.float32), rate)
            start, end, seconds = (round(n / rate, 6) for n in (span.start, span.end, span.end - span.start))
            clips.append(
                Clip(
                    clip_id=clip_id,
                    recording_id=recording.recording_id,
                    path=clip_path,
                    start=start,
                    end=end,
                    seconds=seconds,
                    gain_db=gain_db,
                )
            )
    return clips, rejects


def place_clips(
    recording: Recording, found: FoundSpeech, params: Segment, decisions: Sequence[ClipDecision] = ()
) -> tuple[list[Span], list[Reject]]:
    """Return where the clips of a recording lie, in samples at params.sample_rate Hz, and what was rejected."""
    if not found.regions and not decisions:
        return [], [Reject(path=recording.path, reason="no speech found", seconds=recording.seconds)]
    rate = params.sample_rate
    n_samples = math.floor(recording.seconds * rate)
    speech = [Span(round(start * rate), min(round(end * rate), n_samples)) for start, end in found.regions]
    limits = Limits(
        shortest=math.ceil(params.min_clip_seconds * rate),
        longest=math.floor(params.max_clip_seconds * rate),
        padding=round(params.padding_seconds * rate),
        longest_pause=round(MAX_PAUSE_SECONDS * rate),
        n_samples=n_samples,
    )
    fixed = fixed_spans(decisions, rate, n_samples)
    spans, lost = cut_around(fixed, speech, found.cut_costs, round(CUT_GRID_SECONDS * rate), limits)
    return spans, [_reject(recording, span, rate, "too short for a clip") for span in lost]


def excerpts(blocks: Iterable[np.ndarray], spans: Sequence[Span]) -> Iterator[tuple[Span, np.ndarray]]:
    """Yield the samples of each span.

    Args:
        blocks: (n,) float32 each, which follow one another.
        spans: in order, without overlaps, within all the blocks together.
    """
    waiting, position = np.zeros(0, np.float32), 0  # the samples from `position` on
    blocks = iter(blocks)
    for span in spans:
        parts = [waiting]
        end = position + len(waiting)
        while end < span.end:
            parts.append(next(blocks))
            end += len(parts[-1])
            while len(parts) > 1 and end - sum(map(len, parts[1:])) <= span.start:  # not needed any more
                parts.pop(0)
        waiting = np.concatenate(parts)
        position = end - len(waiting)
        yield span, waiting[span.start - position : span.end - position]


def loudness_gain(waveform: np.ndarray, params: Segment) -> float | None:
    """Return the gain in dB that brings a clip to loudness_lufs, or less where its peak would exceed max_peak_dbfs.

    Source: ITU-R BS.1770-4.

    Args:
        waveform: (n_samples,) float32 at params.sample_rate Hz.
        params: the section `segment` of params.yaml.

    Returns:
        The gain, or None where the clip is too quiet to have a loudness (below -70 LUFS).
    """
    loudness = pyloudnorm.Meter(params.sample_rate).integrated_loudness(waveform.astype(np.float64))
    peak = float(np.abs(waveform).max())
    if not math.isfinite(loudness):
        return None
    gain_db = min(params.loudness_lufs - loudness, params.max_peak_dbfs - 20 * math.log10(peak))
    return math.floor(gain_db * 1e4) / 1e4  # rounded down, so that the peak cannot exceed its limit


def _clip_paths(cut: tuple[list[Clip], list[Reject]]) -> list[str]:
    return [clip.path for clip in cut[0]]


def _changed(path: Path, manifest_dir: Path) -> ValueError:
    return ValueError(f"{path} has changed since ingest wrote {manifest_dir}; run the ingest stage again")


def _reject(recording: Recording, span: Span, rate: int, reason: str) -> Reject:
    place = f"{span.start / rate:.2f}-{span.end / rate:.2f} s"
    return Reject(path=recording.path, reason=f"{place}: {reason}", seconds=round((span.end - span.start) / rate, 6))


def main() -> None:
    """Run the stage with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.segment", description="cut recordings into clips")
    parser.add_argument("--recordings", type=Path, required=True, help="data/1_recordings/VOICE")
    parser.add_argument("--manifest", type=Path, required=True, help="data/1_manifests/VOICE")
    parser.add_argument("--out", type=Path, required=True, help="data/2_clips/VOICE")
    arguments = parser.parse_args()
    with stage_output(arguments.out, "segment", arguments.recordings.name) as folder:
        segment(arguments.recordings, arguments.manifest, folder, load_params().segment, open_cache())


if __name__ == "__main__":
    run_stage(main)
