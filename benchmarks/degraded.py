"""How many clips with right texts ingest, segment and align keep where music plays or the room rings.

    python -m benchmarks.degraded                                                    # print the table
    python -m benchmarks.degraded --markdown benchmarks/transcripts/DEGRADED.md

The recordings are the sentences of a real reader (LJSpeech), from ../shared or $VOXFOUNDRY_SHARED. They are taken as
they are, with chords behind them, and in a made-up room. Their texts are right, so every refusal is a loss.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import soundfile

from benchmarks.made_up_sound import in_room, with_music
from benchmarks.nonspeech import SAMPLE_RATE
from benchmarks.transcript_faults import CONSENT_DAY, ROOT, VOICE, speaker_folders
from gpt_sovits.audio import load_audio, resample, to_mono
from stages.align import align
from stages.ingest import ingest
from stages.params import Params, load_params
from stages.segment import segment
from stages.tables import AlignedClip, Disagreement, Recording, Reject, read_table

SPEAKER = "LJSpeech"
MUSIC_DB = 10.0  # speech over music
ROOM_SECONDS = 1.2
DIRECT_DB = 0.0  # direct sound over that of the room: a microphone across a table
SEED = 0
PEAK = 0.9
NOTES = f"""
Each sentence is a recording of its own with its right text, so every refusal is a loss. Music is made of chords,
{MUSIC_DB:g} dB below the speech without its pauses. The room is made of noise that falls by 60 dB in
{ROOM_SECONDS:g} s, and brings as much energy as the direct sound. A recording can be cut into several clips. A reported
clip has a row in `disagreements.jsonl` and is kept. The settings are those of params.yaml, in which ingest refuses no
recording for its noise, its room or its music. Whether the times of words stay right is not measured here.
"""

Generator = np.random.Generator
CONDITIONS: dict[str, Callable[[np.ndarray, Generator], np.ndarray]] = {
    "as recorded": lambda speech, random: speech,
    f"music at {MUSIC_DB:g} dB": lambda speech, random: with_music(speech, MUSIC_DB, random),
    f"a room of {ROOM_SECONDS:g} s": lambda speech, random: in_room(speech, ROOM_SECONDS, DIRECT_DB, random),
}


@dataclass(frozen=True, kw_only=True)
class Degraded:
    """What became of the recordings in one condition.

    Attributes:
        condition: one of CONDITIONS.
        n_recordings: that were given.
        clips: of segment, as align judged them.
        n_reported: kept clips with a doubted word.
        refused_before: what ingest and segment refused.
    """

    condition: str
    n_recordings: int
    clips: tuple[AlignedClip, ...]
    n_reported: int
    refused_before: tuple[Reject, ...]

    @property
    def reasons(self) -> Counter[str]:
        """Return the number of refusals by reason, without the figures of a single clip."""
        of_clips = [one.reason.partition(":")[0] for one in self.clips if not one.kept]
        return Counter([*of_clips, *(one.reason for one in self.refused_before)])


def write_recordings(
    source: Path, target: Path, change: Callable[[np.ndarray, Generator], np.ndarray], random: Generator
) -> int:
    """Write the recordings of a folder with their texts in another condition, and return how many they are.

    Args:
        source: with metadata.csv and wavs/.
        target: an existing folder, which gets the same, 16-bit FLAC at SAMPLE_RATE.
        change: makes (n,) float32 at SAMPLE_RATE sound otherwise.
        random: for the change.
    """
    text = (source / "metadata.csv").read_text(encoding="utf-8")
    (target / "metadata.csv").write_text(text, encoding="utf-8")
    (target / "voice.yaml").write_text(VOICE, encoding="utf-8")
    (target / "wavs").mkdir()
    names = [line.split("|")[0] for line in text.splitlines()]
    for name in names:
        samples, rate = load_audio(next((source / "wavs").glob(f"{name}.*")))
        sound = change(resample(to_mono(samples), rate, SAMPLE_RATE), random)
        sound = sound * min(1.0, PEAK / float(np.abs(sound).max()))
        soundfile.write(target / f"wavs/{name}.flac", sound, SAMPLE_RATE)
    return len(names)


def run_condition(source: Path, condition: str, params: Params, asr: str) -> Degraded:
    """Run the stages on the recordings of a folder in one condition.

    Args:
        source: with metadata.csv and wavs/.
        condition: one of CONDITIONS.
        params: of the stages.
        asr: name of an ASR judge.
    """
    random = np.random.default_rng(SEED)
    with TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("joined", "manifest", "clips", "aligned"):
            (work / name).mkdir()
        n_recordings = write_recordings(source, work / "joined", CONDITIONS[condition], random)
        ingest(work / "joined", work / "manifest", params.ingest, CONSENT_DAY)
        segment(work / "joined", work / "manifest", work / "clips", params.segment)
        with patch("stages.align.check_rejected_share", lambda *_: None):
            align(work / "clips", work / "manifest", work / "aligned", params.align, asr)
        if not all(row.transcript for row in read_table(work / "manifest/recordings.jsonl", Recording)):
            raise ValueError(f"{source}/metadata.csv: a recording has no text; give each one a line")
        clips = read_table(work / "aligned/clips.jsonl", AlignedClip)
        doubted = {one.clip_id for one in read_table(work / "aligned/disagreements.jsonl", Disagreement)}
        before = [
            *read_table(work / "manifest/rejects.jsonl", Reject),
            *read_table(work / "clips/rejects.jsonl", Reject),
        ]
    return Degraded(
        condition=condition,
        n_recordings=n_recordings,
        clips=tuple(clips),
        n_reported=sum(one.kept and one.clip_id in doubted for one in clips),
        refused_before=tuple(before),
    )


def table(results: Sequence[Degraded]) -> str:
    """Return a Markdown table with one line per condition."""
    lines = [
        "| condition | recordings | clips | kept | of these reported | mean CER of all clips | refused, by reason |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        errors = [clip.cer for clip in one.clips if clip.cer is not None]
        cells = [
            one.condition,
            one.n_recordings,
            len(one.clips),
            sum(clip.kept for clip in one.clips),
            one.n_reported,
            f"{np.mean(errors):.3f}" if errors else "-",
            ", ".join(f"{n}: {reason}" for reason, n in one.reasons.most_common()) or "none",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.degraded", description="Right texts that are kept.")
    parser.add_argument("--judge", default="faster-whisper-tiny.en", help="name of an ASR judge")
    parser.add_argument("--markdown", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    source = speaker_folders().get(SPEAKER)
    if source is None:
        parser.error(f"no recordings of {SPEAKER}; let VOXFOUNDRY_SHARED name the folder that has data/ljspeech")
    params = load_params(ROOT / "params.yaml")
    results = []
    for condition in CONDITIONS:
        print(f"degraded: {condition}", file=sys.stderr, flush=True)
        with redirect_stdout(sys.stderr):
            results.append(run_condition(source, condition, params, options.judge))
    print(table(results))
    if options.markdown:
        about = f"`python -m benchmarks.degraded --judge {options.judge}`, {datetime.now(UTC):%Y-%m-%d}."
        text = f"# Music and rooms\n\n{about}\n{NOTES}\n{table(results)}"
        options.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
