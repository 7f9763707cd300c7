"""The deployments of prefect.yaml, run through a real worker of a process work pool."""

from __future__ import annotations

import json
import sys
import urllib.error

import pytest
from pipeline_helpers import LENIENT
from prefect_team import Team, stop_server
from project import VOICE, run, vox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Another version of the same voice: it pauses a little longer between sentences, and has the same scores.
SECOND_VERSION = """
import json, shutil
from pathlib import Path
from registry.candidates.registration import register_candidate
from registry.storage.store import open_store
from stages.lineage import lineage
from stages.params import load_params

shutil.copytree("data/6_scores/tiny", "build/second")
preset = Path("build/second/voice/preset.json")
preset.write_text(json.dumps(json.loads(preset.read_text()) | {"pause_seconds": 0.31}))
origin = lineage("tiny", Path("data/1_manifests/tiny"), load_params())
second = register_candidate(open_store(), "tiny", voice_folder=preset.parent,
    scorecard_path=Path("build/second/scorecard.json"), lineage=origin.tags, lineage_files=origin.files)
assert second.version == 2
"""


@pytest.fixture(scope="module")
def project(finished):
    """A finished voice under a policy that it passes."""
    code = f"from flows.settings import apply_settings; apply_settings({list(LENIENT)!r})"
    run([sys.executable, "-c", code], finished)
    return finished


@pytest.fixture(scope="module")
def team(project):
    """A server with the deployments, and one worker in the project."""
    try:
        team = Team(project)
        with team.worker(project):
            yield team
    finally:
        stop_server(project)


def champion(root):
    return json.loads(vox(root, "releases", VOICE, "--json", check=True).stdout)["champion"]


def verdict_of(team, run_id):
    """Return the verdict that the form of a waiting run shows."""
    return team.form(run_id)["verdict"]["default"]


def test_a_voice_goes_from_a_run_to_a_release_and_back(team, project):
    # 1. A run that passes asks for its promotion, and another run of the voice at the same time waits for it.
    first = team.start("train_and_release", voice=VOICE, promote=True, first_release=True)
    second = team.start("train_and_release", voice=VOICE, first_release=True)
    ended = [team.wait(one) for one in (first, second)]
    assert [one["state_name"] for one in ended] == ["Completed", "Completed"], ended
    assert ended[0]["state"]["message"] == "version 1: pass"
    assert [one["name"] for one in ended] == [VOICE, VOICE]

    # 2. A person approves it.
    (asked,) = team.runs_of("promote")
    approval = {"decision": "promote", "verdict": verdict_of(team, asked["id"])}
    assert champion(project) is None
    assert "name" in team.answer(asked["id"], decision="promote"), "an answer without a name"
    assert team.answer(asked["id"], name="Ada Lovelace", **approval) == ""
    assert team.wait(asked["id"])["state_name"] == "Completed"
    journal = json.loads(vox(project, "releases", VOICE, "--json").stdout)
    assert (journal["champion"], journal["journal"][-1]["actor"]) == (1, "Ada Lovelace")

    # 3. A second version is gated. Its promotion is rejected once, then approved for a verdict that it does not have.
    run([sys.executable, "-c", SECOND_VERSION], project)
    assert team.run("gate", voice=VOICE, version=2) == ("Completed", "version 2: pass")
    rejected = team.start("promote", voice=VOICE, version=2)
    forgotten = team.start("promote", voice=VOICE, version=2, approval_seconds=1)
    assert team.answer(rejected, decision="reject", name="Bob", verdict=verdict_of(team, rejected)) == ""
    assert (found := team.wait(rejected))["state_name"] == "Rejected", found
    assert found["state"]["message"] == "Bob rejected version 2"
    assert "never resumed" in team.wait(forgotten)["state"]["message"]
    mistaken = team.start("promote", voice=VOICE, version=2)
    assert team.answer(mistaken, decision="promote", name="Ada Lovelace", verdict="0" * 64) == ""
    assert (found := team.wait(mistaken))["state_name"] == "Failed", found
    assert "approved the verdict 000000000000" in found["state"]["message"]
    assert champion(project) == 1

    # 4. It is released, and rolled back by a run that asks nobody.
    promoted = team.start("promote", voice=VOICE, version=2)
    assert team.answer(promoted, decision="promote", name="Ada Lovelace", verdict=verdict_of(team, promoted)) == ""
    assert team.wait(promoted)["state_name"] == "Completed"
    assert champion(project) == 2
    state, message = team.run("rollback", voice=VOICE)
    assert (state, champion(project)) == ("Completed", 1), message
    state, message = team.run("promote", voice=VOICE, version=2)  # which asks nobody, because nobody may approve it
    assert state == "Failed" and "taken back since" in message, message
    assert champion(project) == 1

    # 5. The champion is scored again as on Mondays.
    assert team.run("evaluate_champion", voice=VOICE)[0] == "Completed"
    artifacts = {artifact["key"] for artifact in team.fetch("artifacts/filter", {}) if artifact["key"]}
    assert artifacts == {f"{VOICE}-{kind}" for kind in ("figures", "verdict", "report", "trend", "drift")}


def test_a_name_that_is_no_voice_is_refused_by_the_server(team):
    with pytest.raises(urllib.error.HTTPError):
        team.start("rollback", voice="../sample")
