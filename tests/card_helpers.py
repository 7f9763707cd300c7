"""Tables of a voice as ingest, segment and align write them, with real short sounds, for the tests of the data card."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

from imports import ROOT

from stages.card.facts.inputs import TableFolders
from stages.tables import AlignedClip, Clip, Disagreement, Recording, Reject, write_table

SAMPLE = ROOT / "data/1_recordings/sample"


def recording(n: int, seconds: float = 10.0, **changes: object) -> Recording:
    """Return a recording of one clip."""
    values = {
        "recording_id": f"{n:012x}",
        "path": f"wavs/r{n:03d}.flac",
        "sha256": f"{n:064x}",
        "seconds": seconds,
        "sample_rate": 48000,
        "n_channels": 1,
        "channel": None,
        "channels": "single",
        "dc_offset": 0.0,
        "full_scale": 1.0,
        "level_dbfs": -23.0,
        "clipped_share": 0.0,
        "loudness_lufs": -23.0,
        "snr_db": 40.0,
        "bandwidth_hz": 16000,
        "reverberation_seconds": 0.3,
        "music_share": 0.0,
        "transcript": "given",
        "language": "en",
    }
    return Recording(**values | changes)


def cut(n: int, start: float = 0.5, seconds: float = 4.0) -> Clip:
    """Return the only clip of recording(n)."""
    return Clip(
        clip_id=f"{n:012x}-0000",
        recording_id=f"{n:012x}",
        path=f"audio/{n:012x}-0000.flac",
        start=start,
        end=start + seconds,
        seconds=seconds,
        gain_db=0.0,
    )


def aligned(n: int, text: str = "Is it five already?", seconds: float = 4.0, **changes: object) -> AlignedClip:
    """Return the row of cut(n) with its text. It is kept unless `reason` is given."""
    words = text.split()
    step = seconds / max(1, len(words))
    values = {
        "clip_id": f"{n:012x}-0000",
        "path": f"audio/{n:012x}-0000.flac",
        "seconds": seconds,
        "text": text,
        "text_source": "given",
        "asr_text": text.lower().strip("?!."),
        "cer": 0.0,
        "words": tuple((word, i * step, (i + 1) * step) for i, word in enumerate(words)),
        "reason": "",
        "split": "train",
        "speaker": 0,
        "speaker_similarity": 0.8,
        "language": "en",
    }
    values = values | changes
    return AlignedClip(**{"kept": not values["reason"]} | values)


def disagreement(n: int, written: str, heard: str, doubt: float | None = 7.0, outcome: str = "kept") -> Disagreement:
    """Return a place of aligned(n) where another word is heard."""
    return Disagreement(
        recording_id=f"{n:012x}",
        clip_id="" if outcome == "unused" else f"{n:012x}-0000",
        start=1.0,
        end=1.5,
        written=written,
        heard=heard,
        doubt=doubt,
        outcome=outcome,
    )


@dataclass
class VoiceOnDisk:
    """What the stages wrote for one voice. A table that is None is not written."""

    root: Path
    recordings: list[Recording] = field(default_factory=list)
    ingest_rejects: list[Reject] = field(default_factory=list)
    clips: list[Clip] | None = None
    segment_rejects: list[Reject] = field(default_factory=list)
    aligned: list[AlignedClip] | None = None
    disagreements: list[Disagreement] = field(default_factory=list)

    def write(self) -> TableFolders:
        """Write the tables and return where they are."""
        folders = TableFolders(*(self.root / name for name in ("manifest", "clips", "aligned")))
        for folder in (folders.manifest, folders.clips, folders.aligned):
            folder.mkdir(parents=True, exist_ok=True)
        write_table(folders.manifest / "recordings.jsonl", self.recordings)
        write_table(folders.manifest / "rejects.jsonl", self.ingest_rejects)
        if self.clips is not None:
            write_table(folders.clips / "clips.jsonl", self.clips)
            write_table(folders.clips / "rejects.jsonl", self.segment_rejects)
        if self.aligned is not None:
            write_table(folders.aligned / "clips.jsonl", self.aligned)
            write_table(folders.aligned / "disagreements.jsonl", self.disagreements)
        return folders


def sample_texts(n: int) -> list[tuple[Path, str]]:
    """Return some recordings of the sample voice with their texts."""
    with (SAMPLE / "metadata.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE))[:n]
    return [(next(SAMPLE.rglob(f"{line[0]}.flac")), line[1]) for line in lines]
