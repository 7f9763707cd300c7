"""The sound of a clip as a WAV file, from the files of the last run."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import soundfile

from flows.review_page.clip_items import SoundPart


def clip_sound(parts: Sequence[SoundPart]) -> bytes:
    """Return a WAV file of 16 bits: the parts of clips one after the other, with the pauses between them.

    Args:
        parts: At least one part.

    Raises:
        ValueError: A file is missing.
    """
    pieces, sample_rate = [], 0
    for part in parts:
        if not part.path.is_file():
            raise ValueError(
                f"the sound of this clip is missing ({part.path}): a run is making it anew, or stopped "
                "before its end. Wait for it, or run it again"
            )
        with soundfile.SoundFile(part.path) as file:
            sample_rate = file.samplerate
            first, end = (min(round(seconds * sample_rate), len(file)) for seconds in (part.start, part.end))
            file.seek(first)
            pieces += [np.zeros(round(part.silence * sample_rate), np.int16), file.read(end - first, dtype="int16")]
    buffer = io.BytesIO()
    soundfile.write(buffer, np.concatenate(pieces), sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
