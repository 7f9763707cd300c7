"""`vox voice`: a voice is added with its consent, completely or not at all."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from imports import ROOT
from project import vox

from registry.consent.file import load_voice
from stages.params import load_params

PURPOSE = ("--purpose", "narration")


@pytest.fixture
def root(tmp_path):
    project = tmp_path / "project"
    (project / "data/1_recordings").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, project)
    for name in ("flows", "stages", "serving", "registry", "metrics", "gpt_sovits"):
        (project / name).symlink_to(ROOT / name)
    return project


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "Meine Aufnahmen ö"
    folder.mkdir()
    shutil.copy(next((ROOT / "data/1_recordings/sample").rglob("*.flac")), folder / "a 1.flac")
    (tmp_path / "signed.PDF").write_bytes(b"a signed paper")
    return folder


def add(root, source, name="anna", *more, language="en"):
    consent = str(source.parent / "signed.PDF")
    return vox(root, "voice", "add", name, str(source), "--language", language, "--consent", consent, *PURPOSE, *more)


def test_added_voice_has_recordings_consent_and_entry_in_params(root, source):
    done = add(root, source, "anna", "--valid-until", "2099-12-31")
    assert done.returncode == 0, done.stderr
    folder = root / "data/1_recordings/anna"
    assert (folder / "a 1.flac").is_file()
    assert (folder / "consent.pdf").read_bytes() == b"a signed paper"
    record = load_voice(folder)
    assert (record.name, record.consent.kind, str(record.consent.valid_until)) == ("anna", "recorded", "2099-12-31")
    assert load_params(root / "params.yaml").voices == ("sample", "anna")
    assert not list((root / "data").rglob("*.partial"))


def test_adding_twice_is_refused_and_changes_nothing(root, source):
    add(root, source)
    (source / "b.wav").write_bytes(b"x")
    done = add(root, source)
    assert done.returncode == 2
    assert "already there" in done.stderr
    assert not (root / "data/1_recordings/anna/b.wav").exists()


@pytest.mark.parametrize("name", ["../anna", "an na", "-x", ""])
def test_name_that_cannot_be_a_folder_is_refused(root, source, name):
    done = add(root, source, name)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert load_params(root / "params.yaml").voices == ("sample",)


def test_impossible_day_is_refused(root, source):
    done = add(root, source, "anna", "--valid-until", "2030-02-31")
    assert done.returncode == 2
    assert "2030-02-31" in done.stderr
    assert not (root / "data/1_recordings/anna").exists()


def test_empty_folder_is_refused(root, source):
    (source / "a 1.flac").unlink()
    done = add(root, source)
    assert done.returncode == 2
    assert "holds no audio file" in done.stderr
    assert not list((root / "data/1_recordings").iterdir())


def test_pipes_and_droppings_are_left_out(root, source):
    os.mkfifo(source / "pipe.wav")
    (source / "__MACOSX").mkdir()
    (source / "__MACOSX/._a 1.flac").write_bytes(b"x")
    (source / "a 1.txt").write_text("What is said.")
    done = add(root, source)
    assert done.returncode == 0, done.stderr
    assert "Not used: pipe.wav: not a regular file" in done.stdout
    assert "1 of 1 recording has a transcript, from a 1.txt (UTF-8)." in done.stdout
    folder = root / "data/1_recordings/anna"
    assert sorted(path.name for path in folder.iterdir()) == ["a 1.flac", "a 1.txt", "consent.pdf", "voice.yaml"]


def test_folder_whose_transcripts_would_be_lost_is_refused_as_ingest_would(root, source):
    (source / "metadata.csv").write_text("b 1|What is said.\n")
    done = add(root, source)
    assert done.returncode == 2
    assert "0 of 1 row of metadata.csv found their audio; the first names 'b 1'" in done.stderr
    assert not list((root / "data/1_recordings").iterdir())
    assert load_params(root / "params.yaml").voices == ("sample",)


def test_consent_inside_the_folder_is_not_a_transcript(root, source):
    (source / "signed.txt").write_text("I agree.")
    consent = str(source / "signed.txt")
    done = vox(root, "voice", "add", "anna", str(source), "--language", "en", "--consent", consent, *PURPOSE)
    assert done.returncode == 0, done.stderr
    assert (root / "data/1_recordings/anna/consent.txt").read_text() == "I agree."
    assert not (root / "data/1_recordings/anna/signed.txt").exists()


@pytest.mark.parametrize("option", ["--purpose", "--language"])
def test_fault_of_an_option_is_one_sentence_without_an_address(root, source, option):
    done = add(root, source, "anna", option, "")
    assert done.returncode == 2
    assert "http" not in done.stderr and "Traceback" not in done.stderr
    assert option.removeprefix("--") in done.stderr
    assert not list((root / "data/1_recordings").iterdir())


def test_voice_record_in_source_does_not_count_as_consent(root, source):
    (source / "voice.yaml").write_text("name: somebody_else")
    assert add(root, source).returncode == 0
    assert load_voice(root / "data/1_recordings/anna").name == "anna"


def test_revoked_voice_cannot_be_run(root, source):
    add(root, source)
    done = vox(root, "voice", "revoke", "anna")
    assert done.returncode == 0, done.stderr
    assert load_voice(root / "data/1_recordings/anna").consent.revoked_on is not None
    run = vox(root, "run", "anna", "--no-prefect")
    assert run.returncode == 2
    assert "revoked" in run.stderr


def test_unknown_language_is_refused_before_anything_is_copied(root, source):
    done = add(root, source, language="tlh")
    assert done.returncode == 2
    assert "unknown language 'tlh'; known are en (English), zh (Mandarin)" in done.stderr
    assert not list((root / "data/1_recordings").iterdir())


def test_voice_in_a_language_that_the_profile_cannot_make_is_refused_before_the_first_stage(root, source):
    (root / "base_models").mkdir()
    (root / "base_models/starter").symlink_to(ROOT / "base_models/starter")
    added = add(root, source, "yuki", language="JP")
    assert added.returncode == 0, added.stderr
    assert load_voice(root / "data/1_recordings/yuki").language == "ja"
    assert "params.yaml lists yuki, Japanese (ja)" in " ".join(added.stdout.split())
    for text in (added.stdout, (run := vox(root, "run", "yuki", "--no-prefect")).stderr):
        said = " ".join(text.split())
        assert "yuki speaks Japanese (ja), but with profile starter the base model starter learned English" in said
        assert "`vox pull faster-whisper-large-v3`" in said and "sets profile: v2" in said
    assert run.returncode == 2
    assert not (root / "data/1_manifests").exists()
    (found,) = [one for one in json.loads(vox(root, "doctor", "--json").stdout) if one["what"] == "voice yuki"]
    assert found["state"] == "wrong" and "yuki speaks Japanese (ja)" in found["detail"]
