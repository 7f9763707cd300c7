"""Headers of a message by Standard Webhooks 1.0: an id, a time, and an HMAC-SHA256 over both and the body."""

from __future__ import annotations

import base64
import hashlib
import hmac

TOLERANCE_SECONDS = 300


def signed_headers(secret: bytes, message_id: str, timestamp: int, body: str) -> dict[str, str]:
    """Return the headers of a message.

    Args:
        secret: That sender and receiver share.
        message_id: The same in every try, so that the receiver can tell a repetition.
        timestamp: Seconds since 1970 of this try.
        body: Of the message.
    """
    signature = base64.b64encode(_digest(secret, message_id, timestamp, body)).decode()
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


def is_signed(secret: bytes, headers: dict[str, str], body: str, *, now: int) -> bool:
    """Return whether a message was signed with a secret and is not old. Receivers may use it.

    Args:
        secret: That sender and receiver share.
        headers: With names in small letters.
        body: As it was received.
        now: Seconds since 1970.
    """
    try:
        timestamp = int(headers["webhook-timestamp"])
        expected = base64.b64encode(_digest(secret, headers["webhook-id"], timestamp, body)).decode()
        given = [part.partition(",")[2] for part in headers["webhook-signature"].split() if part.startswith("v1,")]
    except (KeyError, ValueError):
        return False
    return abs(now - timestamp) <= TOLERANCE_SECONDS and any(hmac.compare_digest(one, expected) for one in given)


def _digest(secret: bytes, message_id: str, timestamp: int, body: str) -> bytes:
    return hmac.new(secret, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
