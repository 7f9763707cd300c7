"""`vox keys` as a user gives it."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner
from imports import ROOT
from key_helpers import make_signer

from flows.cli import vox
from flows.guard import run_guarded
from registry.keys.trust import TRUST_FILE, load_trust


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("VOXFOUNDRY_SIGNING_KEY", "VOXFOUNDRY_TRUSTED_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def give(project, capsys):
    """Return a function that gives a command and returns exit code, stdout and stderr."""

    def run(*arguments):
        code = run_guarded(lambda: vox.main(list(arguments), standalone_mode=False), debug=False)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_team_begins_with_its_own_key_and_adds_ci_as_an_engineer(give, project):
    assert give("keys", "create")[0] == 0
    assert "no trusted_keys.yaml" in give("keys", "list")[1]
    assert give("keys", "trust", "anna")[0] == 0
    assert give("keys", "create", "--output", "ci.pem")[0] == 0
    code, printed, _ = give("keys", "trust", "ci", "ci.pem", "--role", "engineer")
    assert code == 0
    assert "commit trusted_keys.yaml" in printed
    code, printed, _ = give("keys", "list", "--json")
    rows = json.loads(printed)["keys"]
    assert [(row["name"], row["roles"], row["own"]) for row in rows] == [
        ("anna", ["engineer", "release_manager", "privacy_officer"], True),
        ("ci", ["engineer"], False),
    ]
    assert "PRIVATE" not in (project / TRUST_FILE).read_text()


def test_list_names_what_ended_and_what_is_this_machines(give):
    give("keys", "trust", "anna")
    give("keys", "rotate")
    code, printed, _ = give("keys", "list")
    assert code == 0
    assert [line.split()[-1] for line in printed.splitlines()[1:]] == ["ended", "machine"]


def test_revocation_takes_a_day_in_utc(give, project, tmp_path):
    give("keys", "trust", "anna")
    ben = make_signer(tmp_path, "ben")
    give("keys", "trust", "ben", ben.public_key, "--role", "engineer", "--from", "2026-01-01")
    code, printed, _ = give("keys", "revoke", "ben", "--on", "2026-02-01")
    assert (code, "does not count from 2026-02-01T00:00:00.000Z on" in printed) == (0, True)
    assert load_trust(project).roles_of(ben.public_key, "2026-01-31") == ("engineer",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("keys", "trust", "ben", "ab" * 32), "name what ben may sign with --role"),
        (("keys", "trust", "ben", "ab" * 32, "--role", "king"), "'king' is not one of"),
        (("keys", "trust", "b/n", "--role", "engineer"), "name: String should match pattern"),
        (("keys", "trust", "ben", "absent.pub", "--role", "engineer"), "neither a file nor a public key"),
        (("keys", "revoke", "anna", "--on", "yesterday"), "'yesterday' is not a day or a moment"),
        (("keys", "revoke", "anna"), "the last trusted key"),
        (("keys", "revoke", "[/x]"), "no trusted key belongs to '[/x]'"),
    ],
)
def test_wrong_input_is_one_sentence_and_changes_nothing(give, project, arguments, message):
    give("keys", "trust", "anna")
    before = (project / TRUST_FILE).read_text()
    code, printed, error = give(*arguments)
    assert (code, printed) == (2, "")
    assert message in error
    assert "a fault of vox" not in error
    assert (project / TRUST_FILE).read_text() == before


def test_help_of_every_key_command_says_what_it_does():
    for command in ("create", "trust", "list", "rotate", "revoke"):
        done = CliRunner().invoke(vox, ["keys", command, "--help"])
        assert done.exit_code == 0
        assert len(done.output) > 100
