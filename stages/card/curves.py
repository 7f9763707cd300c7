"""What more minutes of recordings bring, as measured by benchmarks/more_minutes.py. Nothing here is a guess."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from pydantic import Field, ValidationError

from gpt_sovits.weights.places import BASES_FOLDER
from stages.tables import Row, csv_text

CURVES = Path("benchmarks/more_minutes/curves.csv")  # committed with the code


class MeasuredPoint(Row):
    """A voice that was adapted on a part of its recordings, and scored. One row of curves.csv."""

    voice: str = Field(description="who was recorded")
    speaker: str = Field(description="`synthetic` for a speech synthesiser, `real` for a person")
    language: str = Field(description="ISO 639 code of the voice")
    profile: str = Field(description="profile of params.yaml, which names the base model and the judges")
    base_sha256: str = Field(description="hash of the weights of the base's SoVITS, which the voice was adapted from")
    minutes: float = Field(ge=0, description="minutes of training clips; 0 for the base before adaptation")
    n_clips: int = Field(ge=0, description="training clips")
    n_prompts: int = Field(ge=1, description="prompts that were said, with one seed each")
    wer: float = Field(ge=0, description="word error rate")
    wer_low: float = Field(ge=0, description="lower end of its 95 % interval, from a bootstrap over prompts")
    wer_high: float = Field(ge=0, description="upper end of its 95 % interval")
    cer: float = Field(ge=0, description="character error rate")
    similarity: float = Field(ge=-1, le=1, description="mean cosine to the speaker's held-out recordings")
    similarity_low: float = Field(ge=-1, le=1, description="lower end of its 95 % interval")
    similarity_high: float = Field(ge=-1, le=1, description="upper end of its 95 % interval")
    failed_share: float = Field(ge=0, le=1, description="share of utterances with a failure of speech")
    recordings_wer: float = Field(ge=0, description="word error rate of the speaker's held-out recordings")
    recordings_similarity: float = Field(
        ge=-1, le=1, description="mean cosine of each held-out recording to the others"
    )


def read_curves(path: Path = CURVES) -> list[MeasuredPoint]:
    """Read every measured point, by voice and minutes.

    Raises:
        ValueError: the table is missing or a row does not fit. The message names the row.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; restore it from version control") from error
    points = []
    for number, row in enumerate(rows, start=2):
        try:
            points.append(MeasuredPoint.model_validate(row))
        except ValidationError as error:
            fault = error.errors()[0]
            raise ValueError(
                f"{path}:{number}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}; restore it from version control"
            ) from error
    return sorted(points, key=lambda point: (point.voice, point.minutes))


def base_sha256(base: str) -> str:
    """Return the hash of the weights of a base's SoVITS, or an empty text where the base has not been fetched.

    The hash is the one that the base's manifest states. Whoever loads the base verifies it.
    """
    manifest = BASES_FOLDER / base / "sovits/manifest.json"
    if not manifest.is_file():
        return ""
    return json.loads(manifest.read_text(encoding="utf-8"))["sha256"]["model.safetensors"]


def curves_text(points: list[MeasuredPoint]) -> str:
    """Return the table as CSV, by voice and minutes. There must be at least one point."""
    return csv_text(point.model_dump() for point in sorted(points, key=lambda point: (point.voice, point.minutes)))
