"""A stage writes its output completely or not at all."""

from __future__ import annotations

import pytest

from stages.execution.outputs import stage_output


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_output_appears_only_when_the_block_ends(tmp_path):
    out = tmp_path / "data/clips"
    with stage_output(out, "segment", "sample") as folder:
        (folder / "a.txt").write_text("new")
        assert not out.exists()
    assert (out / "a.txt").read_text() == "new"


def test_an_error_leaves_the_old_output_and_the_next_run_starts_afresh(tmp_path):
    out = tmp_path / "clips"
    with stage_output(out, "segment", "sample") as folder:
        (folder / "old").touch()
    with pytest.raises(RuntimeError), stage_output(out, "segment", "sample") as folder:
        (folder / "half").touch()
        raise RuntimeError
    assert [path.name for path in out.iterdir()] == ["old"]
    with stage_output(out, "segment", "sample") as folder:
        assert not list(folder.iterdir())
        (folder / "new").touch()
    assert [path.name for path in out.iterdir()] == ["new"]
