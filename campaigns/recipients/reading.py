"""Recipients from a file or a request, each id once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from campaigns.errors import CampaignError
from campaigns.recipients.csv_rows import read_csv
from campaigns.recipients.ids import KnownIds
from campaigns.recipients.json_rows import read_json_lines, read_objects
from campaigns.recipients.parquet_rows import read_parquet
from campaigns.records import Recipient, Reject, RejectReason
from registry.names import shown

MAX_ROWS = 1_000_000
Row = Recipient | Reject


def read_recipients(path: Path, language: str) -> Iterator[Row]:
    """Yield each row of a file, by the ending of its name: .csv, .tsv, .jsonl, .ndjson or .parquet.

    Args:
        path: The file.
        language: ISO 639 code of the recipients' texts, by which encodings other than Unicode are recognised.

    Raises:
        CampaignError: The file as a whole cannot be used.
    """
    try:
        match path.suffix.lower():
            case ".csv" | ".tsv":
                yield from _each_once(read_csv(path, language), str(path))
            case ".jsonl" | ".ndjson":
                yield from _each_once(read_json_lines(path), str(path))
            case ".parquet":
                yield from _each_once(read_parquet(path), str(path))
            case other:
                raise CampaignError(f"{path} ends in {other!r}; recipients are .csv, .tsv, .jsonl, .ndjson or .parquet")
    except OSError as error:
        raise CampaignError(f"{path} cannot be read ({error.strerror}); correct the name or the permissions") from error


def recipients_of(rows: Iterable[Mapping[str, object]]) -> Iterator[Row]:
    """Yield each row of a request, numbered from 1. Values are texts, numbers, true, false or null."""
    return _each_once(read_objects(rows), "the request")


def _each_once(rows: Iterable[Row], place: str) -> Iterator[Row]:
    """Refuse ids that were there before, whatever became of the row with the same id."""
    known = KnownIds()
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            raise CampaignError(f"{place} has more than {MAX_ROWS} rows; divide it into several campaigns")
        kind = known.add(row.recipient_id) if row.recipient_id is not None else "new"
        if kind == "new":
            yield row
            continue
        reason = RejectReason.DUPLICATE_ID if kind == "duplicate" else RejectReason.LOOK_ALIKE_ID
        like = "is the id of" if kind == "duplicate" else "looks like the id of"
        message = f"recipient_id {shown(row.recipient_id or '')} {like} a row above"
        yield Reject(line=row.line, recipient_id=row.recipient_id, reason=reason, message=message)
