"""deploy/ for the service: the files follow their schemas, and name only what the product really has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from imports import ROOT
from prometheus_client import generate_latest
from ruamel.yaml import YAML
from serving_helpers import ThreadEngine, make_settings

from serving.api.app import make_app, make_service

DEPLOY = ROOT / "deploy"
COMPOSE = sorted(DEPLOY.glob("compose*.yaml"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
DOCKERFILE = DEPLOY / "service/Dockerfile"
ALERTS = DEPLOY / "monitoring/alerts.yml"
DASHBOARD = DEPLOY / "monitoring/grafana/serving.json"
SERVING_PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")


def load(path: Path) -> list[dict]:
    return [one for one in YAML(typ="safe").load_all(path.read_text(encoding="utf-8")) if one]


@pytest.fixture(scope="module")
def service():
    return make_service(ThreadEngine(synthesizer=None), make_settings())


@pytest.fixture(scope="module")
def metrics(service) -> set[str]:
    """The names that Prometheus can ask for."""
    names = set()
    for line in generate_latest(service.metrics.registry).decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            names |= {f"{name}_{end}" for end in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names | {"up"}


def queries() -> list[tuple[str, str]]:
    """Every query of the alerts and of the dashboard, with its place."""
    alerts = [(rule["alert"], rule["expr"]) for group in load(ALERTS)[0]["groups"] for rule in group["rules"]]
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return alerts + [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_compose_file_follows_the_schema_of_the_specification(path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_manifests_follow_the_schemas_of_kubernetes():
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", *MANIFESTS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    n_resources = sum(len(load(path)) for path in MANIFESTS)
    assert (done.stdout + done.stderr).count(" passed for resource ") == n_resources


def test_images_are_pinned_and_ports_are_published_on_loopback_only():
    services = {name: one for path in COMPOSE for name, one in load(path)[0]["services"].items() if len(one) > 1}
    images = [one["image"] for one in services.values() if "image" in one]
    images += re.findall(r"(?m)^FROM (\S+:\S+)", DOCKERFILE.read_text(encoding="utf-8"))
    assert len(images) >= 7 and all(re.search(r":v?\d+(\.\d+)*(-[\w.-]+)?$", image) for image in images), images
    ports = [port for one in services.values() for port in one.get("ports", [])]
    assert len(ports) == len(set(ports)) == 7 and all(port.startswith("127.0.0.1:") for port in ports)


def test_files_that_compose_mounts_exist():
    for path in COMPOSE:
        document = load(path)[0]
        files = [one["file"] for one in document.get("configs", {}).values() if "file" in one]
        builds = [
            DEPLOY / one["build"]["context"] / one["build"]["dockerfile"]
            for one in document["services"].values()
            if isinstance(one.get("build"), dict)
        ]
        for file in (*(DEPLOY / name for name in (*files, *document.get("include", []))), *builds):
            assert file.is_file(), file


def test_the_image_installs_the_lock_by_hashes_and_runs_as_nobody_special():
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert "--verify-hashes --constraint requirements.lock" in text
    stages = re.findall(r"(?m)^FROM \S+ AS (\w+)", text)
    assert stages == ["build", "cpu", "cuda"] and "\nUSER 10001:10001\n" in text and "\nHEALTHCHECK " in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = set(re.findall(r"--extra (\w+)", text))
    assert extras and extras <= set(project["project"]["optional-dependencies"])
    ignored = (DEPLOY / "service/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages | {"pyproject.toml", "requirements.lock"} <= kept
    assert all((ROOT / name).exists() for name in kept)


def test_pods_have_no_rights_that_they_do_not_need_and_one_gpu_each():
    (deployment,) = [one for path in MANIFESTS for one in load(path) if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    drain = make_settings().limits.drain_seconds
    grace = container["lifecycle"]["preStop"]["sleep"]["seconds"] + drain
    assert pod["terminationGracePeriodSeconds"] >= grace + 10
    written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert written == {"/project/.vox", "/project/.cache", "/tmp"}


def test_everything_that_selects_the_pods_selects_these_pods():
    by_kind = {one["kind"]: one for path in MANIFESTS for one in load(path)}
    labels = by_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for kind, field in (
        ("Deployment", "selector"),
        ("PodDisruptionBudget", "selector"),
        ("NetworkPolicy", "podSelector"),
    ):
        assert by_kind[kind]["spec"][field]["matchLabels"] == labels, kind
    assert by_kind["Service"]["spec"]["selector"] == labels
    target = by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", by_kind["Deployment"]["metadata"]["name"])
    namespaces = {one["metadata"].get("namespace", one["metadata"]["name"]) for one in by_kind.values()}
    assert namespaces == {"voxfoundry"}


def test_probes_ask_addresses_that_the_service_answers(service):
    from starlette.testclient import TestClient

    (deployment,) = [one for path in MANIFESTS for one in load(path) if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    paths = {container[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    paths.add(deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"])
    assert paths == {"/healthz", "/readyz", "/metrics"}
    client = TestClient(make_app(service), base_url="http://127.0.0.1")
    assert all(client.get(path).status_code == 200 for path in paths)


def test_what_the_pods_are_scaled_by_exists(metrics):
    (scaler,) = [one for path in MANIFESTS for one in load(path) if one["kind"] == "HorizontalPodAutoscaler"]
    (metric,) = scaler["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] in metrics
    assert float(metric["pods"]["target"]["averageValue"]) < make_settings().engine.max_backlog_seconds


@pytest.mark.parametrize("place", ["secret.yaml", "compose.serving.yaml"])
def test_variables_are_those_that_the_product_reads(place):
    if place == "secret.yaml":
        names = load(DEPLOY / "kubernetes" / place)[0]["stringData"]
    else:
        names = load(DEPLOY / place)[0]["services"]["serving"]["environment"]
    code = "".join(
        path.read_text(encoding="utf-8") for name in ("serving", "registry") for path in (ROOT / name).rglob("*.py")
    )
    read_by_libraries = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}  # obstore
    read_by_libraries |= {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
    assert {name for name in names if name not in code} <= read_by_libraries


@pytest.mark.parametrize(("place", "query"), queries(), ids=lambda value: value if " " in value[:20] else None)
def test_queries_name_metrics_and_labels_that_the_service_has(place, query, metrics, service):
    names = set(re.findall(r"\b(?:voxfoundry_\w+|up)\b", query))
    assert names and names <= metrics, names - metrics
    for opening, closing in ("()", "[]", "{}"):
        assert query.count(opening) == query.count(closing)
    labels = set(re.findall(r"[{,]\s*(\w+)\s*!?=~?\"", query)) | {
        label for group in re.findall(r"by \(([^)]*)\)", query) for label in re.split(r",\s*", group)
    }
    known = {"le", "instance", "job", "worker"}
    for collector in service.metrics.registry._collector_to_names:
        known |= set(getattr(collector, "_labelnames", ()))
    assert labels <= known, labels - known


def test_values_of_labels_in_queries_are_those_that_the_service_gives():
    from serving.errors import documented_errors

    types = {error.type for error in documented_errors()}
    for place, query in queries():
        for error in re.findall(r'error="(\w+)"', query):
            assert error in types, place
        for lane in re.findall(r'lane="(\w+)"', query):
            assert lane in ("realtime", "batch"), place


def test_the_runbook_says_what_to_do_about_every_alert():
    runbook = SERVING_PAGE[SERVING_PAGE.index("## Runbook") :]
    for group in load(ALERTS)[0]["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['alert']}`" in runbook, rule["alert"]
            assert rule["labels"]["severity"] in ("page", "ticket") and rule["annotations"]["summary"]
    assert set(re.findall(r"`(Voxfoundry[A-Z]\w+)`", runbook)) <= {place for place, _ in queries()}


def test_panels_have_places_of_their_own():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
