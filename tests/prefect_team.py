"""A Prefect server, a process work pool and its workers for tests, as docs/deployments.md sets them up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imports import ROOT
from project import environment, run

SECONDS = 240.0  # for one run, on a busy machine


class Team:
    """The server of a project folder, with the deployments of prefect.yaml. Talks to Prefect's API alone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copy(ROOT / "prefect.yaml", root)
        code = "from flows.prefect_server import ensure_server; print(ensure_server())"
        self.api = run([sys.executable, "-c", code], root).stdout.strip()
        self._prefect("work-pool", "create", "voxfoundry", "--type", "process")
        self._prefect("--no-prompt", "deploy", "--all")

    def _prefect(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(command, cwd=self.root, env=self._environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def _environment(self) -> dict[str, str]:
        return environment() | {"PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.root / ".prefect")}

    @contextmanager
    def worker(self, folder: Path, **settings: str) -> Iterator[Path]:
        """Run a worker of the pool for a project folder, and yield the file with what it prints.

        Args:
            folder: What the worker takes for its project.
            settings: More environment variables.
        """
        log = folder.parent / f"worker-of-{folder.name}.log"
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "voxfoundry"]
        env = self._environment() | {"VOXFOUNDRY_PROJECT": str(folder), "PREFECT_WORKER_QUERY_SECONDS": "1"} | settings
        with log.open("w") as file:
            child = subprocess.Popen(
                command, cwd=folder.parent, env=env, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            yield log
        finally:
            child.terminate()
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:  # it waits for a run that nobody needs any more
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def start(self, deployment: str, **parameters: object) -> str:
        """Start a run of a deployment and return its id."""
        found = self.fetch(f"deployments/name/{deployment}/{deployment}")
        return self.fetch(f"deployments/{found['id']}/create_flow_run", {"parameters": parameters})["id"]

    def wait(self, run_id: str, *states: str) -> dict:
        """Return a run once it is in one of the states, by default one that is final."""
        wanted = states or ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            found = self.fetch(f"flow_runs/{run_id}")
            if found["state_type"] in wanted:
                return found
            time.sleep(0.3)
        raise AssertionError(f"{found['name']} is {found['state_name']} after {SECONDS} s: {found['state']['message']}")

    def run(self, deployment: str, **parameters: object) -> tuple[str, str]:
        """Run a deployment to its end and return the name and the message of its state."""
        ended = self.wait(self.start(deployment, **parameters))
        return ended["state_name"], ended["state"]["message"] or ""

    def form(self, run_id: str) -> dict:
        """Return the fields of the form of a run that waits. Prefect stores it shortly after the state."""
        state = self.wait(run_id, "PAUSED")["state"]
        key = state["state_details"]["run_input_keyset"]["schema"]
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            found = self.fetch(f"flow_runs/{run_id}/input/filter", {"prefix": key})
            if found:
                return json.loads(found[0]["value"])["properties"]
            time.sleep(0.3)
        raise AssertionError(f"{run_id} waits without a form for {SECONDS} s")

    def answer(self, run_id: str, **answer: str) -> str:
        """Answer a run that waits, once it has its form, and return why the server refuses the answer, or ""."""
        self.form(run_id)
        response = self.fetch(f"flow_runs/{run_id}/resume", {"run_input": answer})
        return "" if response["status"] == "ACCEPT" else response["details"]["reason"]

    def runs_of(self, flow: str) -> list[dict]:
        """Return the runs of a flow, the oldest first."""
        found = self.fetch("flow_runs/filter", {"flows": {"name": {"any_": [flow]}}})
        return sorted(found, key=lambda one: one["created"])

    def fetch(self, path: str, content: dict | None = None) -> dict | list:
        """Return what the API answers."""
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.api}/{path}", body, {"Content-Type": "application/json"})
        for _ in range(20):  # as Prefect's own client does while SQLite is busy
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                time.sleep(1)
        raise AssertionError(f"{path} is not available")


def stop_server(root: Path) -> None:
    """Stop the server of a project folder."""
    run([sys.executable, "-c", "from flows.prefect_server import stop_server; stop_server()"], root)
