"""The server of `vox listen`: who gets an answer, what it reveals, and how votes are kept."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest
import soundfile
from http_helpers import ask, request
from imports import ROOT
from listening_helpers import LEFT_BEHIND, PITCH, make_release, pitch_of, serving

from registry.listening.votes import preference_votes
from registry.storage.store import open_store

LISTEN = (sys.executable, "-u", "-m", "flows.cli", "listen")


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    root = tmp_path_factory.mktemp("released")
    make_release(root)
    return root


@pytest.fixture
def store(released, tmp_path, monkeypatch):
    """Return a copy of the store on which nobody has voted."""
    for name in LEFT_BEHIND:
        monkeypatch.delenv(name, raising=False)
    for name in ("mlflow.db", "params.yaml", "dvc.yaml"):
        shutil.copy(released / name, tmp_path / name)
    for name in (".vox", "data", "mlartifacts", "releases"):
        shutil.copytree(released / name, tmp_path / name)
    return open_store(tmp_path)


@pytest.fixture
def page(store):
    with serving(store) as (session, url):
        yield session, url


def counts_of(session):
    pair = session.listening
    return preference_votes(session.store, pair.candidate.candidate_id, pair.champion.candidate_id)


def sound(url, trial, side):
    status, headers, content = request(f"{url}sound/{trial}/{side}")
    assert status == 200
    return headers, content


def vote(url, **ballot):
    """Vote as the page does, after both sounds were fetched."""
    hear(url, ballot["trial"])
    return ask(url, "vote", **ballot)


def hear(url, trial):
    """Fetch both sounds and return the trial."""
    for side in "ab":
        sound(url, trial, side)
    return trial


def true_side(url, trial):
    """Return the side of version 2, which a listener with perfect pitch would know."""
    pitches = {side: pitch_of(soundfile.read(io.BytesIO(sound(url, trial, side)[1]))[0]) for side in "ab"}
    assert sorted(pitches.values()) == sorted(PITCH.values())
    return next(side for side, pitch in pitches.items() if pitch == PITCH[2])


def test_votes_count_for_the_side_that_was_heard(page):
    session, url = page
    now = ask(url, "trial", listener="anna")
    sides = []
    while now["state"] == "trial":
        sides.append(true_side(url, now["trial"]))
        now = ask(url, "vote", listener="anna", trial=now["trial"], choice=sides[-1])  # true_side fetched the sounds
    assert now["state"] == "no_more" and set(sides) == {"a", "b"}
    found = counts_of(session)
    assert (found.n_candidate, found.n_champion, found.n_ties) == (len(sides), 0, 0)
    result = ask(url, "finish", listener="anna")["result"]
    assert (result["preferred"], result["n_candidate"]) == ("candidate", len(sides))
    assert ask(url, "trial", listener="anna")["state"] == "finished"


def test_sounds_of_a_trial_differ_only_in_what_is_heard(page):
    _, url = page
    trial = ask(url, "trial", listener="anna")["trial"]
    (first, one), (second, two) = (sound(url, trial, side) for side in "ab")
    assert {key: value for key, value in first.items() if key != "Date"} == {
        key: value for key, value in second.items() if key != "Date"
    }
    assert len(one) == len(two) and one[:44] == two[:44] and one != two


def test_page_learns_no_direction_before_the_end(page):
    """A listener who always votes for the candidate sees the same as one who always votes for the champion."""
    session, url = page
    seen = []
    for listener, side in (("anna", "candidate"), ("bob", "champion")):
        now, shown = ask(url, "trial", listener=listener), []
        for _ in range(5):
            here = session.trials[now["trial"]].candidate_side
            choice = here if side == "candidate" else {"a": "b", "b": "a"}[here]
            now = vote(url, listener=listener, trial=now["trial"], choice=choice)
            shown.append({key: now[key] for key in ("state", "done", "total", "n_ties", "decided")})
            assert set(now) == set(shown[-1]) | {"trial", "text", "n_votes", "n_listeners"}
        seen.append(shown)
    assert seen[0] == seen[1]


def test_reloading_the_page_keeps_the_sides(page):
    _, url = page
    now = ask(url, "trial", listener="anna")
    assert ask(url, "trial", listener="anna") == now
    assert ask(url, "trial", listener="bob") != now


def test_repeated_vote_is_refused_and_counted_once(page):
    session, url = page
    trial = hear(url, ask(url, "trial", listener="anna")["trial"])
    ballot = {"listener": "anna", "trial": trial, "choice": "a"}
    assert [request(url + "vote", ballot)[0] for _ in range(2)] == [200, 409]
    assert b"first vote stands" in request(url + "vote", {**ballot, "choice": "b"})[2]
    assert counts_of(session).n_votes == 1


def test_two_simultaneous_listeners_lose_no_vote(page):
    session, url = page

    def listen(name):
        now, n = ask(url, "trial", listener=name), 0
        while now["state"] == "trial":
            now, n = vote(url, listener=name, trial=now["trial"], choice="no_difference"), n + 1
        return n

    with ThreadPoolExecutor(2) as pool:
        voted = list(pool.map(listen, ("anna", "bob")))
    assert voted == [len(session.listening.utterances)] * 2
    assert (counts_of(session).n_ties, counts_of(session).n_listeners) == (sum(voted), 2)


@pytest.mark.parametrize("route", ["", "sound/x/a"])
@pytest.mark.parametrize("token", ["", "x", "..", "%2e%2e", "x" * 32])
def test_requests_without_the_token_get_404(page, route, token):
    session, url = page
    root = url.removesuffix(f"{session.token}/")
    for address in (f"{root}{token}/{route}", f"{root}{token}"):
        status, _, content = request(address)
        assert status == 404 and session.token.encode() not in content
    assert request(f"{root}{token}/vote", {"listener": "anna"})[0] == 404


@pytest.mark.parametrize(
    "path",
    ["sound/../../etc/passwd", "sound/..%2f..%2fparams.yaml/a", "../params.yaml", "sound", "sound/x/a/b", "sound//a"],
)
def test_no_path_leads_to_a_file(page, path):
    _, url = page
    ask(url, "trial", listener="anna")
    status, content = raw_get(url, path)
    assert status in (404, 409)
    assert b"error" in content and b"root:" not in content


def raw_get(url, path):
    """Send a GET whose path no client has normalised, and return the status and the answer."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(f"GET {parts.path}{path} HTTP/1.0\r\nHost: 127.0.0.1:{parts.port}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split()[1]), answer


def test_trial_has_two_sides_only(page):
    _, url = page
    trial = ask(url, "trial", listener="anna")["trial"]
    assert request(f"{url}sound/{trial}/c")[0] == 404


def test_foreign_host_name_is_not_served(page):
    _, url = page
    assert request(url, None, Host="evil.example")[0] == 404
    assert request(url, None, Host="localhost:1")[0] == 200


def test_form_of_another_page_cannot_vote(page):
    """Without permission, a foreign page can send only a form or plain text."""
    session, url = page
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        status, headers, _ = request(url + "trial", b'{"listener": "anna"}', **{"Content-Type": kind})
        assert status == 400
        assert not any(name.lower().startswith("access-control") for name in headers)
    assert counts_of(session).n_votes == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{" * 9000, 400),
        (b"\xff", 400),
        (b'{"listener": "' + b"x" * 20_000 + b'"}', 413),
        (b'{"listener": "a@b"}', 409),
        (b'{"listener": "anna", "trial": "unknown", "choice": "a"}', 409),
    ],
)
def test_broken_request_gets_a_sentence_and_adds_no_vote(page, body, status):
    session, url = page
    found, _, content = request(url + "vote", body)
    assert found == status
    assert json.loads(content)["error"]
    assert counts_of(session).n_votes == 0


def test_wrong_ballot_is_refused_and_can_be_corrected(page):
    session, url = page
    trial = ask(url, "trial", listener="anna")["trial"]
    for wrong in ({"choice": "candidate"}, {"choice": "a", "a": {"defects": ["ugly"]}}, {"choice": "a", "more": 1}):
        assert request(url + "vote", {"listener": "anna", "trial": trial, **wrong})[0] == 400
    assert counts_of(session).n_votes == 0
    vote(url, listener="anna", trial=trial, choice="a", a={"defects": ["cut_off", "other"], "other": "hum"})
    assert counts_of(session).n_votes == 1


def test_trial_belongs_to_one_listener(page):
    session, url = page
    trial = ask(url, "trial", listener="anna")["trial"]
    assert request(url + "vote", {"listener": "bob", "trial": trial, "choice": "a"})[0] == 409
    assert counts_of(session).n_votes == 0


def test_vote_on_sounds_that_were_never_played_is_refused(page):
    session, url = page
    trial = ask(url, "trial", listener="anna")["trial"]
    ballot = {"listener": "anna", "trial": trial, "choice": "a"}
    for side in "ab":
        status, _, content = request(url + "vote", ballot)
        assert (status, b"after both sounds were played" in content) == (409, True)
        sound(url, trial, side)
    assert request(url + "vote", ballot)[0] == 200
    assert counts_of(session).n_votes == 1


def test_invented_name_cannot_vote_where_the_policy_names_the_listeners(page):
    session, url = page
    object.__setattr__(session, "listeners", ("anna", "bob"))
    status, _, content = request(url + "trial", {"listener": "mallory"})
    assert (status, b"not among the listeners" in content) == (409, True)
    assert ask(url, "trial", listener="anna")["state"] == "trial"


def test_page_opened_for_one_listener_refuses_others(store):
    with serving(store, "anna") as (_, url):
        assert ask(url, "trial", listener="anna")["state"] == "trial"
        assert request(url + "trial", {"listener": "bob"})[0] == 409


def test_failed_write_is_reported_without_the_listeners_name(page, monkeypatch):
    from sqlalchemy.exc import OperationalError

    session, url = page
    trial = hear(url, ask(url, "trial", listener="secretname")["trial"])

    def fail(*arguments):
        raise OperationalError("INSERT", {"listener": "secretname"}, Exception("disk full"))

    monkeypatch.setattr("flows.listening_server.cast_vote", fail)
    status, _, content = request(url + "vote", {"listener": "secretname", "trial": trial, "choice": "a"})
    assert status == 500
    assert b"nothing was counted" in content and b"secretname" not in content
    monkeypatch.undo()
    assert ask(url, "trial", listener="secretname")["trial"] == trial
    assert counts_of(session).n_votes == 0


def test_command_serves_this_machine_only_and_logs_no_name(store):
    command = [
        sys.executable,
        "-u",
        "-m",
        "flows.cli",
        "listen",
        "anna",
        "--candidate",
        "2",
        "--listener",
        "Secretname",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command,
        cwd=store.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # tests run in the background ignore this signal, and a child would inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    printed = []
    try:
        for line in process.stdout:
            printed.append(line)
            if "http://" in line:
                break
        url = next(word for word in printed[-1].split() if word.startswith("http://127.0.0.1:"))
        now = ask(url, "trial", listener="secretname")
        vote(url, listener="secretname", trial=now["trial"], choice="no_difference")
        assert b"Which one speaks better" in request(url)[2]
        port = urllib.parse.urlsplit(url).port
        with pytest.raises(OSError), socket.create_connection((own_address(), port), timeout=2):
            pass
    finally:
        process.send_signal(signal.SIGINT)
        printed.append(process.communicate(timeout=30)[0])
    text = "".join(printed)
    assert process.returncode == 0, text
    assert "1 votes of 1 listeners" in text and "vox gate anna --candidate 2" in text
    assert "secretname" not in text.lower() and "Traceback" not in text


def own_address():
    """Return an address of this machine other than 127.0.0.1."""
    return next((a for a in socket.gethostbyname_ex(socket.gethostname())[2] if a != "127.0.0.1"), "127.0.0.2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("anna", "--candidate", "1"), "is the champion itself"),
        (("anna", "--candidate", "9"), "no version 9"),
        (("anna", "--listener", "a@b.example"), "no address is needed"),
        (("nobody",), "voice.yaml"),
        (("anna", "--port", "70000"), "70000"),
    ],
)
def test_impossible_comparison_is_one_sentence(store, arguments, message):
    done = subprocess.run(
        [*LISTEN, *arguments],
        cwd=store.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


def test_error_names_port_in_use(store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        from flows.listening_server import Session, make_server

        with pytest.raises(OSError, match=f"port {port} cannot be used"):
            make_server(Session(store=store, listening=None), port)
