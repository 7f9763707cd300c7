"""Which side is A, and what comes next: drawn by lot for each trial of a blind listener.

Both follow from a salt that the machine draws for a listening and that no listener sees. It is stored with each vote,
so that anybody can check later that the sides were drawn and not chosen.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from registry.storage.database import canonical, sha256_text

Side = Literal["a", "b"]
Key = tuple[str, int]  # prompt id, seed


def candidate_side(salt: str, listener: str, key: Key, n: int) -> Side:
    """Return whether the candidate is A or B in a trial. It is a fair coin for everybody without the salt.

    Args:
        salt: The salt of the listening.
        listener: The listener's name.
        key: The utterance that is played.
        n: Number of the listener's trial, from 0.
    """
    return "a" if _draw(salt, "side", listener, key, n) % 2 else "b"


def next_key(salt: str, listener: str, keys: Collection[Key], n: int) -> Key | None:
    """Return the utterance of a trial, each of `keys` with the same chance. None where there are none.

    Args:
        salt: The salt of the listening.
        listener: The listener's name.
        keys: The utterances on which the listener has not voted.
        n: Number of the listener's trial, from 0.
    """
    return min(keys, key=lambda key: (_draw(salt, "order", listener, key, n), key), default=None)


def trial_id(salt: str, listener: str, key: Key, n: int) -> str:
    """Return the name of a trial. It is always the same and says nothing to anybody without the salt.

    Args:
        salt: The salt of the listening.
        listener: The listener's name.
        key: The utterance that is played.
        n: Number of the listener's trial, from 0.
    """
    return f"{_draw(salt, 'id', listener, key, n):064x}"


def _draw(salt: str, *what: object) -> int:
    return int(sha256_text(canonical({"salt": salt, "what": what})), 16)
