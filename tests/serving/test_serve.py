"""`vox serve` in a project with released voices: real workers, real releases, a signal at the end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from queue import Queue

import httpx
import numpy as np
import pytest
from engine_helpers import Project, streamed
from imports import ROOT
from ruamel.yaml import YAML
from serving_projects import project, serving_template  # noqa: F401  (fixtures)

TEXT = "The kettle is on the stove."


class Served:
    """A running `vox serve`."""

    def __init__(self, project: Project, *arguments: str) -> None:  # noqa: F811
        root = project.store.root
        yaml = YAML()
        params = yaml.load((root / "params.yaml").read_text(encoding="utf-8"))
        params["serve"]["engine"] |= {"devices": ["cpu"], "follow_seconds": 0.2, "stream_share": 100.0}
        with (root / "params.yaml").open("w", encoding="utf-8") as file:
            yaml.dump(params, file)
        (root / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
        command = [sys.executable, "-m", "flows.cli", "serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(
            command, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1
        )
        self.lines: Queue[str] = Queue()
        self.errors: list[str] = []
        threading.Thread(target=lambda: [self.lines.put(line) for line in self.process.stdout], daemon=True).start()
        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True).start()
        self.address = self.line(r"page +(\S+)/$")

    def line(self, pattern: str) -> str:
        while True:
            match = re.match(pattern, self.lines.get(timeout=120).strip())
            if match:
                return match[1]

    def post(self, **changes) -> httpx.Response:
        body = {"model": "tts-1", "input": TEXT, "voice": "anna", "response_format": "wav"} | changes
        return httpx.post(f"{self.address}/v1/audio/speech", json=body, timeout=60)

    def until(self, status: int, **changes) -> httpx.Response:
        deadline = time.monotonic() + 60
        while (answer := self.post(**changes)).status_code != status:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.05)
        return answer


@pytest.fixture
def served(project: Project) -> Iterator[Served]:  # noqa: F811
    one = Served(project)
    yield one
    if one.process.poll() is None:
        one.process.kill()
    one.process.wait(10)


@pytest.mark.slow
def test_released_voices_are_served_as_the_registry_says_until_a_signal(served: Served, project: Project):  # noqa: F811
    assert served.line(r"voice +anna version (\d)") == "2"
    answer = served.until(200)
    assert answer.headers["x-voice-version"] == "2" and answer.headers["x-lane"] == "realtime"
    alone = streamed(project.voice("anna", 2), TEXT, 0)
    np.testing.assert_array_equal(np.frombuffer(answer.content[44:], "<i2"), alone)
    assert served.until(200, lane="batch").headers["x-lane"] == "batch"
    assert served.post(version=9).status_code == 404
    assert served.post(input="😀").status_code == 422

    job = httpx.post(f"{served.address}/v1/jobs", json={"voice": "anna", "input": [TEXT, "Who is there?"]}).json()
    deadline = time.monotonic() + 60
    while job["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
        job = httpx.get(f"{served.address}/v1/jobs/{job['id']}").json()
    assert job["status"] in ("done", "needs_review") and job["version"] == 2
    assert httpx.get(f"{served.address}{job['items'][1]['url']}").content.startswith(b"RIFF")
    counted = re.findall(r'sentences_total{lane="batch",.*} (\d)', httpx.get(f"{served.address}/metrics").text)
    assert sum(map(int, counted)) == 3  # of the answer and of both items

    project.rollback("anna")
    assert served.line(r"voice +anna version (\d)") == "1"
    assert served.post().headers["x-voice-version"] == "1"

    body = {"voice": "bob", "input": " ".join([TEXT] * 140), "response_format": "pcm", "lane": "realtime"}
    with httpx.stream("POST", f"{served.address}/v1/audio/speech", json=body, timeout=60) as stream:
        sounding = stream.iter_raw(4096)
        assert next(sounding)
        project.revoke("bob")
        begin = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):  # the answer is cut off: what it holds is not the whole text
            for _ in sounding:
                time.sleep(0.005)
        assert time.monotonic() - begin < 5
    assert served.until(410, voice="bob").json()["error"]["type"] == "revoked"
    assert time.monotonic() - begin < 5
    listed = httpx.get(f"{served.address}/v1/voices").json()["data"]
    assert [one["voice"] for one in listed] == ["anna"]

    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0
    assert "Traceback" not in "".join(served.errors) and TEXT not in "".join(served.errors)
