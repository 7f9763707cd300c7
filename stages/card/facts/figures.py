"""The figures that the card shows as histograms, of recordings and of clips."""

from __future__ import annotations

from collections.abc import Sequence

from stages.card.facts.clips import CardClip
from stages.card.facts.distributions import Axis, Distribution, distribution
from stages.card.facts.inputs import VoiceTables
from stages.tables import Clip, Recording


def _in_kilo(value: float | None) -> float | None:
    return None if value is None else value / 1000


RECORDING_AXES = (
    Axis(
        name="loudness_lufs",
        title="Loudness",
        unit="LUFS",
        meaning="Of the recordings, before clips are brought to one loudness. A wide spread means that the distance to "
        "the microphone changed.",
        of="recordings",
        value_of=lambda recording: recording.loudness_lufs,
        low=-50.0,
        high=-2.0,
    ),
    Axis(
        name="snr_db",
        title="Signal-to-noise ratio",
        unit="dB",
        meaning="How far the speech stands out from the noise of the room. Above 30 dB is clean.",
        of="recordings",
        value_of=lambda recording: recording.snr_db,
        low=0.0,
        high=60.0,
        value_format="{:.0f}",
    ),
    Axis(
        name="bandwidth_khz",
        title="Bandwidth",
        unit="kHz",
        meaning="The highest frequency with sound in it, whatever the sample rate promises.",
        of="recordings",
        value_of=lambda recording: _in_kilo(recording.bandwidth_hz),
        low=0.0,
        high=24.0,
    ),
    Axis(
        name="reverberation_seconds",
        title="Reverberation",
        unit="s",
        meaning="Estimated time in which the room's echo fades by 60 dB. A living room has about 0.4 s.",
        of="recordings",
        value_of=lambda recording: recording.reverberation_seconds,
        low=0.0,
        high=1.6,
        value_format="{:.2f}",
    ),
    Axis(
        name="music_percent",
        title="Music and hum",
        unit="%",
        meaning="Share of the time in which steady tones sound, which speech does not have.",
        of="recordings",
        value_of=lambda recording: None if recording.music_share is None else 100 * recording.music_share,
        low=0.0,
        high=100.0,
        value_format="{:.0f}",
    ),
)
CLIP_AXES = (
    Axis(
        name="clip_seconds",
        title="Length of the clips",
        unit="s",
        meaning="A model learns from whole sentences. Very short clips teach little.",
        of="clips",
        value_of=lambda one: one.clip.seconds,
        low=0.0,
        high=12.0,
    ),
    Axis(
        name="phonemes_per_second",
        title="Speaking rate",
        unit="phonemes/s",
        meaning="From the first to the last word of a clip. Clips far from the rest may have a wrong text.",
        of="clips",
        value_of=lambda one: one.phonemes_per_second,
        low=0.0,
        high=24.0,
    ),
    Axis(
        name="cer",
        title="Character error rate",
        unit="%",
        meaning="Characters of a text that you gave which the recogniser heard differently. High values mean a wrong "
        "text or poor sound.",
        of="clips",
        value_of=lambda one: None if one.clip.cer is None else 100 * one.clip.cer,
        low=0.0,
        high=48.0,
    ),
    Axis(
        name="speaker_similarity",
        title="Similarity to the voice",
        unit="",
        meaning="Cosine of each clip to the centre of the voice. Clips far below the rest may be somebody else.",
        of="clips",
        value_of=lambda one: one.clip.speaker_similarity,
        low=0.0,
        high=1.0,
        value_format="{:.2f}",
    ),
)
# of clips without texts, where align has not finished
CUT_AXIS = Axis(
    name="clip_seconds",
    title="Length of the clips",
    unit="s",
    meaning="A model learns from whole sentences. Very short clips teach little.",
    of="clips",
    value_of=lambda clip: clip.seconds,
    low=0.0,
    high=12.0,
)


def all_distributions(tables: VoiceTables, clips: Sequence[CardClip]) -> list[Distribution]:
    """Return the histogram of every figure that was measured.

    Args:
        tables: the tables of the voice.
        clips: its clips with their texts, none where align has not finished.
    """
    recordings: list[tuple[Recording, float, bool]] = [(one, one.seconds, True) for one in tables.recordings]
    found = [distribution(axis, recordings) for axis in RECORDING_AXES]
    if tables.aligned is not None:
        items = [(one, one.clip.seconds, one.clip.kept) for one in clips]
        found += [distribution(axis, items) for axis in CLIP_AXES]
    elif tables.clips is not None:
        cut: list[tuple[Clip, float, bool]] = [(one, one.seconds, True) for one in tables.clips]
        found.append(distribution(CUT_AXIS, cut))
    return [one for one in found if one is not None]
