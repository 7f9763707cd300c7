"""The tables that pass between stages: JSON Lines, one typed row a line, in a stated order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Recording(Row):
    """One usable file of data/1_recordings/VOICE. Written by ingest."""

    recording_id: str = Field(description="stable id: first 12 hex digits of the audio's sha256")
    path: str = Field(description="POSIX path relative to the voice's recordings folder")
    sha256: str = Field(description="of the file's bytes")
    seconds: float = Field(gt=0)
    sample_rate: int = Field(gt=0, description="Hz")
    n_channels: int = Field(gt=0)
    level_dbfs: float = Field(description="RMS level over the whole file, dB relative to full scale")
    clipped_share: float = Field(ge=0, le=1, description="share of samples at full scale")
    noise_floor_dbfs: float = Field(description="5th percentile of the RMS of 50 ms frames")
    transcript: str | None = Field(description="what is said, as given; null where no transcript came with it")


class Reject(Row):
    """Something that a stage could not use, and why."""

    path: str = Field(description="what was rejected: a file, a transcript row or a clip id")
    reason: str


class Clip(Row):
    """One clip of 1-12 s. Written by segment."""

    clip_id: str = Field(description="RECORDING_ID-NNNN, counted from 0000 within the recording")
    recording_id: str
    path: str = Field(description="POSIX path of the FLAC relative to the clips folder")
    start: float = Field(ge=0, description="seconds from the start of the recording")
    end: float = Field(gt=0)
    seconds: float = Field(gt=0, description="length of the clip")
    gain_db: float = Field(description="gain applied by loudness normalisation")


class AlignedClip(Row):
    """A clip with its text. Written by align; features carries the kept ones on."""

    clip_id: str
    path: str = Field(description="POSIX path of the FLAC relative to the clips folder")
    seconds: float = Field(gt=0)
    text: str = Field(description="what is said in this clip")
    text_source: Literal["given", "asr"]
    asr_text: str = Field(description="what the ASR heard, normalised")
    cer: float | None = Field(description="character error rate of asr_text against text; null where text is the ASR's")
    words: tuple[tuple[str, float, float], ...] = Field(description="(word, start, end) in seconds within the clip")
    kept: bool
    reason: str = Field(description="why it was rejected; empty where kept")
    split: Literal["train", "held_out"]


class FeatureClip(Row):
    """A kept clip whose features are in tensors/CLIP_ID.safetensors. Written by features."""

    clip_id: str
    split: Literal["train", "held_out"]
    text: str
    seconds: float = Field(gt=0)
    n_phonemes: int = Field(gt=0)
    n_tokens: int = Field(gt=0, description="semantic tokens, 25 a second")
    similarity: float = Field(ge=-1, le=1, description="cosine of its speaker embedding to the voice's centroid")


class VoiceReference(Row):
    """The clip that prompts the models, and the voice's pace. Written by features as reference.json."""

    clip_id: str
    text: str
    seconds: float = Field(gt=0)
    similarity: float = Field(ge=-1, le=1, description="cosine of its speaker embedding to the voice's centroid")
    seconds_per_phoneme: float = Field(gt=0, description="over all training clips")


class CheckpointPairRow(Row):
    """Pooled figures of one checkpoint pair in one rung of the selection. Written by evaluate as pairs.csv."""

    rung: int = Field(ge=1, description="1 is the coarsest")
    n_prompts: int = Field(ge=1)
    gpt_epoch: int = Field(ge=0)
    sovits_epoch: int = Field(ge=0)
    wer: float = Field(ge=0)
    cer: float = Field(ge=0)
    similarity: float | None = Field(ge=-1, le=1)
    failed_share: float = Field(ge=0, le=1)
    interpolation_weight: float = Field(
        default=1.0, ge=0, le=1, description="of the adapted SoVITS weights; the rest is the base's"
    )
    kept: bool = Field(description="it goes on to the next rung; in the last one: it is the best pair")


T = TypeVar("T", bound=BaseModel)


def write_table(path: Path, rows: Iterable[BaseModel]) -> None:
    """One row a line, keys in the order of the class. The caller writes into a folder that is moved into place."""
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")


def read_table(path: Path, row_class: type[T]) -> list[T]:
    """The rows of a table. Raises ValueError naming the file and line of the first bad row."""
    lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: a name may hold U+2028 and the like
    if not lines[-1]:
        lines.pop()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(row_class.model_validate_json(line))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise ValueError(
                f"{path}:{number}: {where}: {fault['msg']}; run the stage that wrote this table again"
            ) from error
    return rows


def write_json(path: Path, value: object) -> None:
    """Indented JSON with sorted keys and without NaN, so that equal values give equal bytes."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def csv_text(rows: Iterable[dict[str, Any]]) -> str:
    """Rows with the same keys as CSV with a header and Unix line ends, as DVC's plots read it."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
