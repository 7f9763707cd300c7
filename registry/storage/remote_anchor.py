"""Anchors in an object store: one object per journal row, which nobody who writes the database can take back.

VOXFOUNDRY_ANCHOR names a place that fsspec reaches, such as s3://bucket/anchors. Every row's signed stamp is put there
as VOICE/00000012.json, and never over another one. With retention (S3 Object Lock) not even its owner can remove it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from registry.consent.record import require_voice_name
from registry.keys.trust import load_trust
from registry.storage.anchor import AnchorError, dump_stamp, parse_stamp
from registry.storage.masking import mask_secrets
from registry.storage.record import JournalError, Stamp

SETTING = "VOXFOUNDRY_ANCHOR"


def publish_anchor(stamp: Stamp) -> None:
    """Put a row's stamp into the object store, where one is named.

    Raises:
        AnchorError: The store cannot be written, or holds another row of this number.
    """
    if not (place := os.environ.get(SETTING, "").strip()):
        return
    written = f"row {stamp.number} of the journal of {stamp.voice} is written"
    try:
        files, folder = _open(place, stamp.voice)
        path = f"{folder}/{stamp.number:08d}.json"
        if not files.protocol or "file" in files.protocol:
            files.makedirs(folder, exist_ok=True)
        try:  # looked for first, because some stores take no notice of "only if it is not there"
            there = files.cat_file(path)
        except FileNotFoundError:
            there = dump_stamp(stamp).encode()
            try:
                files.pipe_file(path, there, mode="create")
            except OSError:  # somebody was first; S3's "precondition failed" is one too
                files.invalidate_cache()
                there = files.cat_file(path)
        if there != dump_stamp(stamp).encode():
            raise AnchorError(f"{written}, but {SETTING} holds another row of this number: {path}")
    except AnchorError:
        raise
    except Exception as error:  # a store has its own kinds of errors
        raise AnchorError(f"{written}, but {_why(place, error)}; correct {SETTING} and try again") from error


def newest_published(root: Path, voice: str) -> Stamp | None:
    """Return the newest stamp of a voice in the object store, None where there is none or no store is named.

    Args:
        root: Of the project, which says whose signatures count.
        voice: The voice's name.

    Raises:
        JournalError: The store cannot be read, or what it holds is not what was signed.
    """
    if not (place := os.environ.get(SETTING, "").strip()):
        return None
    try:
        files, folder = _open(place, voice)
        files.invalidate_cache()
        names = sorted(path for path in files.ls(folder, detail=False) if path.endswith(".json"))
        if not names:
            return None
        text = files.cat_file(names[-1]).decode()
    except FileNotFoundError:
        return None  # no row of this voice was published yet
    except Exception as error:
        raise JournalError(f"{_why(place, error)}; correct {SETTING} before any release") from error
    why_not_signed = load_trust(root).why_not_authentic
    return parse_stamp(text, voice, why_not_signed, where=names[-1], remedy=f"look into {SETTING}")


def _open(place: str, voice: str) -> tuple[Any, str]:
    """Return the file system of a place, and a voice's folder in it."""
    from fsspec.core import url_to_fs  # half a second, which only those pay who use it

    files, folder = url_to_fs(place)
    return files, f"{folder.rstrip('/')}/{require_voice_name(voice)}"


def _why(place: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return mask_secrets(f"the anchors at {place} cannot be reached ({reason})")
