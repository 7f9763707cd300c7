"""From the cells of a row to a recipient, with the rules that hold for every format."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from campaigns.errors import CampaignError
from campaigns.recipients.ids import RULE, valid_id
from campaigns.records import Recipient, Reject, RejectReason
from gpt_sovits.text.encodings import REPLACEMENT
from registry.names import INVISIBLE, shown

ID_COLUMN, LANGUAGE_COLUMN, OPT_IN_COLUMN = "recipient_id", "language", "opt_in_reference"
OWN_COLUMNS = (ID_COLUMN, LANGUAGE_COLUMN, OPT_IN_COLUMN)
COLUMN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
MAX_COLUMNS = 200
MAX_CELL_CHARACTERS = 2000
LINE_BREAKS = "\t\n\r"  # become spaces: a cell is one line of speech


def check_columns(names: list[str], place: str) -> None:
    """Refuse a header in which columns cannot be told apart, or that names nobody.

    Raises:
        CampaignError: A name is there twice, recipient_id is missing, or there are too many columns.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})[:1] if len(names) <= MAX_COLUMNS else []
    if len(names) > MAX_COLUMNS:
        raise CampaignError(f"{place} has {len(names)} columns; at most {MAX_COLUMNS} are read")
    if repeated:
        raise CampaignError(f"{place} has two columns {shown(repeated[0])}; rename one of them")
    if ID_COLUMN not in names:
        seen = ", ".join(shown(name) for name in names[:8])
        raise CampaignError(f"{place} has no column {ID_COLUMN}, which names each recipient; it has {seen or 'none'}")


def read_cells(line: int, cells: Mapping[str, str | None]) -> Recipient | Reject:
    """Return the recipient of a row, or why the row is refused.

    Args:
        line: Where the row begins, from 1.
        cells: Each column's text, None where it is empty. A column whose name a template cannot use is left out.
    """
    name = valid_id(cells.get(ID_COLUMN) or "")
    values: dict[str, str | None] = {}
    for column, text in cells.items():
        if column == ID_COLUMN or not COLUMN_NAME.fullmatch(column):
            continue
        if text is not None and (fault := _fault(text)):
            return Reject(line=line, recipient_id=name, reason=fault[0], message=f"column {column} {fault[1]}")
        values[column] = " ".join(unicodedata.normalize("NFC", text).split()) or None if text else None
    if name is None:
        return _bad_id(line, cells.get(ID_COLUMN) or "")
    language, opt_in = values.pop(LANGUAGE_COLUMN, None), values.pop(OPT_IN_COLUMN, None)
    return Recipient(line=line, recipient_id=name, variables=values, language=language, opt_in_reference=opt_in)


def _fault(text: str) -> tuple[RejectReason, str] | None:
    """Return what is wrong with a cell, None where nothing is."""
    if len(text) > MAX_CELL_CHARACTERS:
        return RejectReason.CELL_TOO_LONG, f"has {len(text)} characters; at most {MAX_CELL_CHARACTERS} are read"
    if text.isascii() and text.isprintable():
        return None
    if REPLACEMENT in text:
        return RejectReason.BROKEN_TEXT, f"has bytes that are not text, at character {text.index(REPLACEMENT) + 1}"
    for position, character in enumerate(text, start=1):
        if character not in LINE_BREAKS and unicodedata.category(character) in INVISIBLE:
            code = f"U+{ord(character):04X}"
            return RejectReason.INVISIBLE_CHARACTER, f"has the invisible character {code} at position {position}"
    return None


def _bad_id(line: int, written: str) -> Reject:
    """Return the reject of a row whose id cannot be one."""
    if REPLACEMENT in written:
        reason, message = RejectReason.BROKEN_TEXT, "recipient_id has bytes that are not text"
    else:
        reason, message = RejectReason.INVALID_ID, f"recipient_id is {shown(written)}; {RULE}"
    return Reject(line=line, recipient_id=None, reason=reason, message=message)
