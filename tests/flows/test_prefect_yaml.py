"""prefect.yaml names flows that exist, with parameters that they take."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest
from imports import ROOT
from process_helpers import environment
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


def test_flows_are_not_retried_whatever_prefect_is_set_to():
    """A rollback that was done would be done again, and go back two releases."""
    code = """
import flows.deployments, flows.prefect_engine
from prefect import Flow
modules = (flows.deployments, flows.prefect_engine)
found = [value for module in modules for value in vars(module).values() if isinstance(value, Flow)]
print(sorted({flow.retries for flow in found}), len(found) >= 7)
"""
    settings = environment() | {"PREFECT_FLOW_DEFAULT_RETRIES": "3", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=settings, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[0] True"


def test_flows_that_are_made_at_a_run_are_not_retried_either():
    for file in (ROOT / "flows").glob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert "@flow(" not in line or line.endswith("retries=0)"), f"{file.name}: {line}"


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
