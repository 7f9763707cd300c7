"""Checkpoints: rows from which reading begins, because they hold what all rows before them say.

What rows say depends on who was trusted. A checkpoint holds the hash of what the trust file said until then. So a key
that is revoked from an earlier moment on makes the checkpoints since then unusable, and reading begins before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from registry.keys.trust import Trust, format_moment
from registry.storage.record import Record, why_without_effect

CHECKPOINT = "checkpoint"


def checkpoint_content(state: Mapping[str, Any], trust: Trust) -> dict[str, Any]:
    """Return the content of a checkpoint.

    Args:
        state: What the rows before it say, as JSON values.
        trust: Who was trusted when they were read.
    """
    moment = format_moment(datetime.now(UTC))
    return {"state": dict(state), "trusted_until": moment, "trust_sha256": trust.digest_until(moment)}


def is_usable(record: Record, trust: Trust) -> bool:
    """Return whether reading may begin at a checkpoint.

    Args:
        record: The checkpoint.
        trust: Who is trusted now.
    """
    if why_without_effect(record, trust) is not None:
        return False
    try:
        return record.values["trust_sha256"] == trust.digest_until(record.values["trusted_until"])
    except (KeyError, ValueError, TypeError):
        return False
