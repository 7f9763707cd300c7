"""Times of day and of media as people write them: 0:12, 00:01:12.5, 00:01:12:08 with frames."""

from __future__ import annotations

import re

# The last part of four counts frames. A time never goes on with further digits or parts
CLOCK = r"(?<![\d:])(?:\d+:)?\d?\d:[0-5]\d(?:[:;]\d\d)?(?:[.,]\d{1,3})?(?!\d|:\d)"
WHOLE_CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]\d)(?:([:;]\d\d)|([.,]\d{1,3}))?")
FRAMES = 100  # per second, more than any film has: frames only order the times
EXACT_CLOCK = re.compile(r"[.,]\d{3}$|^\d+:\d\d:\d\d[:;]\d\d$")  # times that nobody says


def clock_seconds(written: str) -> float | None:
    """Return the seconds of a time such as 0:12 or 00:01:12,5, None where it is not written like that."""
    match = WHOLE_CLOCK.fullmatch(written.strip())
    if match is None:
        return None
    hours, minutes, seconds, frames, fraction = match.groups()
    whole = 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds)
    return whole + (float(f"0.{fraction[1:]}") if fraction else int(frames[1:]) / FRAMES if frames else 0.0)


def is_exact(written: str) -> bool:
    """Return whether a time is one of media for certain, because it has milliseconds or frames."""
    return EXACT_CLOCK.search(written) is not None
