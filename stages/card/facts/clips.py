"""Every clip with what is known of it, and the ranking that finds the best and the worst."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from stages.card.facts.inputs import VoiceTables
from stages.card.language.coverage import TextSounds, text_sounds
from stages.tables import AlignedClip, Disagreement, Recording

N_SHOWN = 10


class CardClip(NamedTuple):
    """A clip with its text and what was measured of it.

    Attributes:
        clip: its row of the stage align.
        recording: the recording that it was cut from.
        start: where it begins in the recording, in seconds.
        sounds: the phonemes of its text, None where the front end cannot read it.
        disagreements: the places where its text and its sound still differ.
    """

    clip: AlignedClip
    recording: Recording
    start: float
    sounds: TextSounds | None
    disagreements: tuple[Disagreement, ...]

    @property
    def phonemes_per_second(self) -> float | None:
        """Return the speaking rate between the first and the last word, None where the words have no times."""
        if self.sounds is None or not self.clip.words:
            return None
        spoken = self.clip.words[-1][2] - self.clip.words[0][1]
        return self.sounds.n_phonemes / spoken if spoken > 0 else None

    @property
    def doubt(self) -> float:
        """Return the largest doubt about a word of its text, 0 where there is none."""
        return max((one.doubt or 0.0 for one in self.disagreements), default=0.0)


# what makes a clip good -> its value, larger is better, None where it was not measured
QUALITIES: dict[str, Callable[[CardClip], float | None]] = {
    "its text is what the recogniser heard (CER)": lambda one: None if one.clip.cer is None else -one.clip.cer,
    "no word of its text is doubted": lambda one: -one.doubt,
    "it sounds like the voice": lambda one: one.clip.speaker_similarity,
    "it stands out from the noise (SNR)": lambda one: one.recording.snr_db,
}


class ClipChoice(NamedTuple):
    """The clips that the page plays."""

    best: tuple[CardClip, ...]  # kept
    worst: tuple[CardClip, ...]  # kept too, none of the best
    refused: tuple[CardClip, ...]


def card_clips(tables: VoiceTables) -> list[CardClip]:
    """Return every clip of the stage align, in the order of its table."""
    recordings = {recording.recording_id: recording for recording in tables.recordings}
    cuts = {clip.clip_id: clip for clip in tables.clips or ()}
    places: dict[str, list[Disagreement]] = {}
    for one in tables.disagreements:
        if one.outcome != "repaired":  # a repaired place is no longer in the clip
            places.setdefault(one.clip_id, []).append(one)
    return [
        CardClip(
            clip,
            recordings[cuts[clip.clip_id].recording_id],
            cuts[clip.clip_id].start,
            text_sounds(clip.text, tables.language, tables.lexicon) if clip.text.strip() else None,
            tuple(places.get(clip.clip_id, ())),
        )
        for clip in tables.aligned or ()
    ]


def choose_clips(clips: Sequence[CardClip], n: int = N_SHOWN) -> ClipChoice:
    """Return the best and the worst kept clips, and refused ones, the longest first.

    A clip's place is the mean of its places in each quality that was measured, see QUALITIES. Of equals, the longer
    clip is better.
    """
    kept = [one for one in clips if one.clip.kept]
    places = mean_places(kept)
    ordered = [
        one
        for _, one in sorted(
            zip(places, kept, strict=True), key=lambda pair: (pair[0], -pair[1].clip.seconds, pair[1].clip.clip_id)
        )
    ]
    n_best = min(n, (len(ordered) + 1) // 2)
    refused = sorted((one for one in clips if not one.clip.kept), key=lambda one: (-one.clip.seconds, one.clip.clip_id))
    return ClipChoice(tuple(ordered[:n_best]), tuple(reversed(ordered[n_best:][-n:])), tuple(refused[:n]))


def mean_places(clips: Sequence[CardClip]) -> list[float]:
    """Return the mean place of each clip over the qualities, 0 for the best and 1 for the worst.

    Equal values share the middle of their places. A value that is missing is in the middle of all.
    """
    sums = [0.0] * len(clips)
    for value_of in QUALITIES.values():
        values = [value_of(one) for one in clips]
        known = sorted((value for value in values if value is not None), reverse=True)
        if not known or known[0] == known[-1]:
            continue
        middles, n_before = {}, 0
        for value, equals in groupby(known):
            n_equal = sum(1 for _ in equals)
            middles[value] = (n_before + n_equal / 2) / len(known)
            n_before += n_equal
        for n, value in enumerate(values):
            sums[n] += 0.5 if value is None else middles[value]
    return [total / len(QUALITIES) for total in sums]
