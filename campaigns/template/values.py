"""The text of a cell as a number, a day or a time. One spelling each, because a guess would be spoken to thousands."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal

from campaigns.errors import CampaignError
from registry.names import shown

NUMBER = re.compile(r"[+-]?(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,6})?")
CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?(?: ?([AaPp])\.?[Mm]\.?)?")
YES, NO = ("yes", "true", "1", "y", "on"), ("no", "false", "0", "n", "off")


class SpokenFormError(CampaignError, ValueError):
    """A value cannot be said as a filter says it. The message says what can."""


def read_number(text: str) -> Decimal:
    """Return the number of a cell such as 1234.50 or 1,234.50. Raises SpokenFormError."""
    if not (text.isascii() and NUMBER.fullmatch(text)):
        raise SpokenFormError(
            f"{shown(text)} is not a number; write it as 1234.50, with at most 15 digits and 6 decimals"
        )
    return Decimal(text.replace(",", ""))


def read_date(text: str) -> date:
    """Return the day of a cell such as 2030-12-31 or 2030-12-31T15:30. Raises SpokenFormError."""
    try:
        return datetime.fromisoformat(text).date() if len(text) > 10 else date.fromisoformat(text)
    except ValueError:
        raise SpokenFormError(f"{shown(text)} is not a day; write it as 2030-12-31") from None


def read_time(text: str) -> time:
    """Return the time of a cell such as 15:30, 3:30 PM or 2030-12-31T15:30. Raises SpokenFormError."""
    fault = SpokenFormError(f"{shown(text)} is not a time; write it as 15:30 or 3:30 PM")
    if len(text) > 10:
        try:
            return datetime.fromisoformat(text).time().replace(second=0, microsecond=0)
        except ValueError:
            raise fault from None
    found = CLOCK.fullmatch(text) if text.isascii() else None
    if found is None:
        raise fault
    hour, minute, half = int(found[1]), int(found[2]), (found[3] or "").lower()
    if half and not 1 <= hour <= 12:
        raise fault
    try:
        return time(hour % 12 + 12 * (half == "p") if half else hour, minute)
    except ValueError:
        raise fault from None


def read_yes(text: str) -> bool:
    """Return whether a cell says yes. Raises SpokenFormError where it says neither yes nor no."""
    word = text.lower()
    if word not in YES + NO:
        raise SpokenFormError(f"{shown(text)} is neither yes nor no; write one of {', '.join(YES + NO)}")
    return word in YES
