"""`vox provenance verify`: the exit code tells whether the mark holds, and the output what it says."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from provenance_helpers import marked, sound

from flows.cli import vox


@pytest.fixture
def call(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").touch()
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        return CliRunner().invoke(vox, ["provenance", "verify", *map(str, arguments)], standalone_mode=False)

    return call


def test_a_marked_file_is_valid_and_says_what_spoke(call, tmp_path):
    file, _ = marked(tmp_path, "mp3")
    done = call(file)
    assert done.return_value == 0
    assert "valid: " in done.output and "made by an AI" in done.output and "anna version 2" in done.output
    assert json.loads(call(file, "--json").output)["facts"]["candidate_id"] == "c2"


def test_the_sidecar_beside_a_file_is_found(call, tmp_path):
    file, sidecar = marked(tmp_path, "opus")
    assert call(file).return_value == 1
    file.with_name("speech.opus.provenance.json").write_bytes(sidecar)
    assert call(file).return_value == 0
    file.write_bytes(file.read_bytes() + b"\0")
    done = call(file)
    assert done.return_value == 1 and "invalid: " in done.output


def test_a_file_without_a_mark_is_told(call, tmp_path):
    (tmp_path / "plain.wav").write_bytes(sound("wav"))
    done = call(tmp_path / "plain.wav")
    assert done.return_value == 1 and done.output.startswith("none: ")
