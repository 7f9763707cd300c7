"""The file corrections.jsonl of a voice: read it, and append rows so that no other writer's rows are lost."""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from stages.corrections.decisions import DECISIONS_FILE, ClipDecision
from stages.corrections.rows import Correction
from stages.execution.locks import locked
from stages.tables import read_table

CORRECTIONS_FILE = "corrections.jsonl"


def read_corrections(recordings_dir: Path) -> list[Correction]:
    """Return the rows of a voice's corrections.jsonl in their order, nothing where it has no such file.

    Raises:
        ValueError: a row has a fault. The message names its line.
    """
    path = recordings_dir / CORRECTIONS_FILE
    try:
        lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n")  # editors on Windows write the mark
    except FileNotFoundError:
        return []
    if not lines[-1]:
        lines.pop()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(Correction.model_validate_json(line))
        except ValidationError as error:
            fault = error.errors()[0]
            where = "".join(f"{part}: " for part in fault["loc"])
            raise ValueError(f"{path}:{number}: {where}{fault['msg']}; correct the row, or remove it") from error
    return rows


def append_corrections(
    recordings_dir: Path, make_rows: Callable[[list[Correction]], Sequence[Correction]]
) -> list[Correction]:
    """Append rows to a voice's corrections.jsonl, all of them or none, and return all rows of the file.

    Only one process at a time does this for a voice. The file is replaced in one step, so a reader never sees half a
    row.

    Args:
        recordings_dir: the folder of the voice.
        make_rows: gets the rows of the file as they are now and returns the new ones. Where it raises, the file is
            unchanged.

    Raises:
        ValueError: a row of the file has a fault.
        StageBusyError: another process keeps the file locked.
    """
    path = recordings_dir / CORRECTIONS_FILE
    with hold_corrections(recordings_dir):
        before = read_corrections(recordings_dir)
        new = make_rows(before)
        content = path.read_bytes() if path.exists() else b""
        if content and not content.endswith(b"\n"):
            content += b"\n"  # an editor left it out
        content += "".join(f"{row.line()}\n" for row in new).encode()
        _replace(path, content)
    return [*before, *new]


@contextmanager
def hold_corrections(recordings_dir: Path) -> Iterator[None]:
    """Let nobody else append rows to a voice's corrections.jsonl inside the block. They wait.

    Raises:
        StageBusyError: another process keeps the file locked.
    """
    with locked(f"corrections-{recordings_dir.name}"):
        yield


def read_decisions(manifest_dir: Path) -> dict[str, list[ClipDecision]]:
    """Return the decisions that ingest wrote for a voice, by recording id. A recording without any is left out."""
    path = manifest_dir / DECISIONS_FILE
    found: dict[str, list[ClipDecision]] = {}
    for row in read_table(path, ClipDecision) if path.is_file() else ():
        found.setdefault(row.recording_id, []).append(row)
    return found


def _replace(path: Path, content: bytes) -> None:
    """Replace a file in one step. It is on the disk before the old one goes."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".partial", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial = Path(file.name)
    partial.chmod(0o644)
    partial.replace(path)
