"""`vox serve` with real workers is killed in the midst of a job. The next start ends the job, with the same speech."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import httpx
import pytest
from engine_helpers import TEXT, Project
from imports import ROOT
from ruamel.yaml import YAML
from serving_projects import project, serving_template  # noqa: F401  (fixtures)


def start(project: Project) -> tuple[subprocess.Popen, str]:  # noqa: F811
    root = project.store.root
    yaml = YAML()
    params = yaml.load((root / "params.yaml").read_text(encoding="utf-8"))
    params["serve"]["engine"] |= {"devices": ["cpu"], "follow_seconds": 0.2}
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    (root / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "serve", "--port", "0"], cwd=root, text=True, stdout=subprocess.PIPE
    )
    for line in process.stdout:
        if match := re.match(r"page +(\S+)/$", line.strip()):
            return process, match[1]
    raise AssertionError("it did not start")


def wait(condition, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_job_survives_kill_9_of_the_whole_service(project: Project):  # noqa: F811
    process, address = start(project)
    wait(lambda: httpx.get(f"{address}/readyz").status_code == 200)
    # All different, because what was said before comes from memory, and so many that the kill comes before the end
    texts = [f"{TEXT} It is number {number}." for number in range(40)]
    body = {"voice": "anna", "input": texts, "response_format": "pcm", "sample_rate": 32000}
    answer = httpx.post(f"{address}/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 202, answer.text
    url = answer.headers["location"]
    wait(lambda: httpx.get(f"{address}{url}").json()["items"][0]["sha256"])
    process.kill()
    process.wait()

    process, address = start(project)
    begin = time.monotonic()
    wait(lambda: httpx.get(f"{address}{url}").json()["attempts"] == 2)
    taken_up = time.monotonic() - begin
    wait(lambda: httpx.get(f"{address}{url}").json()["status"] in ("done", "needs_review", "failed"))
    job = httpx.get(f"{address}{url}").json()
    assert job["status"] in ("done", "needs_review"), job["error"]
    again = httpx.post(f"{address}/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    assert again.json()["id"] == job["id"]
    for number in (0, len(texts) - 1):  # of before the kill, and of after it
        said = httpx.post(
            f"{address}/v1/audio/speech",
            json={
                "voice": "anna",
                "input": texts[number],
                "lane": "batch",
                "response_format": "pcm",
                "sample_rate": 32000,
            },
            timeout=60,
        )
        assert said.content == httpx.get(f"{address}{job['items'][number]['url']}").content
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert taken_up < 20  # 5 s without a heartbeat, and the start of a worker
