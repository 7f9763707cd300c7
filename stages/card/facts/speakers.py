"""Who speaks in the clips, and which clips are there more than once, as the stage align found them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from stages.card.facts.clips import CardClip


class SpeakerGroup(NamedTuple):
    """The clips that sound like one speaker.

    Attributes:
        number: 0 for the voice itself, which most of the sound belongs to.
        n_clips: its clips.
        n_kept: how many of them later stages use.
        seconds: length of all its clips.
        similarity: their mean cosine to the centre of the voice, None where it was not measured.
        recordings: the files that they come from, sorted.
    """

    number: int
    n_clips: int
    n_kept: int
    seconds: float
    similarity: float | None
    recordings: tuple[str, ...]


def speaker_groups(clips: Sequence[CardClip]) -> list[SpeakerGroup]:
    """Return the speakers that were found, the voice first. Empty where nobody was told apart."""
    groups: dict[int, list[CardClip]] = {}
    for one in clips:
        if one.clip.speaker is not None:
            groups.setdefault(one.clip.speaker, []).append(one)
    found = []
    for number, group in sorted(groups.items()):
        similarities = [one.clip.speaker_similarity for one in group if one.clip.speaker_similarity is not None]
        found.append(
            SpeakerGroup(
                number,
                len(group),
                sum(one.clip.kept for one in group),
                math.fsum(one.clip.seconds for one in group),
                math.fsum(similarities) / len(similarities) if similarities else None,
                tuple(sorted({one.recording.path for one in group})),
            )
        )
    return found


def duplicate_groups(clips: Sequence[CardClip]) -> list[tuple[CardClip, ...]]:
    """Return groups of clips that sound the same, in the order of their first clip."""
    groups: dict[str, list[CardClip]] = {}
    for one in clips:
        if one.clip.duplicate_group is not None:
            groups.setdefault(one.clip.duplicate_group, []).append(one)
    return [tuple(group) for group in groups.values() if len(group) > 1]
