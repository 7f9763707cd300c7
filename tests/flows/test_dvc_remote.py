"""The default remote of a project is read as DVC writes it."""

from __future__ import annotations

import subprocess
import sys

from flows.dvc_remote import default_remote


def dvc(*arguments):
    subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)


def test_the_default_remote_is_found_in_the_config_and_the_local_one_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_remote() == ""
    dvc("init", "--no-scm")
    dvc("remote", "add", "other", "s3://100%/a")
    assert default_remote() == ""
    dvc("remote", "add", "--default", "store", "s3://bucket/a")
    assert default_remote() == "store"
    dvc("remote", "default", "--local", "other")
    assert default_remote() == "other"
