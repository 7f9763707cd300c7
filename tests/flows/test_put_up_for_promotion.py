"""How the flow train_and_release puts a pass up for promotion. Prefect's server is replaced."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from checkouts import name_candidate

from flows import deployments, gate_and_promote
from flows.gate_and_promote import gate_newest
from flows.train_and_release import Outcome
from registry.candidates.candidate import find_candidate
from registry.gate.policy import parse_policy
from registry.releases import promotion
from registry.storage.store import open_store
from stages.params import load_params


@pytest.fixture
def put_up(checkout, monkeypatch):
    """Return a function that runs the flow for a version of anna and gives the parameters of its promotion."""
    started = []

    def start(name, *, parameters, **_):
        started.append(parameters)
        return SimpleNamespace(id="run")

    def run_pipeline(request, view, *, engine):
        policy = parse_policy(load_params().gate)
        candidate = gate_newest(request.voice, policy, first_release=request.first_release)
        return Outcome(stages=(), candidate=candidate, release="", report=Path("report.html"))

    monkeypatch.setattr(promotion, "speak_once", lambda folder, texts: None)
    monkeypatch.setattr(deployments, "_only_run_of", lambda voice: nullcontext())
    monkeypatch.setattr(deployments, "run_pipeline", run_pipeline)
    monkeypatch.setattr(deployments, "default_remote", lambda: None)
    monkeypatch.setattr(deployments, "run_deployment", start)
    monkeypatch.setattr(deployments, "get_run_logger", lambda: logging.getLogger("test"))

    def run(version):
        name_candidate(checkout, find_candidate(open_store(), "anna", version))
        deployments.train_and_release.fn("anna", promote=True, first_release=True)
        return started[-1]

    return run


def test_second_release_is_put_up_as_one_that_can_be_promoted(put_up):
    first = put_up(1)
    assert first == {"voice": "anna", "version": 1, "first_release": True}
    gate_and_promote.promote(**first)
    second = put_up(2)
    assert second == {"voice": "anna", "version": 2, "first_release": False}
    assert "version 2 is champion now" in gate_and_promote.promote(**second)
