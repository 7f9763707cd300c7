"""What more minutes of recordings bring, as measured by benchmarks/more_minutes.py. Nothing here is a guess."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field, ValidationError

from gpt_sovits.text.languages import LANGUAGES
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


class Forecast(NamedTuple):
    """What doubling the minutes brought one measured voice, read off its curve between measured points.

    Attributes:
        voice: the voice that was measured.
        speaker: `synthetic` or `real`.
        minutes: training minutes of the voice that the card is about.
        doubling: the minutes before and after: from `minutes` on, or where the curve ends before twice of it, up to
            `minutes`. None where the curve has neither.
        wer: word error rate before and after, None without a doubling.
        similarity: speaker similarity before and after, None likewise.
        wer_is_clear: whether the word error rates differ by more than their intervals.
        similarity_is_clear: whether the similarities do.
        measured: the smallest and the largest minutes that were measured.
        caveats: why the figures may not hold for the voice of the card.
    """

    voice: str
    speaker: str
    minutes: float
    doubling: tuple[float, float] | None
    wer: tuple[float, float] | None
    similarity: tuple[float, float] | None
    wer_is_clear: bool
    similarity_is_clear: bool
    measured: tuple[float, float]
    caveats: tuple[str, ...]

    @property
    def is_ahead(self) -> bool:
        """Return whether the doubling begins at the minutes of the voice, so that it says what more would bring."""
        return self.doubling is not None and self.doubling[0] == self.minutes


def forecasts(
    points: Sequence[MeasuredPoint], minutes: float, *, language: str, profile: str, base_hash: str
) -> list[Forecast]:
    """Return what doubling the minutes brought each measured voice. Nothing is extrapolated.

    Args:
        points: the measured curves.
        minutes: training minutes of the voice, above 0.
        language: ISO 639 code of the voice.
        profile: its profile in params.yaml.
        base_hash: hash of the weights of its base's SoVITS, empty where the base is not there.
    """
    found = []
    for voice in sorted({point.voice for point in points}):
        curve = sorted((point for point in points if point.voice == voice and point.minutes > 0), key=_minutes)
        if len(curve) >= 2:
            found.append(_forecast(curve, minutes, _caveats(curve[0], language, profile, base_hash)))
    return found


def _minutes(point: MeasuredPoint) -> float:
    return point.minutes


def _forecast(curve: Sequence[MeasuredPoint], minutes: float, caveats: tuple[str, ...]) -> Forecast:
    first, last = curve[0].minutes, curve[-1].minutes
    doublings = [(minutes, 2 * minutes), (minutes / 2, minutes)]
    doubling = next((pair for pair in doublings if first <= pair[0] and pair[1] <= last), None)
    return Forecast(
        voice=curve[0].voice,
        speaker=curve[0].speaker,
        minutes=minutes,
        doubling=doubling,
        wer=_at(curve, doubling, "wer") if doubling else None,
        similarity=_at(curve, doubling, "similarity") if doubling else None,
        wer_is_clear=doubling is not None and _is_clear(curve, doubling, "wer"),
        similarity_is_clear=doubling is not None and _is_clear(curve, doubling, "similarity"),
        measured=(first, last),
        caveats=caveats,
    )


def _caveats(point: MeasuredPoint, language: str, profile: str, base_hash: str) -> tuple[str, ...]:
    caveats = []
    if point.profile != profile:
        caveats.append(f"it was measured with the profile {point.profile}, and this voice has {profile}")
    elif point.base_sha256 != base_hash:
        caveats.append("it was measured with other weights of the base model")
    if point.language != language:
        caveats.append(f"it was measured in {LANGUAGES[point.language]}")
    if point.speaker == "synthetic":
        caveats.append("the speaker that was measured is a speech synthesiser")
    return tuple(caveats)


def _at(curve: Sequence[MeasuredPoint], minutes: tuple[float, float], figure: str) -> tuple[float, float]:
    """Return a column of the curve at two lengths, on straight lines over the logarithm of the minutes."""
    places = np.log2([point.minutes for point in curve])
    values = [getattr(point, figure) for point in curve]
    now, then = np.interp(np.log2(minutes), places, values)
    return float(now), float(then)


def _is_clear(curve: Sequence[MeasuredPoint], minutes: tuple[float, float], figure: str) -> bool:
    """Return whether a figure differs at two lengths by more than half of both intervals, added as variances."""
    now, then = _at(curve, minutes, figure)
    low, high = _at(curve, minutes, f"{figure}_low"), _at(curve, minutes, f"{figure}_high")
    halves = [(above - below) / 2 for below, above in zip(low, high, strict=True)]
    return abs(then - now) > float(np.hypot(*halves))
