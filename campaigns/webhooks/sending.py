"""The messages that wait in the table, sent by any node, again and again until the receiver takes them."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import sqlalchemy as sa

from campaigns.errors import CampaignError
from campaigns.secrets import WEBHOOK_SECRET, load_secret
from campaigns.tables import WEBHOOKS
from campaigns.webhooks.addresses import find_target
from campaigns.webhooks.signing import signed_headers
from serving.database import Database

WAITS = (5, 60, 300, 1800, 7200, 18_000, 36_000, 36_000)  # seconds after each failed try
SEND_SECONDS = 15.0
LEASE_SECONDS = 60.0  # for a node that dies while it sends
MAX_AT_ONCE = 20
LOOKUPS_AT_ONCE = 4
LOG = logging.getLogger(__name__)


class WebhookSender:
    """Sends messages. Several nodes do it at once, and each message is taken by one of them at a time."""

    def __init__(self, database: Database, root: Path, environ: Mapping[str, str] = os.environ) -> None:
        """Prepare.

        Args:
            database: Of serving, with the tables of campaigns.
            root: The project's folder, with the secret that signs.
            environ: The settings of the process.
        """
        self._database, self._root, self._environ = database, root, environ
        # A name can take long to be looked up, and a client names it: no key and no revocation waits for that
        self._lookups = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="names of receivers")

    async def send_due(self) -> int:
        """Send the messages whose time has come. Return how many were delivered."""
        due, secret = await asyncio.to_thread(self._take)
        if not due:
            return 0
        async with httpx.AsyncClient(
            timeout=SEND_SECONDS,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client:
            sent = await asyncio.gather(
                *(self._send(client, secret, message) for message in due), return_exceptions=True
            )
        for fault in sent:
            if isinstance(fault, BaseException):
                raise fault
        return sum(answer is True for answer in sent)

    async def _send(self, client: httpx.AsyncClient, secret: bytes, message: sa.RowMapping) -> bool:
        headers = signed_headers(secret, message["id"], int(time.time()), message["body"])
        fault = None
        try:
            async with asyncio.timeout(SEND_SECONDS):  # a receiver can answer byte by byte, each in time
                lookup = asyncio.get_running_loop().run_in_executor
                target = await lookup(self._lookups, find_target, message["url"], self._environ)
                extensions = {"sni_hostname": target.server_name} if target.server_name else {}
                headers["host"] = target.host
                request = {"content": message["body"].encode(), "headers": headers, "extensions": extensions}
                async with client.stream("POST", target.url, **request) as answer:
                    fault = None if answer.is_success else f"it answered {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL, CampaignError, OSError, ValueError) as error:
            fault = f"{type(error).__name__}: {error}"[:300]
        await asyncio.to_thread(self._note, message, fault)
        return fault is None

    def _take(self) -> tuple[list[sa.RowMapping], bytes]:
        """Return messages whose time has come, and the secret that signs. No other node gets them for a while."""
        now = datetime.now(UTC)
        due = sa.select(WEBHOOKS).where(WEBHOOKS.c.next_at <= now).order_by(WEBHOOKS.c.next_at).limit(MAX_AT_ONCE)
        with self._database.transaction() as connection:
            found = list(connection.execute(due.with_for_update(skip_locked=True)).mappings())
            ids, secret = [message["id"] for message in found], b""
            if ids:
                secret = load_secret(WEBHOOK_SECRET, self._root, self._environ)  # without one, no try is used up
                lease = {"next_at": now + timedelta(seconds=LEASE_SECONDS), "attempts": WEBHOOKS.c.attempts + 1}
                connection.execute(sa.update(WEBHOOKS).where(WEBHOOKS.c.id.in_(ids)).values(lease))
        return found, secret

    def _note(self, message: sa.RowMapping, fault: str | None) -> None:
        now, tries = datetime.now(UTC), message["attempts"]
        if fault is None:
            values = {"delivered_at": now, "next_at": None, "last_error": None}
        else:
            LOG.warning("message %s was not delivered: %s", message["id"], fault)
            again = now + timedelta(seconds=WAITS[tries]) if tries < len(WAITS) else None
            values = {"next_at": again, "last_error": fault}
        with self._database.transaction() as connection:
            connection.execute(sa.update(WEBHOOKS).where(WEBHOOKS.c.id == message["id"]).values(values))
