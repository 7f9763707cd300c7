"""A pass on prompts that were replaced since does not release a voice."""

from __future__ import annotations

import pytest
from checkouts import PROMPTS, lock_prompts

from flows.cli import vox
from flows.gate_and_promote import gate_version
from registry.gate.policy import parse_policy
from registry.releases import promotion
from registry.releases.journal import champion
from registry.storage.store import open_store
from stages.params import load_params


@pytest.fixture
def promote(checkout, monkeypatch, capsys):
    """Return a function that runs `vox promote anna` for version 1, which passed, and gives exit code and text."""
    monkeypatch.setattr(promotion, "speak_once", lambda folder, texts: None)
    gate_version("anna", parse_policy(load_params().gate), version=1, first_release=True)

    def run():
        code = vox.main(["promote", "anna", "--version", "1", "--first-release"], standalone_mode=False)
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return run


def test_pass_on_the_prompts_of_today_releases(promote):
    code, said = promote()
    assert code == 0, said
    assert champion(open_store(), "anna").version == 1


def test_pass_on_replaced_prompts_is_refused(promote, checkout):
    lock_prompts(checkout, version=2, last="sun")
    code, said = promote()
    assert code == 1
    assert "its verdict is stale: the prompts of language en were replaced since it was given" in said
    assert champion(open_store(), "anna") is None


def test_prompts_that_differ_from_their_lock_are_refused(promote, checkout):
    path = checkout / PROMPTS
    path.write_text(path.read_text().replace("moon", "sun"))
    code, said = promote()
    assert code == 1
    assert "the prompts differ from the locked ones" in said
    assert champion(open_store(), "anna") is None
