"""How the time of the data stages grows with the number of clips, up to 10,000.

    python -m benchmarks.data_scale                     # 100, 1,000 and 10,000 clips
    python -m benchmarks.data_scale --clips 100 1000

The voice is synthetic: every recording is a second of chords that no other has, and metadata.csv has its text.
The real stages run on it, with stand-ins for what is neural: the recogniser hears the text, all sound is speech, and
the features are a few numbers. So the figures show what tables, files, text and hashes cost. What the networks cost is
the same for every clip and stands in docs/scale.md. Then each stage runs again with one recording more, which shows
what the cache of results leaves to do.

Times are those of the CPU, so that other work on the machine does not count. The exponent k is fitted to time = c n^k:
1 is linear, 2 is quadratic, below 1 the start of the stage still counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from unittest import mock

import numpy as np
import soundfile
import torch
from safetensors.torch import save_file

from metrics.forced_alignment import AlignedWord
from metrics.judges.transcriber import Transcription
from stages import align as align_stage
from stages import features as features_stage
from stages import segment
from stages.adaptation import load_clips
from stages.alignment import transcribe
from stages.clip_features import ExtractedClip
from stages.execution.cache import open_cache
from stages.ingest import ingest
from stages.params import Params, load_params
from stages.recordings.speech import CUT_GRID_SECONDS, FoundSpeech
from stages.recordings.speech import SAMPLE_RATE as VAD_RATE
from stages.sections.data import Segment
from stages.tables import AlignedClip, FeatureClip, read_table

ROOT = Path(__file__).resolve().parents[1]
VOICE = "scale"
LANGUAGE = "ko"  # is aligned by the recogniser, which has a stand-in, and its words are counted by spaces
SENTENCE = "오늘은 날씨가 맑아요"
ASR = "stand-in"
RATE = 16000  # Hz
NOTE = 2000  # samples of a chord
SECONDS = (1.1, 1.5)  # shortest and longest recording
TODAY = date(2026, 6, 1)


class StandIn:
    """A recogniser that hears the same text in everything, and spreads its words over the clip."""

    name = ASR
    version = "1 of data_scale"

    def listen(self, waveform: np.ndarray, sample_rate: int, language: str) -> Transcription:
        """Return the text. See Transcriber."""
        return Transcription(SENTENCE)

    def align_words(
        self, waveform: np.ndarray, sample_rate: int, words: Sequence[str], language: str
    ) -> list[AlignedWord]:
        """Spread the words evenly. See Transcriber."""
        borders = np.linspace(0, len(waveform) / sample_rate, len(words) + 1).tolist()
        return [AlignedWord(*one, 1.0) for one in zip(words, borders, borders[1:], strict=False)]


def write_recordings(folder: Path, first: int, end: int) -> None:
    """Write recordings first to end - 1, each different, and metadata.csv for all up to end."""
    for number in range(first, end):
        generator = np.random.default_rng(number)
        length = round(generator.uniform(*SECONDS) * RATE)
        pitches = np.repeat(generator.uniform(150, 4000, (3, 1 + length // NOTE)), NOTE, axis=1)[:, :length]
        chords = np.sin(2 * np.pi * np.cumsum(pitches / RATE, axis=1)).mean(axis=0)
        sound = 0.2 * chords + generator.normal(0, 0.01, length)
        soundfile.write(folder / f"r{number:06d}.wav", sound.astype(np.float32), RATE, subtype="PCM_16")
    rows = "".join(f"r{number:06d}|{SENTENCE}\n" for number in range(end))
    (folder / "metadata.csv").write_text(rows, encoding="utf-8")


def all_is_speech(blocks: Iterable[np.ndarray], level_dbfs: float, params: Segment) -> FoundSpeech:
    """Return a stand-in for the voice activity detector. See stages.recordings.speech.find_speech."""
    n_samples = sum(map(len, blocks))
    costs = np.ones(round(n_samples / VAD_RATE / CUT_GRID_SECONDS))
    return FoundSpeech([(0.0, n_samples / VAD_RATE)], costs)


def few_numbers(sound: Path, text: str, *, out_file: Path, **_: object) -> ExtractedClip:
    """Write a stand-in for the features of a clip, which reads the clip."""
    samples, _ = soundfile.read(sound, dtype="float32")
    save_file({"waveform": torch.from_numpy(samples)}, out_file)
    return ExtractedClip(len(text), len(samples) // 1280, tuple(np.full(192, 192**-0.5).tolist()))


@contextmanager
def stand_ins() -> Iterator[None]:
    """Replace the networks until the block ends."""
    with (
        mock.patch.object(transcribe, "load_transcriber_once", lambda *_: StandIn()),
        mock.patch.object(segment, "find_speech", all_is_speech),
        mock.patch.object(features_stage, "extract_clip", few_numbers),
        mock.patch.object(features_stage, "require_learned", lambda *_: None),
    ):
        yield


def run_stages(params: Params) -> dict[str, float]:
    """Run the data stages of the voice in the working folder. Return the CPU seconds of each."""
    recordings = Path("data/1_recordings") / VOICE
    manifest, clips, aligned, features = (
        Path("data") / part / VOICE for part in ("1_manifests", "2_clips", "3_aligned", "4_features")
    )
    for folder in (manifest, clips, aligned, features):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    steps = {
        "ingest": lambda: ingest(recordings, manifest, params.ingest, TODAY, open_cache()),
        "segment": lambda: segment.segment(recordings, manifest, clips, params.segment, open_cache()),
        "align": lambda: align_stage.align(clips, manifest, aligned, params.align, ASR, cache=open_cache()),
        "features": lambda: features_stage.features(clips, aligned, manifest, features, params, open_cache()),
        "loading for adapt_*": lambda: [load_clips(features, split) for split in ("train", "held_out")],
        "tables of evaluate": lambda: (
            read_table(aligned / "clips.jsonl", AlignedClip),
            read_table(features / "clips.jsonl", FeatureClip),
        ),
    }
    with stand_ins(), Path(os.devnull).open("w") as nowhere, mock.patch("sys.stdout", nowhere):
        return {name: cpu_seconds(step) for name, step in steps.items()}


def hash_outputs() -> None:
    """Let DVC hash the outputs and put them into its cache, as it does after each stage."""
    outputs = [f"data/{part}/{VOICE}" for part in ("2_clips", "4_features")]
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", *outputs], check=True)


def cpu_seconds(step: Callable[[], object]) -> float:
    """Return the CPU time of a step with its child processes."""

    def used() -> float:
        return sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )

    before = used()
    step()
    return used() - before


def measure(counts: Sequence[int], folder: Path) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Return CPU seconds per stage for each number of clips: of a first run, and with one recording more."""
    params = load_params(ROOT / "params.yaml")
    params = params.model_copy(
        update={
            "align": params.align.model_copy(update={"n_jobs": 1}),
            "features": params.features.model_copy(update={"reference_min_seconds": 1.0}),
        }
    )
    recordings = folder / "data/1_recordings" / VOICE
    recordings.mkdir(parents=True)
    sample = ROOT / "data/1_recordings/sample"
    record = (sample / "voice.yaml").read_text(encoding="utf-8").replace("name: sample", f"name: {VOICE}")
    (recordings / "voice.yaml").write_text(record.replace("language: en", f"language: {LANGUAGE}"), encoding="utf-8")
    shutil.copy(sample / "consent.md", recordings)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    first, again, written = [], [], 0
    for count in counts:
        shutil.rmtree(".cache", ignore_errors=True)
        write_recordings(recordings, written, count)
        first.append(run_stages(params) | {"DVC": cpu_seconds(hash_outputs)})
        write_recordings(recordings, count, count + 1)
        again.append(run_stages(params) | {"DVC": cpu_seconds(hash_outputs)})
        n_clips = len(read_table(Path("data/4_features") / VOICE / "clips.jsonl", FeatureClip))
        if n_clips != count + 1:
            raise RuntimeError(
                f"{n_clips} clips of {count + 1} recordings reached the end: the figures are not of {count}"
            )
        written = count + 1
        print(json.dumps({"clips": count, "first": first[-1], "one_more": again[-1]}), file=sys.stderr, flush=True)
    return first, again


def exponent(counts: Sequence[int], seconds: Sequence[float]) -> float:
    """Return k of time = c n^k between the two largest numbers of clips."""
    (n, m), (t, u) = counts[-2:], seconds[-2:]
    return float(np.log(u / t) / np.log(m / n))


def table(counts: Sequence[int], rows: Sequence[dict[str, float]]) -> str:
    """Return a Markdown table of milliseconds per clip, one row per stage."""
    lines = [
        f"| stage | {' | '.join(f'{count:,} clips' for count in counts)} | exponent |",
        "|" + "---|" * (len(counts) + 2),
    ]
    for stage in rows[0]:
        seconds = [row[stage] for row in rows]
        cells = [f"{1000 * value / count:.2f} ms" for value, count in zip(seconds, counts, strict=True)]
        lines.append(f"| {stage} | {' | '.join(cells)} | {exponent(counts, seconds):.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables of both runs."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.data_scale", description="time per clip of the data stages"
    )
    parser.add_argument("--clips", type=int, nargs="+", default=[100, 1000, 10000], help="numbers of clips, ascending")
    counts = parser.parse_args().clips
    if len(counts) < 2 or counts != sorted(set(counts)) or counts[0] < 10:
        parser.error(f"--clips {counts}: give at least two numbers from 10 on, ascending")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        before = Path.cwd()
        os.chdir(name)
        try:
            first, again = measure(counts, Path(name))
        finally:
            os.chdir(before)
    print(f"First run:\n\n{table(counts, first)}\n\nOne recording more:\n\n{table(counts, again)}")


if __name__ == "__main__":
    main()
