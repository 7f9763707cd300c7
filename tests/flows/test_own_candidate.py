"""`vox gate` without a version judges the checkout's own candidate, whatever else is in the registry."""

from __future__ import annotations

import json

import pytest
from checkouts import name_candidate

from flows.cli import vox
from registry.candidates.candidate import find_candidate
from registry.storage.store import open_store


@pytest.fixture
def gate(checkout, capsys):
    """Return a function that runs `vox gate anna` and gives the exit code, the version of the verdict and the text."""

    def run(*arguments):
        command = ["gate", "anna", "--first-release", "--json", "verdict.json", *arguments]
        code = vox.main(command, standalone_mode=False)
        verdict = json.loads((checkout / "verdict.json").read_text(encoding="utf-8"))["verdict"]
        return code, verdict["candidate"]["version"], " ".join(capsys.readouterr().out.split())

    return run


def test_checkouts_own_candidate_is_gated_although_another_job_registered_a_newer_one(checkout, gate):
    name_candidate(checkout, find_candidate(open_store(), "anna", 1))
    code, version, _ = gate()
    assert (code, version) == (0, 1)


def test_named_version_is_gated_whatever_the_checkout_made(checkout, gate):
    name_candidate(checkout, find_candidate(open_store(), "anna", 1))
    code, version, _ = gate("--candidate", "2")
    assert (code, version) == (0, 2)


def test_checkout_that_made_no_candidate_gates_the_newest_and_says_so(gate):
    code, version, said = gate()
    assert (code, version) == (0, 2)
    assert "this checkout has made no candidate of anna, so the newest in the registry is gated: version 2" in said
