"""Secrets of campaigns: made at the first use, in a file that only its owner reads, or given by the environment."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from campaigns.errors import CampaignError

CONTENT_KEY = "VOXFOUNDRY_CAMPAIGN_KEY"
WEBHOOK_SECRET = "VOXFOUNDRY_WEBHOOK_SECRET"  # noqa: S105 - a name of the environment
FILES = {CONTENT_KEY: ".vox/campaign_key", WEBHOOK_SECRET: ".vox/webhook_secret"}
N_BYTES = 32


class SecretError(CampaignError, ValueError):
    """A secret is missing or is not one."""

    status, type = 500, "secret"
    action = "Tell the operator."


def load_secret(name: str, root: Path, environ: Mapping[str, str] = os.environ) -> bytes:
    """Return a secret of 32 bytes.

    Args:
        name: Of its variable, CONTENT_KEY or WEBHOOK_SECRET.
        root: The project's folder, where it is made if the environment has none.
        environ: The settings of the process.

    Raises:
        SecretError: It is not the base64 of 32 bytes.
    """
    if given := environ.get(name, "").strip():
        return _decode(given, name)
    path = root / FILES[name]
    if not path.exists():
        _make(path)
    return _decode(path.read_text(encoding="ascii", errors="replace").strip(), str(path))


def _make(path: Path) -> None:
    """Write a new secret. Of two processes that do it at once, one wins, and both read what it wrote."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(N_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def _decode(text: str, place: str) -> bytes:
    try:
        found = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != N_BYTES:
        raise SecretError(
            f"{place} is not the base64 of {N_BYTES} bytes; make one with `openssl rand -base64 {N_BYTES}`"
        )
    return found
