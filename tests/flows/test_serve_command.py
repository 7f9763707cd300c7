"""`vox serve` refuses settings that would open it to others, and a port that is in use, in a sentence each."""

from __future__ import annotations

import shutil
import socket

import pytest
from click.testing import CliRunner
from imports import ROOT

from flows.cli import vox


@pytest.fixture
def in_project(tmp_path, monkeypatch):
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_SERVING_DATABASE_URI"):
        monkeypatch.delenv(name, raising=False)


def refusal(*arguments: str) -> str:
    done = CliRunner().invoke(vox, ["serve", *arguments], standalone_mode=False)
    assert done.exception is not None
    return str(done.exception)


def test_others_are_not_served_without_keys(in_project):
    assert "require_keys: true, or host: 127.0.0.1" in refusal("--host", "0.0.0.0")


def test_a_port_in_use_is_named_with_what_to_do(in_project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port} cannot be used" in refusal("--port", str(port))


def test_a_name_that_no_voice_can_have_is_refused(in_project):
    assert "cannot be a voice's name" in refusal("../anna")
