"""A journal in which somebody edited a row is still shown, because a person has to see what happened."""

from __future__ import annotations

import json
import sqlite3

import pytest

from flows.commands.releases import show_releases


@pytest.mark.parametrize(
    "content",
    ["null", "not JSON", "[]", '{"action": 5, "state": null, "actor": ["a"], "note": {}, "to_version": "x"}', ""],
)
def test_row_that_lacks_what_it_must_have_is_shown_and_named(desk, monkeypatch, capsys, content):
    desk.release(1, 2)
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        connection.execute("UPDATE voxfoundry_records SET content = ? WHERE number = 5", (content,))
    connection.close()
    (desk.store.root / "params.yaml").write_text("{}")
    monkeypatch.chdir(desk.store.root)
    assert show_releases("anna", as_json=False) == 0
    shown = capsys.readouterr().out
    assert "the journal is broken: the journal of anna is broken at row 5: its contents were changed" in shown
    assert any(line.startswith("6 ") for line in shown.splitlines())
    assert show_releases("anna", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["whole"] is False
