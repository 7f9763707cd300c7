"""`vox voice revoke`: the revocation holds, and what the policy says is deleted, however often it is killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from imports import ROOT
from kill_helpers import KILLED, in_child
from release_helpers import TODAY, recordings_of

from flows.commands.renewal import renew_consent
from flows.commands.revocation import revoke_voice
from flows.commands.voices import add_voice
from flows.consent_terms import ConsentTerms
from flows.dvc_objects import delete_objects, find_dvc_cache
from registry.consent.checks import check_consent
from registry.consent.file import load_voice
from registry.consent.record import ConsentError
from registry.consent.revocations import read_revocations
from registry.storage.records import read_records
from registry.storage.store import mlflow_client, open_store
from stages.params import load_params

DERIVED = (
    "data/2_clips/anna/clip.flac",
    "data/5_checkpoints/.anna.adapt_gpt.partial/half",
    "data/6_scores/anna/audio/p001.flac",
    ".vox/reports/anna-3-0123abcd.html",
    ".cache/results/ab/abcd",
    ".cache/artifacts/0123/model.safetensors",
    ".cache/timings/anna.json",
    ".cache/resume/anna/gpt/state.safetensors",
    ".cache/rebuilds/tmp0/anna-3/data/1_recordings/anna/1.wav",
    ".vox/cache/ab/abcd",
)
OF_OTHERS = (
    "data/2_clips/bob/clip.flac",
    "data/2_clips/anna-2/clip.flac",
    "data/8_campaigns/anna/audio/r-1.flac",  # a campaign of this name, which bob speaks
    ".vox/reports/anna-2-3-0123abcd.html",
)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A new database of MLflow, whose tables take seconds to make."""
    root = tmp_path_factory.mktemp("database")
    mlflow_client(open_store(root)).get_experiment_by_name("anna")
    return root / "mlflow.db"


@pytest.fixture
def project(tmp_path, monkeypatch, database):
    """A project with the voice anna and what was made of it, as the working folder."""
    root = make_project(tmp_path / "project", database)
    monkeypatch.chdir(root)
    return root


def make_project(root: Path, database: Path) -> Path:
    recordings = recordings_of(root)
    shutil.copy(database, root)
    (recordings / "a.flac").write_text("sound")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (root / "params.yaml").write_text(text.replace("voices: [sample]", "voices: [sample, anna]"), encoding="utf-8")
    for name in (*DERIVED, *OF_OTHERS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def present(root: Path, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (root / name).exists()]


def erasures(root: Path) -> list[tuple]:
    rows = read_records(open_store(root), "anna").require_whole().rows
    return [(row.values["state"], row.values["deleted"]) for row in rows if row.kind == "erasure"]


def test_nothing_is_deleted_by_default_and_the_revocation_holds(project, capsys):
    record = Path("data/1_recordings/anna/voice.yaml")
    before = record.read_text()
    assert revoke_voice("anna") == 0
    assert "Nothing was deleted" in capsys.readouterr().out
    assert present(project, DERIVED) == list(DERIVED)
    assert load_voice(record.parent).consent.revoked_on is not None
    record.write_text(before)
    with pytest.raises(ConsentError, match="the speaker revoked it on"):
        check_consent(record.parent, TODAY)


def test_everything_made_of_the_recordings_is_deleted_and_nothing_of_another_voice(project):
    revoke_voice("anna", delete="derived")
    assert present(project, DERIVED) == []
    assert present(project, OF_OTHERS) == list(OF_OTHERS)
    assert Path("data/1_recordings/anna/a.flac").is_file()
    assert erasures(project) == [("started", "derived"), ("done", "derived")]
    assert read_revocations(project, "anna")[0].deleted == "derived"


def test_recordings_are_deleted_too_where_the_policy_says_all(project):
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("delete_on_revocation: none", "delete_on_revocation: all"))
    revoke_voice("anna")
    assert not Path("data/1_recordings/anna").exists()
    assert present(project, DERIVED) == []
    assert load_params().voices == ("sample",)
    assert revoke_voice("anna") == 0  # again, after everything is gone
    assert [entry.deleted for entry in read_revocations(project, "anna")] == ["all"]


@pytest.mark.parametrize("name", ["anna/", "../anna", "", "x" * 65, "[/x]", "nobody"])
def test_name_of_no_voice_is_refused_before_anything_is_written(project, name):
    with pytest.raises(ValueError, match=r"cannot be a voice's name|there is no voice nobody"):
        revoke_voice(name)
    assert not (project / "revocations").exists()
    assert load_voice(Path("data/1_recordings/anna")).consent.revoked_on is None


def test_voice_whose_record_is_unreadable_is_revoked_and_the_fault_is_told(project):
    Path("data/1_recordings/anna/voice.yaml").write_text("name: [")
    with pytest.raises(ConsentError, match="not readable YAML"):
        revoke_voice("anna", delete="derived")
    assert present(project, DERIVED) == []
    (entry,) = read_revocations(project, "anna")
    assert (entry.consent_sha256, entry.deleted) == (None, "derived")


def test_revoked_proof_cannot_be_added_again_under_any_name(project, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(next((ROOT / "data/1_recordings/sample/wavs").glob("*.flac")), source)
    (tmp_path / "signed.pdf").write_bytes(b"a signed paper")
    terms = ConsentTerms(evidence=tmp_path / "signed.pdf", speaker="Bob", purposes=("narration",))
    assert add_voice("bob", source, language="en", terms=terms) == 0
    revoke_voice("bob", delete="all")
    for name in ("bob", "robert"):
        with pytest.raises(ValueError, match="its evidence was revoked for the voice bob"):
            add_voice(name, source, language="en", terms=terms)
    (tmp_path / "signed.pdf").write_bytes(b"another signed paper")
    assert add_voice("bob", source, language="en", terms=terms) == 0


def test_voice_comes_back_with_a_new_consent_and_keeps_the_old_proof(project, tmp_path):
    shutil.copy(next((ROOT / "data/1_recordings/sample/wavs").glob("*.flac")), project / "data/1_recordings/anna")
    signed = [tmp_path / "first.txt", tmp_path / "second.txt"]
    for path in signed:
        path.write_text(f"I agree, {path.stem}")
    terms = [ConsentTerms(evidence=path, speaker="Anna", purposes=("dialogue",)) for path in signed]
    assert renew_consent("anna", terms[0]) == 0
    revoke_voice("anna")
    with pytest.raises(ValueError, match="its evidence was revoked for the voice anna"):
        renew_consent("anna", terms[0])
    assert renew_consent("anna", terms[1]) == 0
    folder = Path("data/1_recordings/anna")
    consent = check_consent(folder, datetime.now(UTC).date(), purpose="dialogue").consent
    assert (folder / consent.evidence).read_text() == "I agree, second"
    assert [path.read_text() for path in (folder / ".former_consents").iterdir()] == ["I agree, first"]


def test_renewal_that_is_killed_leaves_no_consent_that_counts_or_the_new_one(tmp_path, database):
    (tmp_path / "new.pdf").write_text("signed")
    terms = ConsentTerms(evidence=tmp_path / "new.pdf", speaker="Anna", purposes=("dialogue",))
    today = datetime.now(UTC).date()
    for n in range(1, 100):
        root = make_project(tmp_path / f"project_{n}", database)
        folder = root / "data/1_recordings/anna"
        old = check_consent(folder, today)
        if in_child(partial(renew_consent, "anna", terms), root, kill_before=n) != KILLED:
            break
        assert check_consent(folder, today).consent.purposes in (old.consent.purposes, ("dialogue",))
        assert in_child(partial(renew_consent, "anna", terms), root) == 0, f"killed before operation {n}"
        assert check_consent(folder, today).consent.purposes == ("dialogue",)
    assert n > 5


@pytest.mark.parametrize("step", [16, pytest.param(3, marks=pytest.mark.slow)])
def test_revocation_that_is_killed_at_any_point_is_finished_by_the_next(tmp_path, database, step):
    """SIGKILL before every third operation on a file, or every sixteenth, each in a new project."""
    n_killed = 0
    for n in range(step, 1000, step):
        root = make_project(tmp_path / f"project_{n}", database)
        if in_child(partial(revoke_voice, "anna", delete="all"), root, kill_before=n) != KILLED:
            break
        n_killed += 1
        assert in_child(partial(revoke_voice, "anna", delete="all"), root) == 0, f"killed before operation {n}"
        assert present(root, DERIVED) == []
        assert present(root, OF_OTHERS) == list(OF_OTHERS)
        assert not (root / "data/1_recordings/anna").exists()
        assert [entry.deleted for entry in read_revocations(root, "anna")] == ["all"]
        assert load_params(root / "params.yaml").voices == ("sample",)
    assert n_killed * step > 50


STAGES = """
stages:
  clips:
    matrix: {voice: [anna, bob]}
    cmd: mkdir data/2_clips/${item.voice} && printf same > data/2_clips/${item.voice}/same
      && printf ${item.voice} | cat - version > data/2_clips/${item.voice}/own
    deps:
      - data/1_recordings/${item.voice}
      - version
    outs:
      - data/2_clips/${item.voice}
"""


def test_objects_of_all_runs_of_the_voice_are_deleted_from_the_cache_of_dvc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    Path("data/2_clips").mkdir(parents=True)
    for voice in ("anna", "bob"):
        Path("data/1_recordings", voice).mkdir(parents=True)
        Path("data/1_recordings", voice, "a").write_text(f"sound of {voice}")
    Path("dvc.yaml").write_text(STAGES)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], check=True)
    for version in ("1", "2"):
        Path("version").write_text(version)
        subprocess.run([*dvc, "repro", "-q"], check=True)
    cache = find_dvc_cache()
    contents = {path.read_text() for path in cache.objects.rglob("*") if path.is_file()}
    assert {"anna1", "anna2", "bob1", "bob2", "same"} <= contents
    assert delete_objects(cache, "anna", with_recordings=True) == 4  # two folders and two files; bob needs `same`
    left = {path.read_text() for path in cache.objects.rglob("*") if path.is_file()}
    assert left & {"anna1", "anna2"} == set()
    assert {"bob1", "bob2", "same"} <= left
    assert not [path for path in cache.runs.rglob("*") if path.is_file() and "anna" in path.read_text()]
    assert delete_objects(cache, "anna", with_recordings=True) == 0
    shutil.rmtree("data/2_clips/bob")
    subprocess.run([*dvc, "checkout", "-q", "clips@bob"], check=True)
    Path("dvc.lock").unlink()
    subprocess.run([*dvc, "repro", "-q"], check=True)  # a speaker who gives a new consent brings the same recordings
    assert Path("data/2_clips/bob/own").read_text() == "bob2"


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments, "-q"], check=True)


def cached() -> set[str]:
    """Return what the objects in DVC's cache say, without its lists of files."""
    found = (path for path in find_dvc_cache().objects.rglob("*") if path.is_file() and path.suffix != ".dir")
    return {path.read_text() for path in found}


@pytest.fixture
def added(project):
    """The project with the recordings of anna and bob in DVC's cache, anna's in three states that no stage has read."""
    dvc("init", "--no-scm")
    anna, bob = Path("data/1_recordings/anna"), Path("data/1_recordings/bob")
    bob.mkdir()
    (bob / "voice.yaml").write_text("name: bob")
    (bob / "a.flac").write_text("sound of bob")
    (bob / "signed.txt").write_text("a paper that both have signed")
    shutil.copy(bob / "signed.txt", anna)
    dvc("add", "data/1_recordings")  # both in one list
    Path("data/1_recordings.dvc").unlink()
    for text in ("first drop", "second drop"):
        (anna / "corrections.jsonl").write_text(text)
        dvc("add", "data/1_recordings/anna")
    dvc("add", "data/1_recordings/bob")
    (anna / "b.flac").write_text("not added")
    (anna / "corrections.jsonl").write_text("third drop")
    return project


OF_ANNA = {"sound", "first drop", "second drop"}
OF_BOB = {"name: bob", "sound of bob", "a paper that both have signed"}


def test_recordings_that_dvc_has_added_are_deleted_in_every_state_and_cannot_come_back(added, capsys):
    assert cached() >= OF_ANNA | OF_BOB
    record = Path("data/1_recordings/anna/voice.yaml").read_text()
    assert record in cached()
    revoke_voice("anna", delete="all")
    assert "6 objects of DVC's cache" in capsys.readouterr().out  # four files, and two lists
    assert cached() == OF_BOB
    assert not Path("data/1_recordings/anna.dvc").exists()
    shutil.rmtree("data/1_recordings/bob")
    dvc("checkout")
    assert Path("data/1_recordings/bob/signed.txt").read_text() == "a paper that both have signed"
    assert not Path("data/1_recordings/anna").exists()


def test_recordings_stay_in_the_cache_where_only_what_was_made_of_them_is_deleted(added):
    Path("data/2_clips/anna/copy.flac").write_text("sound")  # the bytes of a recording
    revoke_voice("anna", delete="derived")
    assert cached() >= OF_ANNA | OF_BOB


def test_voice_of_the_same_name_in_another_project_keeps_its_recordings_in_a_shared_cache(added, tmp_path):
    other = tmp_path / "other"
    (other / "data/1_recordings/anna").mkdir(parents=True)
    (other / "data/1_recordings/anna/voice.yaml").write_text("name: anna  # of another project")
    (other / "data/1_recordings/anna/c.flac").write_text("sound of another anna")
    shared = tmp_path / "cache"
    shutil.move(".dvc/cache", shared)
    dvc("config", "cache.dir", str(shared))
    for command in (("init", "--no-scm"), ("config", "cache.dir", str(shared)), ("add", "data/1_recordings/anna")):
        dvc("--cd", str(other), *command)
    revoke_voice("anna", delete="all")
    assert cached() == OF_BOB | {"name: anna  # of another project", "sound of another anna"}
