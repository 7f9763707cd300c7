"""Which assets are judged. It depends on the row alone, so that starting a campaign again judges the same ones."""

from __future__ import annotations


def is_sampled(row_sha256: str, share: float) -> bool:
    """Return whether a row is among those that are judged.

    Args:
        row_sha256: Of the row, in hex. Hashes are spread evenly, so a share of them is a share of the rows.
        share: 0 to 1.
    """
    return int(row_sha256[:15], 16) < share * 16**15
