"""Small prompt files for tests."""

from __future__ import annotations

from pathlib import Path

from metrics.prompts import lock_path, write_lock

HEAD = "format: 1\nlanguage: en\nversion: 1\nseeds: [0, 2]\nprompts:\n"
ONE = '  - {id: a_1, category: short, text: "Hello there, 2 of you.", normalized: hello there two of you}\n'
TWO = '  - {id: b_1, category: names, text: "Good evening, Anna.", normalized: good evening anna}\n'
CUSTOM_FILE = (
    "format: 1\nlanguage: en\nversion: 1\nprompts:\n"
    '  - {id: own_1, category: custom, text: "Order 12 has left.", normalized: order twelve has left}\n'
)


def relock(path: Path, text: str) -> None:
    """Replace the file and its lock, so that only the file's own faults are left to find."""
    path.write_text(text)
    lock_path(path).unlink(missing_ok=True)
    write_lock(path)
