"""Anchors in an object store: an older copy of everything in the project is told all the same."""

from __future__ import annotations

import shutil

import pytest

from registry.releases.audit import audit
from registry.releases.promotion import recover
from registry.releases.service import find_servable
from registry.storage.anchor import AnchorError
from registry.storage.record import JournalError
from registry.storage.records import append_record, read_records, require_published
from registry.storage.remote_anchor import SETTING
from registry.storage.store import Store, open_store


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty object store. A folder serves as one: fsspec writes it as it writes s3://."""
    folder = tmp_path / "anchors"
    monkeypatch.setenv(SETTING, f"file://{folder}")
    return folder


def copy_of(store: Store, name: str) -> Store:
    """Return a project as it is now: database, keys and anchor file."""
    return open_store(shutil.copytree(store.root, store.root.with_name(name)))


@pytest.fixture
def project(tmp_path):
    """A project beside the object store, with one row of anna."""
    store = open_store(tmp_path / "project")
    append_record(store, "anna", "verdict", {"n": 1})
    return store


def test_every_row_is_published_once_under_its_number(project, place):
    for n in (2, 3):
        append_record(project, "anna", "verdict", {"n": n})
    assert [path.name for path in sorted((place / "anna").iterdir())] == ["00000002.json", "00000003.json"]
    require_published(project, "anna")
    require_published(project, "bob")


def test_older_copy_of_the_whole_project_is_found(project, place):
    """H6: the anchor file was restored together with the database."""
    older = copy_of(project, "older")
    append_record(project, "anna", "verdict", {"n": 2})
    assert read_records(older, "anna").fault is None
    with pytest.raises(JournalError, match="broken at row 2: it is missing: VOXFOUNDRY_ANCHOR anchored row 2"):
        require_published(older, "anna")
    with pytest.raises(AnchorError, match=r"row 2 .* is written, but VOXFOUNDRY_ANCHOR holds another row of this"):
        append_record(older, "anna", "verdict", {"n": 9})
    with pytest.raises(JournalError, match="broken at row 2: VOXFOUNDRY_ANCHOR anchored another row of this number"):
        require_published(older, "anna")
    older.sqlite_file.unlink()
    with pytest.raises(JournalError, match="it is anchored, and there is no database"):
        require_published(older, "anna")


def test_another_database_is_found(project, place):
    append_record(project, "anna", "verdict", {"n": 2})
    (project.root / "releases" / "anna.json").unlink()
    project.sqlite_file.unlink()
    with pytest.raises(AnchorError, match="holds another row of this number"):
        for n in (1, 2):
            append_record(project, "anna", "verdict", {"n": n})
    with pytest.raises(JournalError, match="anchored it in another database"):
        require_published(project, "anna")


def test_release_audit_and_speech_ask_the_object_store(desk, place):
    desk.release(1)
    older = shutil.copy(desk.store.sqlite_file, desk.store.root / "older.db")
    anchor = desk.store.root / "releases" / "anna.json"
    older_anchor = anchor.read_text()
    desk.gate(2)
    shutil.copy(older, desk.store.sqlite_file)
    anchor.write_text(older_anchor)
    arguments = {"recordings_dir": desk.recordings, "today": None}
    for call in (
        desk.rollback,
        lambda: recover(desk.store, "anna"),
        lambda: find_servable(desk.store, "anna", **arguments),
    ):
        with pytest.raises(JournalError, match="VOXFOUNDRY_ANCHOR anchored row"):
            call()
    assert "VOXFOUNDRY_ANCHOR anchored row" in audit(desk.store, "anna")[0]


def test_object_store_that_cannot_be_reached_stops_releases_and_prints_no_secret(project, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    for address in (f"file://{tmp_path}/file/anchors", "nonsense://u:hidden-word@host/x"):
        monkeypatch.setenv(SETTING, address)
        for call in (lambda: append_record(project, "anna", "verdict", {}), lambda: require_published(project, "anna")):
            with pytest.raises(JournalError, match="correct VOXFOUNDRY_ANCHOR") as caught:
                call()
            assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_object_that_is_not_an_anchor_is_refused(project, place, content):
    append_record(project, "anna", "verdict", {"n": 2})
    (place / "anna" / "00000009.json").write_text(content)
    with pytest.raises(JournalError, match=r"00000009.json does not hold the anchor of a journal; look into"):
        require_published(project, "anna")
