"""Which side is A, and what comes next: drawn by lot for each trial of a blind listener.

Both follow from a salt that the machine draws for a listening and no listener sees. It is stored with each vote, so
that anybody can compute later that the sides were drawn and not chosen.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from registry.storage.database import canonical, sha256_text

Side = Literal["a", "b"]
Key = tuple[str, int]  # prompt id, seed


def candidate_side(salt: str, listener: str, key: Key, n: int) -> Side:
    """Whether the candidate is A or B in the listener's trial number n. A fair coin for whoever has not the salt."""
    return "a" if _draw(salt, "side", listener, key, n) % 2 else "b"


def next_key(salt: str, listener: str, keys: Collection[Key], n: int) -> Key | None:
    """The utterance of the listener's trial number n, any of `keys` with the same chance; None where there is none."""
    return min(keys, key=lambda key: (_draw(salt, "order", listener, key, n), key), default=None)


def trial_id(salt: str, listener: str, key: Key, n: int) -> str:
    """A name of a trial, the same whenever it is drawn again, that tells nothing to whoever has not the salt."""
    return f"{_draw(salt, 'id', listener, key, n):064x}"


def _draw(salt: str, *what: object) -> int:
    return int(sha256_text(canonical({"salt": salt, "what": what})), 16)
