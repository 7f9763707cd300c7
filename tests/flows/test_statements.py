"""A spoken statement is accepted if the speaker of the recordings says the agreement, and heard again by a check."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from imports import ROOT

from flows.commands.voice_check import check_voice
from flows.commands.voices import add_voice
from flows.consent_terms import ConsentTerms
from registry.consent.file import load_voice
from registry.consent.record import ConsentError
from registry.files import file_sha256

STATEMENTS = ROOT / "tests/data/statements"
FOLDER = Path("data/1_recordings/anna")
NO_USE = {"purpose": None, "language": None, "territory": None, "commercial": False}


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with five recordings of the sample voice, beside the project in the working folder."""
    (tmp_path / "project/data/1_recordings").mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    folder = tmp_path / "recordings"
    folder.mkdir()
    for path in sorted((ROOT / "data/1_recordings/sample/wavs").glob("*.flac"))[:5]:
        shutil.copy(path, folder)
    (tmp_path / "signed.pdf").write_bytes(b"a signed paper")
    return folder


def add(source: Path, statement: Path) -> int:
    evidence = source.parent / "signed.pdf"
    terms = ConsentTerms(evidence=evidence, speaker="Anna Miller", purposes=("narration",), statement=statement)
    return add_voice("anna", source, language="en", terms=terms)


def test_statement_of_the_same_speaker_is_recorded_and_is_not_a_recording(source, capsys):
    shutil.copy(STATEMENTS / "agrees.ogg", source)
    assert add(source, source / "agrees.ogg") == 0
    assert "The statement says the agreement, with a cosine of 0.9" in " ".join(capsys.readouterr().out.split())
    statement = load_voice(FOLDER).consent.statement
    assert statement.text == "My name is Anna Miller. I agree that my voice is copied by a computer."
    assert statement.audio_sha256 == file_sha256(FOLDER / statement.audio) == file_sha256(STATEMENTS / "agrees.ogg")
    assert not (FOLDER / "agrees.ogg").exists()
    assert check_voice("anna", **NO_USE) == 0
    assert "The statement says the agreement" in capsys.readouterr().out
    (FOLDER / statement.audio).write_bytes((STATEMENTS / "other_speaker.ogg").read_bytes())
    with pytest.raises(ConsentError, match=r"the spoken statement 'statement\.ogg' has changed"):
        check_voice("anna", **NO_USE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other_speaker", "its speaker has a cosine of -?0.[0-5][0-9] to the recordings"),
        ("other_name", "does not begin with the name in the consent"),
        ("refuses", "does not end with the agreement"),
    ],
)
def test_statement_of_somebody_else_or_of_something_else_is_refused(source, name, message):
    with pytest.raises(ConsentError, match=message):
        add(source, STATEMENTS / f"{name}.ogg")
    assert not list(FOLDER.parent.iterdir())


def test_statement_that_is_not_audio_is_refused(source):
    with pytest.raises(ValueError, match=r"signed\.pdf"):
        add(source, source.parent / "signed.pdf")
    assert not list(FOLDER.parent.iterdir())


def test_check_names_every_reason_against_a_use(source):
    evidence = source.parent / "signed.pdf"
    terms = ConsentTerms(evidence=evidence, speaker="Anna Miller", purposes=("narration",), languages=("en",))
    add_voice("anna", source, language="en", terms=terms)
    with pytest.raises(ConsentError, match=r"advertising is not among narration; Japanese .*; it is commercial"):
        check_voice("anna", purpose="advertising", language="JP", territory=None, commercial=True)
