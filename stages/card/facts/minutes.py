"""Where every second of the recordings went: kept, refused with its reason, or a pause between clips.

Invariant: the parts sum to the length of all recordings that could be measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from stages.card.facts.inputs import VoiceTables

Fate = Literal["kept", "refused", "pause", "waiting"]
MAX_OVERLAP_SECONDS = 0.1  # of rounding, in one voice
# In a reason: the place at its start, the file that the fault is in (such as "metadata.csv:3"), and numbers that differ
# from file to file, but not a limit, which follows a "="
PLACE = re.compile(r"^\d+(\.\d+)?-\d+(\.\d+)? s: ")
FILE = re.compile(r"^[^:]*\.[A-Za-z]\w{0,9}(:\d+)?: ")
TWIN = re.compile(r"^the same (bytes|sound) as .*")
NUMBER = re.compile(r"(?<!= )(?<![\w./-])-?\d+(\.\d+)?(?![\w/]|\.\w)")


class Part(NamedTuple):
    """A part of the recordings with one fate and one reason.

    Attributes:
        fate: what became of it. A waiting part has not reached the stage that decides.
        stage: the stage that decided.
        reason: why, without what differs from file to file.
        n: number of files, stretches or clips.
        seconds: their length, 0 where it could not be measured.
        n_unmeasured: how many of them have no known length.
        example: one of them with its full reason, empty where `reason` says all.
    """

    fate: Fate
    stage: str
    reason: str
    n: int
    seconds: float
    n_unmeasured: int = 0
    example: str = ""


class Loss(NamedTuple):
    """Something that a stage refused."""

    stage: str
    what: str
    reason: str
    seconds: float | None


def account(tables: VoiceTables) -> list[Part]:
    """Return the parts of the recordings: kept first, then the refused ones, the longest first, then the rest.

    Raises:
        ValueError: the clips are longer than the recordings, so the tables do not belong together.
    """
    recorded = math.fsum(recording.seconds for recording in tables.recordings)
    losses = [Loss("ingest", one.path, one.reason, one.seconds) for one in tables.ingest_rejects]
    parts: list[Part] = []
    if tables.clips is None:
        parts.append(Part("waiting", "segment", "not yet cut into clips", len(tables.recordings), recorded))
        return parts + _refused(losses)
    losses += [Loss("segment", one.path, one.reason, one.seconds) for one in tables.segment_rejects]
    cut = math.fsum(clip.seconds for clip in tables.clips)
    if tables.aligned is None:
        parts.append(Part("waiting", "align", "no text yet", len(tables.clips), cut))
    else:
        kept = tables.kept
        parts.append(Part("kept", "align", "used for the voice", len(kept), math.fsum(clip.seconds for clip in kept)))
        losses += _align_losses(tables)
    refused_by_segment = math.fsum(one.seconds or 0.0 for one in tables.segment_rejects)
    pauses = recorded - cut - refused_by_segment
    if pauses < -MAX_OVERLAP_SECONDS:
        raise ValueError(
            f"the clips of {tables.voice} are {-pauses:.1f} s longer than its recordings; run segment and align again"
        )
    parts += _refused(losses)
    parts.append(Part("pause", "segment", "pauses between clips", 0, max(0.0, pauses)))
    return parts


def total_seconds(parts: Iterable[Part], fate: Fate | None = None) -> float:
    """Return the length of all parts, or of those with one fate."""
    return math.fsum(part.seconds for part in parts if fate in (None, part.fate))


def general_reason(reason: str) -> str:
    """Return a reason without what differs from file to file: its place, its examples, and its measured numbers.

    Limits, which stand behind a "=", stay.
    """
    if twin := TWIN.match(reason):
        return f"the same {twin[1]} as another recording"
    general = FILE.sub("", PLACE.sub("", reason)).partition(": ")[0]
    return NUMBER.sub("…", re.sub(r"'[^']*'|\"[^\"]*\"", "...", general))


def _align_losses(tables: VoiceTables) -> list[Loss]:
    """Return the clips that align refused, and what it cut off the ends of clips."""
    cuts = {clip.clip_id: clip for clip in tables.clips or ()}
    paths = {recording.recording_id: recording.path for recording in tables.recordings}
    losses = []
    for clip in tables.aligned or ():
        cut = cuts[clip.clip_id]
        place = f"{paths[cut.recording_id]} at {cut.start:.1f} s"
        if not clip.kept:
            losses.append(Loss("align", place, clip.reason, clip.seconds))
        if cut.seconds > clip.seconds:
            losses.append(Loss("align", place, "trimmed from clips by align.repair", cut.seconds - clip.seconds))
    return losses


def _refused(losses: Iterable[Loss]) -> list[Part]:
    groups: dict[tuple[str, str], list[Loss]] = {}
    for loss in losses:
        groups.setdefault((loss.stage, general_reason(loss.reason)), []).append(loss)
    parts = []
    for (stage, reason), group in groups.items():
        example = f"{group[0].what}: {group[0].reason}"
        parts.append(
            Part(
                "refused",
                stage,
                reason,
                len(group),
                math.fsum(loss.seconds or 0.0 for loss in group),
                sum(loss.seconds is None for loss in group),
                example,
            )
        )
    return sorted(parts, key=lambda part: (-part.seconds, -part.n, part.stage, part.reason))
