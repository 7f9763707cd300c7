"""One Prefect server per project: started once, reused, stopped, and flows run through it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from process_helpers import assert_ends, children
from project import environment, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FLOW = """
import sys
from flows.prefect_server import ensure_server
ensure_server()
from flows.prefect_engine import PrefectEngine
from prefect import flow

@flow(name="probe")
def probe():
    return PrefectEngine().step("one step", lambda log: log("a line of the stage") or 41 + 1)

print(probe())
"""


ENSURE = [sys.executable, "-c", "from flows.prefect_server import ensure_server; print(ensure_server())"]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Return a folder in which two runs started the server at the same time, and the addresses that they got."""
    root = tmp_path_factory.mktemp("server")
    runs = [subprocess.Popen(ENSURE, cwd=root, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    yield root, [one.communicate(timeout=240)[0].strip() for one in runs]
    run([sys.executable, "-c", "from flows.prefect_server import stop_server; stop_server()"], root)


@pytest.fixture(scope="module")
def project(started):
    return started[0]


def test_two_simultaneous_runs_start_one_server(started):
    first, second = started[1]
    assert first == second
    assert first.startswith("http://127.0.0.1:")


def test_the_next_run_finds_the_server_fast(started):
    project, (url, _) = started
    begin = time.perf_counter()
    found = run(ENSURE, project).stdout.strip()
    assert time.perf_counter() - begin < 5
    assert found == url


def test_the_pages_of_the_server_know_its_address(project):
    url = run(ENSURE, project).stdout.strip()
    with urllib.request.urlopen(f"{url.removesuffix('/api')}/ui-settings", timeout=30) as answer:
        assert json.load(answer)["api_url"] == url


def test_a_proxy_for_the_rest_of_the_world_and_an_odd_path_do_not_stop_the_server(tmp_path):
    folder = tmp_path / "a%20b?c #d"
    folder.mkdir()
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    done = subprocess.run(
        [sys.executable, "-c", f"{FLOW}\nfrom flows.prefect_server import stop_server\nassert stop_server()"],
        cwd=folder,
        env=environment() | proxy,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith("42")
    assert (folder / ".prefect/prefect.db").is_file()


def start_and_end(folder, how: signal.Signals) -> int:
    """Start a run, end it by a signal while it waits for its server, and return the server's process."""
    waiting = subprocess.Popen(ENSURE, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (servers := children(waiting.pid)):
        assert waiting.poll() is None
        time.sleep(0.05)
    while b"\0start\0" not in Path(f"/proc/{servers[0]}/cmdline").read_bytes():  # a run waits for its child to begin
        time.sleep(0.05)
    os.kill(servers[0], signal.SIGSTOP)  # or it answers first, where this test waits for a busy machine
    wait_for(folder / ".prefect/server.json")
    waiting.send_signal(how)
    assert waiting.communicate(timeout=20)[0] == b"", "the server answered before the signal"
    with contextlib.suppress(ProcessLookupError):
        os.kill(servers[0], signal.SIGCONT)
    return servers[0]


def wait_for(path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} does not come"
        time.sleep(0.05)


def test_ctrl_c_while_the_server_starts_ends_the_server_too(tmp_path):
    server = start_and_end(tmp_path, signal.SIGINT)
    try:
        assert_ends(server)
        assert not (tmp_path / ".prefect/server.json").exists()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server, signal.SIGKILL)


def test_server_of_a_run_that_was_killed_is_found_and_stopped_by_the_next(tmp_path):
    server = start_and_end(tmp_path, signal.SIGKILL)
    stop = [sys.executable, "-c", "from flows.prefect_server import stop_server; print(stop_server())"]
    try:
        run(ENSURE, tmp_path)
        assert json.loads((tmp_path / ".prefect/server.json").read_text())["pid"] == server
        assert run(stop, tmp_path).stdout.strip() == "True"
        assert_ends(server)
        server = start_and_end(tmp_path, signal.SIGKILL)
        assert run(stop, tmp_path).stdout.strip() == "True"  # it does not answer yet
        assert_ends(server)
        assert run(stop, tmp_path).stdout.strip() == "False"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server, signal.SIGKILL)


def test_step_runs_as_task_and_its_log_reaches_server(project):
    done = run([sys.executable, "-c", FLOW], project)
    assert done.stdout.strip().endswith("42")
    code = (
        "from flows.prefect_server import ensure_server; ensure_server()\n"
        "from prefect import get_client\n"
        "from prefect.client.schemas.sorting import LogSort\n"
        "with get_client(sync_client=True) as c: print([l.message for l in c.read_logs(limit=100, offset=0)])"
    )
    for _ in range(20):  # the log is sent in the background
        if "a line of the stage" in run([sys.executable, "-c", code], project).stdout:
            return
        time.sleep(0.5)
    pytest.fail("the line of the step's log did not reach the server")


def test_error_names_server_that_does_not_answer(tmp_path):
    done = subprocess.run(
        ENSURE,
        cwd=tmp_path,
        env={**environment(), "PREFECT_API_URL": "http://127.0.0.1:9/api"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "--no-prefect" in done.stderr


CAMPAIGN = """
import os
from pathlib import Path
from flows.prefect_server import ensure_server, stop_server
ensure_server()
from flows import campaign_flow
from flows.run_campaign import CampaignRequest
campaign_flow.run_to_end = lambda request: {end}
campaign_flow.run_with_prefect(CampaignRequest(file=Path("spring.yaml")))
"""
CAMPAIGN_STATES = """
from flows.prefect_server import ensure_server
ensure_server()
from prefect import get_client
with get_client(sync_client=True) as client:
    print(sorted(run.state_name for run in client.read_flow_runs() if "campaign:spring" in run.tags))
"""


def test_a_campaign_whose_process_was_killed_is_ended_by_the_next_run_of_it(project):
    killed = run([sys.executable, "-c", CAMPAIGN.format(end="os.kill(os.getpid(), 9)")], project, check=False)
    assert killed.returncode == -9
    run([sys.executable, "-c", CAMPAIGN.format(end="None")], project)
    assert run([sys.executable, "-c", CAMPAIGN_STATES], project).stdout.strip() == "['Completed', 'Crashed']"


def test_a_campaign_says_that_the_server_went_away(project):
    done = run([sys.executable, "-c", CAMPAIGN.format(end="stop_server() and None")], project, check=False)
    assert done.returncode != 0
    assert "PrefectServerError" in done.stderr and "without --prefect" in done.stderr


def test_error_names_server_that_goes_away_during_run(project):  # comes last: it stops the server
    code = """
from flows.prefect_server import ensure_server, stop_server
ensure_server()
from flows.prefect_engine import gate_with_prefect
gate_with_prefect("voice", None, gate=stop_server)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={**environment(), "PREFECT_CLIENT_MAX_RETRIES": "0"},  # by default the client retries for minutes
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "flows.prefect_server.PrefectServerError: the Prefect server at http://127.0.0.1" in done.stderr
    assert "went away during the run" in done.stderr
