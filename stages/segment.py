"""Stage segment: cut recordings at silence into mono clips of equal loudness.

python -m stages.segment --recordings data/1_recordings/V --manifest data/1_manifests/V --out data/2_clips/V
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyloudnorm
import torch
from silero_vad import get_speech_timestamps, load_silero_vad

from gpt_sovits.audio import load_audio, resample, save_flac, to_mono
from registry.consent import file_sha256
from stages.cutting import Limits, Span, cut
from stages.execution.outputs import stage_output
from stages.execution.program import run_stage
from stages.execution.progress import report_progress
from stages.params import load_params
from stages.sections.data import Segment
from stages.tables import Clip, Recording, Reject, read_table, write_table

VAD_RATE = 16000  # Hz; silero-vad's own
VAD_LEVEL_DBFS = -20.0  # recordings are brought to this level for it: it misses the beginnings of quiet ones
VAD_LEAD_SECONDS = 0.5  # silence put around a recording for it: without it, speech is noticed up to 0.25 s late
FRAME_SECONDS = 0.01  # grid of the levels that decide where long speech is split
MAX_PAUSE_SECONDS = 1.0  # pauses inside a sentence are shorter; a longer pause always ends a clip

FindSpeech = Callable[[np.ndarray, Segment], list[tuple[float, float]]]


def segment(recordings_dir: Path, manifest_dir: Path, out_dir: Path, params: Segment) -> None:
    """Write clips.jsonl, rejects.jsonl and audio/CLIP_ID.flac, in the order of the manifest.

    Args:
        recordings_dir: the folder of the voice.
        manifest_dir: output of the stage ingest.
        out_dir: an empty folder for the outputs.
        params: the section `segment` of params.yaml.

    Raises:
        ValueError: a recording changed since ingest, or no speech is found in any recording.
    """
    recordings = read_table(manifest_dir / "recordings.jsonl", Recording)
    find_speech = load_speech_finder()
    (out_dir / "audio").mkdir()
    clips, rejects = [], []
    template = f"segment {recordings_dir.name}: {{}} recordings"
    for recording in report_progress(recordings, len(recordings), template):
        path = recordings_dir / recording.path
        if file_sha256(path) != recording.sha256:
            raise ValueError(f"{path} has changed since ingest wrote {manifest_dir}; run the ingest stage again")
        samples, sample_rate = load_audio(path)
        waveform = resample(to_mono(samples), sample_rate, params.sample_rate)
        rows, rejected = cut_recording(waveform, recording, params, find_speech, out_dir)
        clips += rows
        rejects += rejected
    if not clips:
        raise ValueError(f"{recordings_dir}: no clip in {len(recordings)} recordings; the first: {rejects[0].reason}")
    write_table(out_dir / "clips.jsonl", clips)
    write_table(out_dir / "rejects.jsonl", rejects)
    print(f"segment {recordings_dir.name}: {len(clips)} clips, {len(rejects)} rejects", flush=True)


def cut_recording(
    waveform: np.ndarray, recording: Recording, params: Segment, find_speech: FindSpeech, out_dir: Path
) -> tuple[list[Clip], list[Reject]]:
    """Write the clips of one recording.

    Args:
        waveform: (n_samples,) float32 in [-1, 1] at params.sample_rate Hz.
        recording: its row in the manifest.
        params: the section `segment` of params.yaml.
        find_speech: returns the (start, end) of speech in seconds, see load_speech_finder.
        out_dir: gets audio/CLIP_ID.flac.

    Returns:
        The rows of its clips and of what was rejected.
    """
    rate = params.sample_rate
    speech = [
        Span(round(start * rate), min(round(end * rate), len(waveform))) for start, end in find_speech(waveform, params)
    ]
    if not speech:
        return [], [Reject(path=recording.path, reason="no speech found", seconds=recording.seconds)]
    limits = Limits(
        shortest=math.ceil(params.min_clip_seconds * rate),
        longest=math.floor(params.max_clip_seconds * rate),
        padding=round(params.padding_seconds * rate),
        longest_pause=round(MAX_PAUSE_SECONDS * rate),
        n_samples=len(waveform),
    )
    frame_length = round(FRAME_SECONDS * rate)
    spans, lost = cut(speech, frame_powers(waveform, frame_length), frame_length, limits)
    rejects = [_reject(recording, span, rate, "too short for a clip") for span in lost]
    clips = []
    for span in spans:
        gain_db = loudness_gain(waveform[span.start : span.end], params)
        if gain_db is None:
            rejects.append(_reject(recording, span, rate, "too quiet to measure its loudness"))
            continue
        clip_id = f"{recording.recording_id}-{len(clips):04d}"
        path = f"audio/{clip_id}.flac"
        clip = waveform[span.start : span.end].astype(np.float64) * 10 ** (gain_db / 20)
        save_flac(out_dir / path, clip.astype(np.float32), rate)
        start, end, seconds = (round(n / rate, 6) for n in (span.start, span.end, span.end - span.start))
        clips.append(
            Clip(
                clip_id=clip_id,
                recording_id=recording.recording_id,
                path=path,
                start=start,
                end=end,
                seconds=seconds,
                gain_db=gain_db,
            )
        )
    return clips, rejects


def frame_powers(waveform: np.ndarray, frame_length: int) -> np.ndarray:
    """Return the mean square of the samples around the start of each frame, which is where a cut falls.

    Args:
        waveform: (n_samples,) float32.
        frame_length: samples per frame.

    Returns:
        (n_samples // frame_length,) float64.
    """
    n_frames = len(waveform) // frame_length
    centred = np.pad(np.square(waveform, dtype=np.float64), (frame_length // 2, 0))[: n_frames * frame_length]
    return centred.reshape(n_frames, frame_length).mean(axis=1)


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


def load_speech_finder() -> FindSpeech:
    """Load silero-vad, whose weights are in its wheel.

    Returns:
        A function that returns the (start, end) of speech in a waveform, in seconds. It gives the same result on every
        run.
    """
    torch.set_num_threads(1)
    model = load_silero_vad()

    def find_speech(waveform: np.ndarray, params: Segment) -> list[tuple[float, float]]:
        samples = resample(waveform, params.sample_rate, VAD_RATE)
        level = float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
        if level == 0.0:
            return []
        lead = round(VAD_LEAD_SECONDS * VAD_RATE)
        n_samples = len(samples)
        samples = np.pad(np.clip(samples * 10 ** (VAD_LEVEL_DBFS / 20) / level, -1, 1), lead).astype(np.float32)
        regions = get_speech_timestamps(
            torch.from_numpy(samples),
            model,
            threshold=params.vad_threshold,
            sampling_rate=VAD_RATE,
            min_silence_duration_ms=round(1000 * params.min_silence_seconds),
            speech_pad_ms=0,  # `cut` adds the padding, because it knows the clips
        )
        inside = [(max(region["start"] - lead, 0), min(region["end"] - lead, n_samples)) for region in regions]
        return [(start / VAD_RATE, end / VAD_RATE) for start, end in inside if start < end]

    return find_speech


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
    params = load_params().segment
    with stage_output(arguments.out, "segment", arguments.recordings.name) as folder:
        segment(arguments.recordings, arguments.manifest, folder, params)


if __name__ == "__main__":
    run_stage(main)
