"""Messages to the receiver of a campaign: signed, sent until they arrive, and never into a private network."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sqlalchemy as sa
from campaign_nodes import campaign_settings, open_tables, rendered, running_node, submit, wait_for
from job_helpers import SmallEngine

from campaigns.execution import submitting
from campaigns.secrets import WEBHOOK_SECRET, SecretError, load_secret
from campaigns.tables import WEBHOOKS
from campaigns.webhooks.addresses import ALLOWED_HOSTS, AddressRefusedError, check_url, find_target
from campaigns.webhooks.sending import WebhookSender
from campaigns.webhooks.signing import is_signed


@pytest.fixture
def receiver():
    """A receiver that refuses its first message, and keeps all of them."""
    received: list[tuple[dict[str, str], str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(500 if len(received) == 1 else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, received
    server.shutdown()
    server.server_close()


def test_the_end_of_a_campaign_is_told_until_the_receiver_takes_it(tmp_path, receiver, monkeypatch):
    port, received = receiver
    monkeypatch.setenv(ALLOWED_HOSTS, f"127.0.0.1:{port}")
    monkeypatch.setattr("campaigns.webhooks.sending.WAITS", (0, 0))
    database = open_tables(tmp_path, f"sqlite:///{tmp_path / 'serving.db'}")
    plan = campaign_settings(callback_url=f"http://127.0.0.1:{port}/hook")

    async def scenario():
        async with running_node(tmp_path, database, SmallEngine()) as service:
            campaign = (await submit(service, plan, rendered(plan, 2))).campaign
            await wait_for(service, campaign.id, "done")
            end = time.monotonic() + 20
            while len(received) < 2:
                assert time.monotonic() < end
                await asyncio.sleep(0.1)

    asyncio.run(scenario())
    (first, body), (second, same) = received
    assert body == same
    assert first["webhook-id"] == second["webhook-id"]
    secret = load_secret(WEBHOOK_SECRET, tmp_path)
    assert is_signed(secret, second, same, now=int(time.time()))
    assert not is_signed(secret, second, same.replace("done", "dome"), now=int(time.time()))
    assert not is_signed(secret, second, same, now=int(time.time()) + 1000)
    message = json.loads(body)
    assert (message["type"], message["data"]["rows"]) == ("campaign.done", {"done": 2})
    with database.transaction() as connection:
        row = connection.execute(sa.select(WEBHOOKS)).mappings().one()
    assert row["delivered_at"] is not None
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://10.0.0.8/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.8]/hook",
        "https://[64:ff9b::a00:8]/hook",
        "https://user:word@example.org/hook",
        "https://0.0.0.0/",
        "file:///etc/passwd",
        f"https://{'a' * 64}.com/hook",
        "https://a..b/hook",
        "https://xn--/hook",
        "https://example.org:70000/hook",
        "https://",
    ],
)
def test_a_private_or_odd_address_is_refused(url):
    with pytest.raises(AddressRefusedError):
        check_url(url, {})


def test_a_receiver_that_answers_byte_by_byte_holds_up_no_other_message(tmp_path, receiver, monkeypatch):
    port, received = receiver
    slow = socket.create_server(("127.0.0.1", 0))

    def drip():
        connection, _ = slow.accept()
        with suppress(OSError):
            while True:
                connection.sendall(b"H")
                time.sleep(0.05)

    threading.Thread(target=drip, daemon=True).start()
    monkeypatch.setenv(ALLOWED_HOSTS, "127.0.0.1")
    monkeypatch.setattr("campaigns.webhooks.sending.SEND_SECONDS", 0.5)
    database = open_tables(tmp_path, f"sqlite:///{tmp_path / 'serving.db'}")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    campaign = submitting.begin(database, campaign_settings(), owner="anna", version=3, candidate_id="c3")
    ports = (slow.getsockname()[1], port)
    rows = [
        {
            "id": f"msg_{place}",
            "campaign_id": campaign.id,
            "url": f"http://127.0.0.1:{one}/",
            "body": "{}",
            "attempts": 0,
        }
        for place, one in enumerate(ports)
    ]
    with database.transaction() as connection:
        connection.execute(sa.insert(WEBHOOKS), [row | {"next_at": moment} for row in rows])
    begun = time.monotonic()
    asyncio.run(WebhookSender(database, tmp_path).send_due())
    assert time.monotonic() - begun < 5
    assert len(received) == 1
    with database.transaction() as connection:
        errors = connection.scalars(sa.select(WEBHOOKS.c.last_error).order_by(WEBHOOKS.c.id)).all()
    assert errors[0].startswith("TimeoutError")
    slow.close()
    database.close()


def test_a_name_that_is_looked_up_for_long_holds_up_nothing_else(tmp_path, monkeypatch):
    answers = threading.Event()
    monkeypatch.setattr("campaigns.webhooks.sending.SEND_SECONDS", 1)
    monkeypatch.setattr("campaigns.webhooks.sending.find_target", lambda *_: answers.wait(30))
    database = open_tables(tmp_path, f"sqlite:///{tmp_path / 'serving.db'}")
    campaign = submitting.begin(database, campaign_settings(), owner="anna", version=3, candidate_id="c3")
    common = {"campaign_id": campaign.id, "url": "https://example.org", "body": "{}", "attempts": 0}
    rows = [common | {"id": f"msg_{place}", "next_at": datetime(2026, 1, 1, tzinfo=UTC)} for place in range(20)]
    with database.transaction() as connection:
        connection.execute(sa.insert(WEBHOOKS), rows)
    with pytest.raises(SecretError):
        asyncio.run(WebhookSender(database, tmp_path, {WEBHOOK_SECRET: "short"}).send_due())
    with database.transaction() as connection:
        assert set(connection.scalars(sa.select(WEBHOOKS.c.attempts))) == {0}

    async def scenario():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        sending = asyncio.create_task(WebhookSender(database, tmp_path).send_due())
        await asyncio.sleep(0.3)
        async with asyncio.timeout(0.5):
            await asyncio.to_thread(int)
        assert await asyncio.wait_for(sending, 10) == 0
        answers.set()

    asyncio.run(scenario())
    database.close()


def test_a_name_that_leads_to_this_machine_is_refused_when_the_message_is_sent():
    check_url("https://localhost/hook", {})
    with pytest.raises(AddressRefusedError):
        find_target("https://localhost/hook", {})
    assert find_target("https://localhost/hook", {ALLOWED_HOSTS: "localhost"}).server_name == "localhost"


def test_a_secret_that_is_none_is_refused(tmp_path):
    with pytest.raises(SecretError):
        load_secret(WEBHOOK_SECRET, tmp_path, {WEBHOOK_SECRET: "short"})
