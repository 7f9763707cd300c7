"""prefect.yaml names flows that exist, with parameters that they take."""

from __future__ import annotations

import inspect
import re

import pytest
from imports import ROOT
from pydantic import ValidationError
from ruamel.yaml import YAML

from flows.worker_project import PROJECT, WorkerProjectError, enter_project, require_project

DEPLOYMENTS = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]


def test_six_flows_are_deployed_under_their_names():
    from flows import deployments

    for deployment in DEPLOYMENTS:
        module, _, function = deployment["entrypoint"].rpartition(".")
        assert module == "flows.deployments"
        flow = getattr(deployments, function)
        assert flow.name == function == deployment["name"]
        assert flow.description, "Prefect shows it to whoever starts a run"
        for schedule in deployment.get("schedules", []):
            inspect.signature(flow.fn).bind(**schedule["parameters"])
    assert [one["name"] for one in DEPLOYMENTS] == [
        "train_and_release",
        "gate",
        "promote",
        "rollback",
        "evaluate_champion",
        "campaign",
    ]


@pytest.mark.parametrize("name", ["", " ", "Ada\nBob", "\x1b[31mAda", "A" * 101])
def test_an_approval_needs_the_name_of_a_person_in_one_line(name):
    from flows.deployments import Approval

    with pytest.raises(ValidationError):
        Approval(decision="promote", name=name, verdict="0" * 64)
    assert Approval(decision="promote", name="Ada Lovelace", verdict="0" * 64)


@pytest.mark.parametrize("folder", ["", "/nowhere", "."])
def test_a_worker_that_names_no_project_folder_is_told_how(monkeypatch, tmp_path, folder):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PROJECT, folder)
    assert enter_project() == {"directory": str(tmp_path)}, "it stays, and the flow explains it"
    with pytest.raises(WorkerProjectError, match="start the worker with"):
        require_project()


def test_a_worker_goes_to_its_project_folder(monkeypatch, tmp_path):
    monkeypatch.chdir("/")
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    monkeypatch.setenv(PROJECT, str(tmp_path))
    assert enter_project() == {"directory": str(tmp_path)}
    require_project()


def test_the_documented_automations_are_valid_and_know_the_states_of_the_flows():
    from prefect.automations import AutomationCore

    page = (ROOT / "docs/deployments.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(automations:.*?)```", page, flags=re.DOTALL)
    tell, end_lost_runs = (AutomationCore.model_validate(one) for one in YAML(typ="safe").load(block)["automations"])
    assert {"prefect.flow-run.Fail", "prefect.flow-run.Inconclusive"} <= tell.trigger.expect
    assert end_lost_runs.trigger.expect == {"prefect.flow-run.*"}, "a state that is not named would crash ended runs"
