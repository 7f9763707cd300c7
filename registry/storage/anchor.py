"""The anchor: the newest row of a voice's journal, kept outside the database.

`releases/VOICE.json` in the project holds the signed stamp of the row that this project wrote last. It belongs into
git. A database that does not contain the row is an older copy, a foreign one, or was cut off, and nothing is decided
from it. remote_anchor.py keeps anchors in an object store too, for a team.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from registry.consent.record import require_voice_name
from registry.files import replace_file
from registry.storage.record import JournalError, Stamp, WhyNotSigned, why_not_genuine

FOLDER = "releases"
_STAMP = TypeAdapter(Stamp)


class AnchorError(JournalError):
    """The row is in the journal, but its anchor could not be written."""


def anchor_path(root: Path, voice: str) -> Path:
    """Return where a voice's anchor is.

    Raises:
        ValueError: The name cannot be a voice's.
    """
    return root / FOLDER / f"{require_voice_name(voice)}.json"


def read_anchor(root: Path, voice: str) -> str | None:
    """Return the text of a voice's anchor, None where there is none.

    Raises:
        ValueError: The name cannot be a voice's.
        JournalError: The file cannot be read.
    """
    path = anchor_path(root, voice)
    try:
        return path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path} cannot be read ({error.strerror}); make it readable") from error


def parse_anchor(root: Path, voice: str, text: str | None, why_not_signed: WhyNotSigned) -> Stamp | None:
    """Return the stamp that a voice's anchor holds, None for None.

    Args:
        root: Of the project.
        voice: The voice's name.
        text: Of its anchor.
        why_not_signed: Tells whether a signature counts.

    Raises:
        JournalError: It is not an anchor of this voice, or not what was signed.
    """
    if text is None:
        return None
    path = anchor_path(root, voice)
    remedy = f"restore it, for example with `git checkout {FOLDER}/{path.name}`"
    return parse_stamp(text, voice, why_not_signed, where=str(path), remedy=remedy)


def dump_stamp(stamp: Stamp) -> str:
    """Return a stamp as the text of an anchor."""
    return json.dumps(asdict(stamp), indent=2) + "\n"


def parse_stamp(text: str, voice: str, why_not_signed: WhyNotSigned, *, where: str, remedy: str) -> Stamp:
    """Return the stamp that an anchor holds.

    Args:
        text: Of the anchor.
        voice: Whose anchor it must be.
        why_not_signed: Tells whether a signature counts.
        where: What the anchor is called in an error.
        remedy: What to do where it is wrong.

    Raises:
        JournalError: It is not an anchor of this voice, or not what was signed.
    """
    try:
        stamp = _STAMP.validate_json(text, strict=True)
    except (ValueError, ValidationError, RecursionError) as error:
        raise JournalError(f"{where} does not hold the anchor of a journal; {remedy}") from error
    if stamp.voice != voice:
        raise JournalError(f"{where} is the anchor of {stamp.voice[:80]!r}, not of {voice}; {remedy}")
    if reason := why_not_genuine(stamp, why_not_signed):
        raise JournalError(f"{where} is not what was signed: {reason}; {remedy}")
    return stamp


def write_anchor(root: Path, stamp: Stamp) -> None:
    """Keep a row's stamp as the anchor of its voice, unless a later row is anchored already.

    Raises:
        AnchorError: The file cannot be written.
    """
    path = anchor_path(root, stamp.voice)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and _number_in(path) > stamp.number:
            return
        replace_file(path, dump_stamp(stamp))
    except OSError as error:
        raise AnchorError(
            f"row {stamp.number} of the journal of {stamp.voice} is written, but its anchor {path} is not "
            f"({error.strerror}); make the file writable and try again"
        ) from error


def _number_in(path: Path) -> int:
    try:
        number = json.loads(path.read_text(encoding="utf-8"))["number"]
        return number if isinstance(number, int) else 0
    except (ValueError, KeyError, TypeError):
        return 0
