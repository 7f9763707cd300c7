"""`vox api-keys`: the key is printed once, the list has no secret, and a revoked key stays listed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from flows.cli import vox
from serving.keys.bearer import parse_key


@pytest.fixture
def call(tmp_path, monkeypatch):
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str):
        return CliRunner().invoke(vox, ["api-keys", *arguments], standalone_mode=False)

    return run


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(call):
    first, *_ = call("create", "anna", "--voice", "sample", "--lane", "batch", "--per-minute", "60").output.splitlines()
    key = parse_key(first)
    listed = call("list", "--json").output
    assert key.secret not in listed
    (row,) = json.loads(listed)["keys"]
    assert (row["id"], row["voices"], row["lanes"], row["purposes"], row["valid"]) == (
        key.id,
        ["sample"],
        ["batch"],
        None,
        True,
    )
    assert "anna" in call("revoke", key.id).output
    assert "revoked" in call("list").output


def test_wrong_values_are_refused_with_what_would_be_right(call):
    assert "realtime, batch" in str(call("create", "anna", "--lane", "fast").exception)
    assert "not both" in str(call("create", "anna", "--days", "1", "--until", "2099-01-01").exception)
    assert "not in the range" in str(call("create", "anna", "--days", "1e9").exception)
    assert "api-keys list" in str(call("revoke", "nobody").exception)
