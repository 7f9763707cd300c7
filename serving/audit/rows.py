"""From the record of a request to a row of the audit."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from serving.messages import RequestRecord, SentenceDone
from serving.tables import REQUESTS, UtcTime

ID_BYTES = 16
UNSTORABLE = (sa.exc.SQLAlchemyError, ValueError, TypeError, ArithmeticError)  # of SQLAlchemy, or of a driver


def make_row(record: RequestRecord, *, keep_text: bool) -> dict[str, Any]:
    """Return the row of a request as JSON can hold it.

    Args:
        record: What became of the request.
        keep_text: Whether the row gets the text besides its hash.
    """
    request, started, finished = record.request, record.started, record.finished
    row = {
        "id": secrets.token_hex(ID_BYTES),  # so that it is written once, however often it is sent
        "request_id": request.request_id,
        "trace_id": request.traceparent.split("-")[1] if request.traceparent else None,
        "started_at": record.started_at.isoformat(),
        "route": record.route,
        "lane": request.lane,
        "caller": record.caller,
        "voice": request.voice,
        "version": started.version if started else request.version,
        "candidate_id": started.candidate_id if started else None,
        "preset": request.preset,
        "language": request.language,
        "purpose": request.purpose,
        "seed": request.seed,
        "format": record.format,
        "n_characters": len(request.text),
        "text_sha256": hashlib.sha256(request.text.encode("utf-8", "surrogatepass")).hexdigest(),
        "text": request.text if keep_text else None,
        "status": record.status,
        "error_type": record.error_type,
        "client_left": record.client_left,
        "cache": _cache(record),
        "seconds_of_audio": finished.seconds_of_audio if finished else None,
        "first_audio_seconds": record.first_audio_seconds,
        "total_seconds": record.total_seconds,
        "part_seconds": dict(finished.seconds) if finished else {},
        "sentences": [_outcome_of(sentence) for sentence in record.sentences],
        "n_bytes": record.n_bytes,
    }
    return {name: _storable(name, value) if isinstance(value, str) else value for name, value in row.items()}


def _cache(record: RequestRecord) -> str | None:
    """Return how much of the speech was not spoken anew: hit, part or miss. None where the request was refused."""
    if record.started is None:
        return None
    known = [sentence.is_cached for sentence in record.sentences]
    if record.started.is_cached or (known and all(known)):
        return "hit"
    return "part" if any(known) else "miss"


def as_columns(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of JSON as the table takes it."""
    return row | {"started_at": datetime.fromisoformat(row["started_at"])}


def insert_rows(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that the table does not have yet.

    Args:
        connection: Of a transaction.
        rows: As the table takes them.
    """
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(REQUESTS).on_conflict_do_nothing(index_elements=["id"]), [dict(row) for row in rows])


def make_empty_row() -> dict[str, Any]:
    """Return a row as the table takes it if it takes any, with a value in each column that must have one."""
    row: dict[str, Any] = {"id": secrets.token_hex(ID_BYTES)}
    for column in REQUESTS.c:
        if column.nullable or column.name in row:
            continue
        if isinstance(column.type, UtcTime):
            row[column.name] = datetime.now(UTC)
        else:
            row[column.name] = [] if isinstance(column.type, sa.JSON) else column.type.python_type()
    return row


def _outcome_of(sentence: SentenceDone) -> dict[str, Any]:
    """Return what became of a sentence, without its words: they are its text."""
    return {name: value for name, value in asdict(sentence).items() if name != "words"}


def _storable(name: str, value: str) -> str:
    """Return a value that every database takes: no NUL, no half characters, not longer than its column."""
    length = getattr(REQUESTS.c[name].type, "length", None)
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:length]
