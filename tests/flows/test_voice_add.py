"""`vox voice add`: what it records of the consent, and what happens to an addition that was killed."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
from imports import ROOT
from kill_helpers import KILLED, in_child

from flows.commands.voices import add_voice
from flows.consent_terms import ConsentTerms
from registry.consent.file import load_voice
from stages.params import load_params

FOLDER = Path("data/1_recordings/anna")
WHOLE = {"more/0.flac", "more/0.txt", "more/1.flac", "more/1.txt", "consent.pdf", "voice.yaml"}


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with a recording, its transcript and a subfolder, beside the project in the working folder."""
    make_project(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    folder = tmp_path / "recordings"
    (folder / "more").mkdir(parents=True)
    for number, path in enumerate(sorted((ROOT / "data/1_recordings/sample/wavs").glob("*.flac"))[:2]):
        shutil.copy(path, folder / "more" / f"{number}.flac")
        (folder / "more" / f"{number}.txt").write_text("What is said.")
    (tmp_path / "signed.pdf").write_bytes(b"a signed paper")
    return folder


def make_project(root: Path) -> None:
    (root / "data/1_recordings").mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", root)


def add(source: Path, name: str = "anna", language: str = "en", **terms: object) -> int:
    return addition(source, name, language, **terms)()


def addition(source: Path, name: str = "anna", language: str = "en", **terms: object) -> partial[int]:
    known = {"evidence": source.parent / "signed.pdf", "speaker": "Anna", "purposes": ("narration",)}
    return partial(add_voice, name, source, language=language, terms=ConsentTerms(**(known | terms)))


def test_adding_again_finishes_a_voice_that_is_there_and_not_listed(source):
    add(source)
    shutil.copy(ROOT / "params.yaml", ".")
    assert add(source) == 0
    assert load_params().voices == ("sample", "anna")


def test_adding_again_with_another_consent_is_refused(source):
    add(source)
    with pytest.raises(ValueError, match="already there and has another consent record"):
        add(source, commercial=True)
    assert not load_voice(FOLDER).consent.scope.commercial


def test_adding_again_with_changed_recordings_is_refused_and_files_beside_them_are_not(source):
    add(source)
    (FOLDER / "corrections.jsonl").touch()
    assert add(source) == 0
    (source / "more/1.txt").write_text("Something else is said.")
    with pytest.raises(ValueError, match=r"already there and lacks more/1\.txt as it is in"):
        add(source)
    assert (FOLDER / "more/1.txt").read_text() == "What is said."


def test_purposes_and_scope_are_recorded(source):
    add(source, purposes=("narration", "dialogue"), languages=("JP", "en"), territories=("DE", "AT"))
    consent = load_voice(FOLDER).consent
    assert consent.purposes == ("narration", "dialogue")
    assert consent.scope.model_dump() == {"languages": ("ja", "en"), "territories": ("DE", "AT"), "commercial": False}


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"purposes": ("anything",)}, "anything is not a known purpose"),
        ({"purposes": ("narration", "narration")}, "names something twice"),
        ({"languages": ("tlh",)}, "unknown language 'tlh'"),
        ({"languages": ("ja",)}, "leaves out the voice's own language, en"),
        ({"territories": ("Germany",)}, "should match pattern"),
        ({"speaker": ""}, "at least 1 character"),
    ],
)
def test_terms_that_cannot_be_recorded_are_refused_before_anything_is_copied(source, terms, message):
    with pytest.raises(ValueError, match=message):
        add(source, **terms)
    assert not list(FOLDER.parent.iterdir())


@pytest.mark.parametrize("name", ["anna\n", "anna/", "..", "", "x" * 65, "a\x1b[31m"])
def test_name_that_no_voice_can_have_is_refused(source, name):
    with pytest.raises(ValueError, match="cannot be a voice's name"):
        add(source, name)


def test_addition_that_is_killed_at_any_point_is_finished_by_the_next(source, tmp_path):
    """SIGKILL before every operation on a file of the project, each in a new project."""
    n_killed = 0
    for n in range(1, 1000):
        project = tmp_path / f"project_{n}"
        make_project(project)
        if in_child(addition(source), project, kill_before=n) != KILLED:
            break
        n_killed += 1
        voices = load_params(project / "params.yaml").voices
        assert ("anna" in voices) <= (project / FOLDER / "voice.yaml").is_file()
        assert in_child(addition(source), project) == 0, f"killed before operation {n}"
        assert contents(project) == {f"anna/{name}" for name in WHOLE}
        assert load_params(project / "params.yaml").voices == ("sample", "anna")
        load_voice(project / FOLDER)
    assert n_killed > 20


def contents(project: Path) -> set[str]:
    """The names of the project's files with recordings, hidden ones too."""
    folder = project / FOLDER.parent
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
