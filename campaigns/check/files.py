"""The findings of a check as files: a report in JSON, and the rejects as CSV, row by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from campaigns.check.report import CheckReport
from campaigns.recipients.spreadsheets import spreadsheet_cell
from campaigns.records import Reject

COLUMNS = ("line", "recipient_id", "reason", "message")


class RejectWriter(Protocol):
    """Takes rejects one by one."""

    def __call__(self, row: Reject) -> None:
        """Write a reject."""
        ...


@contextmanager
def write_rejects(path: Path) -> Iterator[RejectWriter]:
    """Give a function that writes rejects into a CSV file. The file appears when all are written."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)

        def write(row: Reject) -> None:
            cells = (row.recipient_id or "", str(row.reason), row.message)
            table.writerow([row.line, *map(spreadsheet_cell, cells)])

        yield write
    partial.replace(path)


def write_report(report: CheckReport, path: Path) -> None:
    """Write a report as JSON."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
