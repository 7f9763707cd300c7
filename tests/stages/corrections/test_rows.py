"""The rows of corrections.jsonl: what may be written, and what an undo takes back."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.corrections.file import CORRECTIONS_FILE, append_corrections, read_corrections
from stages.corrections.rows import Correction, rows_in_effect

SHA256 = "ab" * 32
WHEN = "2026-11-29T05:40:12.345Z"


def row(action: str = "drop", start: float = 1.0, end: float = 3.0, **more: object) -> Correction:
    return Correction(**{
        "recording_sha256": SHA256, "start": start, "end": end, "action": action, "by": "anna", "when": WHEN, **more
    })  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"action": "text"}, "the action text needs `text`"),
        ({"action": "text", "text": "  "}, "is empty"),
        ({"action": "text", "text": "a\x00b"}, "cannot be shown"),
        ({"action": "drop", "text": "hello"}, "does not take `text`"),
        ({"action": "split"}, "the action split needs `at`"),
        ({"action": "split", "at": 1.2}, r"must leave 0\.5 s on both sides"),
        ({"action": "split", "at": 9.0}, r"must leave 0\.5 s on both sides"),
        ({"action": "undo"}, "the action undo needs `undoes`"),
        ({"action": "undo", "undoes": []}, "at least 1"),
        ({"action": "merge", "end": 40.0}, r"has 39\.0 s, at most 30 s"),
        ({"end": 1.0}, r"must lie 0\.5 s or more before"),
        ({"start": float("nan")}, "finite"),
        ({"action": "delete"}, "action"),
        ({"recording_sha256": "../../etc/passwd"}, "recording_sha256"),
        ({"when": "yesterday"}, "when"),
        ({"by": " "}, "is empty"),
        ({"more": 1}, "more"),
    ],
)
def test_a_row_with_a_fault_says_what_is_wrong(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        row(**fields)


def test_a_text_is_one_line() -> None:
    assert row("text", text=" Good\n evening. ").text == "Good evening."


def test_an_undo_takes_back_its_rows_and_a_repeated_row_counts_again() -> None:
    drop, text = row(), row("text", text="Hello.")
    undo = row("undo", undoes=(drop.id(),))
    in_effect, unused = rows_in_effect([drop, text, undo])
    assert ([one.row for one in in_effect], unused) == ([text], [])
    assert [one.row for one in rows_in_effect([drop, undo, drop])[0]] == [drop]
    assert [one.row for one in rows_in_effect([drop, text, drop])[0]] == [text, drop]  # two copies of a file, merged
    ((number, reason),) = rows_in_effect([drop, undo, undo])[1]
    assert number == 3 and reason == f"undo of {drop.id()}: no earlier row in effect has this id"


# the file


def test_a_row_of_the_file_holds_only_what_its_action_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    append_corrections(tmp_path, lambda rows: [row("text", text="„Grüße“, 你好.")])
    (line,) = (tmp_path / CORRECTIONS_FILE).read_text(encoding="utf-8").splitlines()
    assert list(json.loads(line)) == ["recording_sha256", "start", "end", "action", "text", "by", "when"]
    assert "你好" in line


def test_a_file_that_was_saved_on_windows_is_read(tmp_path: Path) -> None:
    content = f"\ufeff{row().line()}\r\n{row('restore').line()}\r\n"
    (tmp_path / CORRECTIONS_FILE).write_bytes(content.encode())
    assert read_corrections(tmp_path) == [row(), row("restore")]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / CORRECTIONS_FILE).write_text(row().line() + "\n<<<<<<< HEAD\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"corrections\.jsonl:2: .*; correct the row, or remove it"):
        read_corrections(tmp_path)


def test_a_refused_request_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    append_corrections(tmp_path, lambda rows: [row()])

    def refuse(rows: list[Correction]) -> list[Correction]:
        raise ValueError(f"seen {len(rows)}")

    with pytest.raises(ValueError, match="seen 1"):
        append_corrections(tmp_path, refuse)
    assert read_corrections(tmp_path) == [row()]
    assert [path.name for path in tmp_path.iterdir() if path.name != ".cache"] == [CORRECTIONS_FILE]


def test_a_file_without_a_last_line_end_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / CORRECTIONS_FILE).write_text(row().line(), encoding="utf-8")
    assert append_corrections(tmp_path, lambda rows: [row("restore")]) == [row(), row("restore")]
    assert read_corrections(tmp_path) == [row(), row("restore")]


def append_many(folder: Path, name: str, n: int) -> None:
    import os

    os.chdir(folder)
    for number in range(n):
        append_corrections(folder, lambda rows: [row(by=name, start=float(number), end=number + 1.0)])  # noqa: B023


def test_two_writers_lose_no_row(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2) as pool:
        for done in [pool.submit(append_many, tmp_path, name, 15) for name in ("anna", "bob")]:
            done.result()
    rows = read_corrections(tmp_path)
    for name in ("anna", "bob"):
        assert [one.start for one in rows if one.by == name] == [float(number) for number in range(15)]
