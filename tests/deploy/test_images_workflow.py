"""The workflow that builds the images of deploy/: it follows its schema, and no image and no target is left out."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

from imports import ROOT
from ruamel.yaml import YAML

from flows.cli import vox

WORKFLOW = ROOT / ".github/workflows/images.yml"
TEXT = WORKFLOW.read_text(encoding="utf-8")
STEPS = YAML(typ="safe").load(TEXT)["jobs"]["build"]["steps"]
BUILDS = [shlex.split(step["run"]) for step in STEPS if step.get("run", "").startswith("docker build")]


def option(command: list[str], name: str) -> str | None:
    return command[command.index(name) + 1] if name in command else None


def test_the_workflow_follows_the_schema_of_github():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_image_is_built_in_every_target_that_users_name():
    built = {(option(command, "--file"), option(command, "--target")) for command in BUILDS}
    wanted = set()
    for path in sorted((ROOT / "deploy").rglob("Dockerfile")):
        stages = re.findall(r"(?m)^FROM \S+ AS (\w+)", path.read_text(encoding="utf-8"))
        targets = [stage for stage in stages if stage != "build"] or [None]
        wanted |= {(str(path.relative_to(ROOT)), target) for target in targets}
    assert built == wanted and len(built) == 3


def test_what_the_images_copy_lies_in_the_folder_that_is_given_to_docker():
    for command in BUILDS:
        folder = ROOT / command[-1]
        text = (ROOT / option(command, "--file")).read_text(encoding="utf-8")
        for copied in re.findall(r"(?m)^COPY (?!--)(.+) \S+$", text):
            assert all((folder / name).exists() for name in copied.split()), copied


def test_it_runs_where_an_image_can_change_and_has_no_rights():
    workflow = YAML(typ="safe").load(TEXT)
    events = workflow[True] if True in workflow else workflow["on"]
    for event in ("pull_request", "push"):
        assert {"deploy/**", "requirements.lock", "pyproject.toml"} <= set(events[event]["paths"])
    assert workflow["permissions"] == {"contents": "read"} and "secrets." not in TEXT and "docker push" not in TEXT
    assert all(re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", step["uses"]) for step in STEPS if "uses" in step)


def test_the_images_that_are_started_were_built_and_the_command_exists():
    (script,) = [step["run"] for step in STEPS if "docker run" in step.get("run", "")]
    targets = re.search(r"for target in ([\w ]+);", script)[1].split()
    assert {f"voxfoundry:{target}" for target in targets} <= {option(command, "--tag") for command in BUILDS}
    assert '"voxfoundry:$target" vox --help\n' in script and vox.name
