"""How fast the first stages read recordings, and how much memory they need, from short ones to very long ones.

    python -m benchmarks.data_speed                          # the sample voice, repeated
    python -m benchmarks.data_speed --recordings FOLDER --align mono --markdown benchmarks/DATA_SPEED.md

Each stage runs as its own program. Its speed is the length of the recording over the CPU time of the program and its
children, start included, so it is that of one core and hardly depends on what else runs. Memory is the largest of one
process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import soundfile

from gpt_sovits.audio import load_audio, resample, to_mono
from stages.recordings.containers import AUDIO_SUFFIXES

ROOT = Path(__file__).resolve().parents[1]
PAUSE_SECONDS = (0.2, 0.9)  # between two sentences
VOICE = """
name: voice
language: en
consent: {speaker: benchmark, kind: synthetic, purposes: [testing], granted_on: 2026-01-01, valid_until: null,
  scope: {languages: null, territories: null, commercial: false},
  evidence: null, evidence_sha256: null, revoked_on: null}
"""

Blocks = Iterator[np.ndarray]


class Case(NamedTuple):
    """A recording to measure."""

    name: str
    minutes: float
    file: str
    write: Callable[[Path, Blocks, int], None]  # (file, (n,) float32 blocks, their sample rate)


class Use(NamedTuple):
    """What a program used."""

    cpu_seconds: float
    memory_mb: float


class Figures(NamedTuple):
    """What the stages used for one recording. None where a stage did not run."""

    case: Case
    n_clips: int
    ingest: Use
    segment: Use
    align: Use | None


def speech_blocks(sentences: Sequence[np.ndarray], sample_rate: int, minutes: float) -> Blocks:
    """Yield sentences and pauses in turn until they are `minutes` long."""
    random = np.random.default_rng(0)
    n_left = round(60 * minutes * sample_rate)
    for sentence in cycle(sentences):
        pause = np.zeros(round(random.uniform(*PAUSE_SECONDS) * sample_rate), np.float32)
        block = np.concatenate([sentence, pause])[:n_left]
        yield block
        n_left -= len(block)
        if not n_left:
            return


def write_flac(path: Path, blocks: Blocks, sample_rate: int) -> None:
    """Write mono FLAC."""
    with soundfile.SoundFile(path, "w", sample_rate, 1, "PCM_16", format="FLAC") as file:
        for block in blocks:
            file.write(block)


def write_stereo_flac(path: Path, blocks: Blocks, sample_rate: int) -> None:
    """Write FLAC with two equal channels at 44.1 kHz."""
    with soundfile.SoundFile(path, "w", 44100, 2, "PCM_16", format="FLAC") as file:
        for block in blocks:
            file.write(np.repeat(resample(block, sample_rate, 44100)[:, None], 2, axis=1))


def write_m4a(path: Path, blocks: Blocks, sample_rate: int) -> None:
    """Write AAC in an MPEG-4 file."""
    with av.open(str(path), "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=sample_rate, layout="mono")
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate, frame_size=1024)
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            frame.sample_rate = sample_rate
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))


def write_silence(path: Path, blocks: Blocks, sample_rate: int) -> None:
    """Write FLAC that is silent but for a sentence at its start."""
    write_flac(path, (block if not index else 0 * block for index, block in enumerate(blocks)), sample_rate)


def cases(minutes: Sequence[float]) -> list[Case]:
    """Return mono FLAC of each length, and other files of the longest of them or longer."""
    longest = max(minutes)
    return [
        *(Case(f"FLAC mono, {length:g} min", length, "x.flac", write_flac) for length in minutes),
        Case(f"FLAC stereo 44.1 kHz, {longest:g} min", longest, "x.flac", write_stereo_flac),
        Case(f"m4a mono, {longest:g} min", longest, "x.m4a", write_m4a),
        Case(f"FLAC, a sentence and silence, {3 * longest:g} min", 3 * longest, "x.flac", write_silence),
    ]


def measure(case: Case, sentences: Sequence[np.ndarray], sample_rate: int, *, with_align: bool) -> Figures:
    """Run the stages on one recording."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        recordings = root / "data/1_recordings/voice"
        recordings.mkdir(parents=True)
        (recordings / "voice.yaml").write_text(VOICE, encoding="utf-8")
        (root / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        case.write(recordings / case.file, speech_blocks(sentences, sample_rate, case.minutes), sample_rate)
        manifest, clips = "data/1_manifests/voice", "data/2_clips/voice"
        ingest = run_stage(root, "ingest", recordings=recordings, out=manifest)
        segment = run_stage(root, "segment", recordings=recordings, manifest=manifest, out=clips)
        align = None
        if with_align:
            align = run_stage(root, "align", clips=clips, manifest=manifest, out="data/3_aligned/voice")
        return Figures(case, len(list((root / clips / "audio").iterdir())), ingest, segment, align)


def run_stage(root: Path, stage: str, **places: Path | str) -> Use:
    """Run a stage in a project folder, and return what it used.

    Raises:
        CalledProcessError: it failed.
    """
    options = [text for option, place in places.items() for text in (f"--{option}", str(place))]
    # a process of its own between, because its usage counts all its children
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
        "sys.exit(done.returncode)\n"
    )
    command = [sys.executable, "-c", code, sys.executable, "-m", f"stages.{stage}", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    cpu_seconds, memory_kb = map(float, done.stdout.split())
    return Use(cpu_seconds, memory_kb / 1024)


def as_markdown(figures: Sequence[Figures]) -> str:
    """Return the table: speeds in multiples of real time on one core, memory in MB, of align beside its speed."""
    lines = [
        "| recording | clips | ingest | segment | both | memory | align |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, n_clips, ingest, segment, align in figures:
        seconds = 60 * case.minutes
        speeds = [seconds / used for used in (ingest.cpu_seconds, segment.cpu_seconds)]
        both = seconds / (ingest.cpu_seconds + segment.cpu_seconds)
        memory = max(ingest.memory_mb, segment.memory_mb)
        cells = [case.name, str(n_clips), *(f"{speed:.0f}x" for speed in (*speeds, both)), f"{memory:.0f} MB"]
        cells.append(f"{seconds / align.cpu_seconds:.1f}x, {align.memory_mb:.0f} MB" if align else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table for one folder of recordings."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_speed", description=__doc__.partition("\n")[0])
    parser.add_argument("--recordings", type=Path, default=ROOT / "data/1_recordings/sample", help="what is repeated")
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 60, 180])
    parser.add_argument(
        "--align", choices=["shortest", "mono"], nargs="?", const="shortest", help="run align too, on these recordings"
    )
    parser.add_argument("--markdown", type=Path, help="write the table into this file too")
    arguments = parser.parse_args()
    files = sorted(file for file in arguments.recordings.rglob("*") if file.suffix in AUDIO_SUFFIXES)
    audio = [load_audio(file) for file in files]
    sample_rate = audio[0][1]
    sentences = [resample(to_mono(samples), rate, sample_rate) for samples, rate in audio]
    figures, n_aligned = [], {"mono": len(arguments.minutes), "shortest": 1, None: 0}[arguments.align]
    for index, case in enumerate(cases(arguments.minutes)):
        figures.append(measure(case, sentences, sample_rate, with_align=index < n_aligned))
        print(as_markdown(figures[-1:]).splitlines()[-1], flush=True)
    if arguments.markdown:
        arguments.markdown.write_text(as_markdown(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
