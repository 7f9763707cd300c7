"""What a careful listener would say about the recordings of a voice, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from stages.tables import Recording, Reject

NOISY_DB = 20.0  # speech less above its noise: a voice learns the noise
NARROW_HZ = 7000.0  # a voice without sound above sounds dull
REVERBERANT_SECONDS = 0.6  # of T60: a living room has 0.4, a hall 1
CLIPPED_SAMPLES = 8  # in a row: heard as a click
MUSICAL_SHARE = 0.2  # of the time with steady tones: read speech has up to 0.05
MIN_MUSIC_SECONDS = 10.0  # shorter recordings give too few figures
N_NAMED = 3  # paths that a sentence names


class _Fault(NamedTuple):
    """A fault that recordings may have.

    Attributes:
        sentence: follows the number of recordings, with a place for `worst`.
        size: how bad a recording is, None where it does not have the fault.
        unit: of `worst`.
    """

    sentence: str
    size: Callable[[Recording], float | None]
    unit: str


def _above(value: float | None, limit: float) -> float | None:
    return value if value is not None and value > limit else None


def _below(value: float | None, limit: float) -> float | None:
    return -value if value is not None and value < limit else None


_FAULTS = (
    _Fault("noisy", lambda row: _below(row.snr_db, NOISY_DB), "speech {:.0f} dB above the noise"),
    _Fault("narrow", lambda row: _below(row.bandwidth_hz, NARROW_HZ), "no sound above {:.0f} Hz"),
    _Fault("reverberant", lambda row: _above(row.reverberation_seconds, REVERBERANT_SECONDS), "T60 about {:.1f} s"),
    _Fault("clipped", lambda row: _above(row.longest_clipping, CLIPPED_SAMPLES), "{:.0f} samples in a row"),
    _Fault(
        "with music or a strong hum",
        lambda row: _above(row.music_share, MUSICAL_SHARE) if row.seconds >= MIN_MUSIC_SECONDS else None,
        "{:.0%} of the time",
    ),
)


def findings(recordings: Sequence[Recording], duplicates: Sequence[Reject]) -> list[str]:
    """Return sentences about duplicates and about the sound, for the last lines that ingest prints.

    Args:
        recordings: all that are kept.
        duplicates: the recordings that were rejected because another holds the same.
    """
    sentences = []
    if duplicates:
        named = _named([f"{one.path} ({one.reason})" for one in duplicates])
        sentences.append(f"{_counted(len(duplicates))} left out as {_plural('duplicate', len(duplicates))}: {named}")
    if marked := [row for row in recordings if row.duplicate_of]:
        named = _named([f"{row.path} as {row.duplicate_of}" for row in marked])
        sentences.append(f"{_counted(len(marked))} kept with the same sound as another: {named}")
    if talkers := [row.path for row in recordings if row.channels == "several talkers"]:
        sentences.append(f"{_counted(len(talkers))} with several talkers on several channels: {_named(talkers)}")
    for fault in _FAULTS:
        sizes = [(size, row.path) for row in recordings if (size := fault.size(row)) is not None]
        if sizes:
            worst, path = max(sizes, key=lambda pair: (pair[0], pair[1]))
            sentences.append(
                f"{_counted(len(sizes))} {fault.sentence}, most of all {path}: {fault.unit.format(abs(worst))}"
            )
    return sentences


def _counted(number: int) -> str:
    return f"{number} {_plural('recording', number)}"


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"


def _named(names: Sequence[str]) -> str:
    rest = f" and {len(names) - N_NAMED} more, see rejects.jsonl and recordings.jsonl" if len(names) > N_NAMED else ""
    return f"{', '.join(names[:N_NAMED])}{rest}"
