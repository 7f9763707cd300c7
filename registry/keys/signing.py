"""Sign with this machine's key: it shows which key wrote a record, and that nobody changed the record since.

The private key is made at first need and stays on the machine: `.vox/keys/signing.pem` in the project's root, readable
by its owner only, or the PEM file that VOXFOUNDRY_SIGNING_KEY names.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from registry.keys.ed25519 import Signature, SigningError, make_key, public_key_of, sign_with
from registry.keys.roles import WHAT_A_ROLE_DOES, Role
from registry.keys.trust import load_trust, private_key_path


def sign(root: Path, message: str, *, role: Role | None = None, utc: str | datetime | None = None) -> Signature:
    """Sign a text with this machine's key, which is made if there is none.

    Args:
        root: The project's root.
        message: The text.
        role: The role that whoever reads the signature will require, None for any.
        utc: The moment at which they will require it, default now.

    Raises:
        SigningError: The key is unreadable or unsafe, is not trusted, or does not have the role.
    """
    path = ensure_own_key(root)
    signature = sign_with(path, message)
    trust = load_trust(root)
    roles = trust.roles_of(signature.public_key, utc)
    key = f"this machine's key {signature.public_key[:16]}..."
    if not roles:
        reason = trust.why_not_valid(message, signature, utc=utc)
        raise SigningError(
            f"{key} is not trusted now ({reason}), so nobody would accept its signature; "
            f"whoever keeps {trust.file} can trust it with `vox keys trust`"
        )
    if role is not None and role not in roles:
        raise SigningError(
            f"{key} of {trust.signer_of(signature.public_key)} has the roles {', '.join(roles)}, and this needs "
            f"{role}, who {WHAT_A_ROLE_DOES[role]}; ask somebody with that role, or see docs/keys.md"
        )
    return signature


def ensure_own_key(root: Path) -> Path:
    """Return the file of this machine's private key, after making the key if there is none.

    Raises:
        SigningError: VOXFOUNDRY_SIGNING_KEY names a file that is not there.
    """
    path = private_key_path(root)
    if not path.exists():
        if os.environ.get("VOXFOUNDRY_SIGNING_KEY", "").strip():
            raise SigningError(f"VOXFOUNDRY_SIGNING_KEY is {str(path)!r}, but no file is there; put the PEM key there")
        make_key(path)
    return path


def own_public_key(root: Path) -> str | None:
    """Return this machine's public key in hex, None where it has no key yet.

    Raises:
        SigningError: The key is unreadable or unsafe.
    """
    path = private_key_path(root)
    return public_key_of(path) if path.is_file() else None
