"""What runs in the worker processes of the stage ingest: the measurement of a file, or why it cannot be measured."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gpt_sovits.audio import AudioError
from stages.execution.arrays import Array
from stages.recordings.measure import Measurement, measure_file


class MeasuredFile(NamedTuple):
    """A measured file. Where it has a fault, it has nothing else.

    Attributes:
        measurement: its figures.
        fingerprint: (n_words,) uint32, see sound/fingerprint.py.
        fault: why it cannot be used.
        is_readable: whether its bytes can be read. Where they cannot, it may be different the next time.
    """

    measurement: Measurement | None = None
    fingerprint: Array | None = None
    fault: str = ""
    is_readable: bool = True


def measured_file(path: Path, max_seconds: float) -> MeasuredFile:
    """Measure a file.

    Args:
        path: the file.
        max_seconds: a longer recording has a fault.
    """
    try:
        return MeasuredFile(*measure_file(path, max_seconds))
    except AudioError as error:
        return MeasuredFile(fault=str(error).removeprefix(f"{path.name}: "))
    except OSError as error:
        return MeasuredFile(fault=f"cannot be read: {error.strerror}", is_readable=False)
