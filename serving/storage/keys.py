"""The key of a file: PREFIX/aa/REST.SUFFIX, where aa and REST are the sha256 of its bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

SHA256 = re.compile(r"[0-9a-f]{64}")
PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:/[A-Za-z0-9][A-Za-z0-9_-]{0,99}){0,7}")
SUFFIX = re.compile(r"\.[a-z0-9]{1,10}(?:\.[a-z0-9]{1,10})?")
KEY = re.compile(rf"(?:{PREFIX.pattern}/)?(?P<head>[0-9a-f]{{2}})/(?P<rest>[0-9a-f]{{62}})(?:{SUFFIX.pattern})?")


@dataclass(frozen=True)
class StoredObject:
    """A file that a store keeps.

    Attributes:
        key: Where it is.
        n_bytes: Its size.
        is_new: False where the store had it already.
    """

    key: str
    n_bytes: int
    is_new: bool


def key_of(sha256: str, *, prefix: str = "", suffix: str = "") -> str:
    """Return the key of a file.

    Args:
        sha256: Of its bytes, in hex.
        prefix: Names before it, separated by slashes. Letters, digits, `-` and `_`.
        suffix: Such as .wav.

    Raises:
        ValueError: One of them is something else.
    """
    if not SHA256.fullmatch(sha256):
        raise ValueError(f"the sha256 of a file is {sha256!r}; it must have 64 hexadecimal digits")
    if prefix and not PREFIX.fullmatch(prefix):
        raise ValueError(f"the prefix of a key is {prefix!r}; write names of letters, digits, - and _ between slashes")
    if suffix and not SUFFIX.fullmatch(suffix):
        raise ValueError(f"the suffix of a key is {suffix!r}; write one such as .wav or .json")
    return f"{prefix}{'/' if prefix else ''}{sha256[:2]}/{sha256[2:]}{suffix}"


def is_key(text: str) -> bool:
    """Return whether a text can be the key of a file. No such text leads out of a folder."""
    return KEY.fullmatch(text) is not None


def sha256_of_key(key: str) -> str:
    """Return the sha256 that a key holds.

    Raises:
        ValueError: It is not a key.
    """
    match = KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"{key[:200]!r} is not the key of a file")
    return match["head"] + match["rest"]
