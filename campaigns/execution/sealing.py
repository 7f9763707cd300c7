"""Personal data of a row, encrypted with AES-256 in GCM. What was sealed for one row opens for no other."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from campaigns.errors import CampaignError
from campaigns.secrets import CONTENT_KEY, load_secret

NONCE_BYTES = 12


class SealError(CampaignError):
    """The content of a row cannot be opened: it was changed, or sealed with another key."""

    status, type = 500, "sealed_content"
    action = "Start it with the key that the campaign was submitted with, or submit the campaign again."


class Sealer:
    """Seals and opens the contents of rows."""

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes."""
        self._cipher = AESGCM(key)

    def seal(self, content: dict[str, Any], *, campaign_id: str, recipient_id: str) -> bytes:
        """Return the content of a row as the table keeps it.

        Args:
            content: What JSON can hold.
            campaign_id: Of the row.
            recipient_id: Of the row.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        plain = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return nonce + self._cipher.encrypt(nonce, plain, _place(campaign_id, recipient_id))

    def open(self, sealed: bytes, *, campaign_id: str, recipient_id: str) -> dict[str, Any]:
        """Return the content of a row.

        Raises:
            SealError: It was changed, belongs to another row, or was sealed with another key.
        """
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            plain = self._cipher.decrypt(nonce, rest, _place(campaign_id, recipient_id))
        except (InvalidTag, ValueError) as error:
            raise SealError(f"the text of recipient {recipient_id!r} cannot be opened with this key") from error
        found: dict[str, Any] = json.loads(plain)
        return found


def open_sealer(root: Path) -> Sealer:
    """Return the sealer of a project, whose key is made at the first use.

    Raises:
        SecretError: The key is not one.
    """
    return Sealer(load_secret(CONTENT_KEY, root))


def _place(campaign_id: str, recipient_id: str) -> bytes:
    return f"{campaign_id}\0{recipient_id}".encode()
