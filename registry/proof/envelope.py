"""A statement in a DSSE envelope: the payload, its type, and a signature over both that any DSSE verifier can check.

The specification is https://github.com/secure-systems-lab/dsse (version 1.0).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from registry.keys.signing import sign

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def encode_for_signature(payload_type: str, payload: str) -> str:
    """Return what is signed: DSSE's pre-authentication encoding of a type and a payload.

    Args:
        payload_type: The media type.
        payload: The text.
    """
    return f"DSSEv1 {len(payload_type.encode())} {payload_type} {len(payload.encode())} {payload}"


def seal(root: Path, statement: dict[str, Any]) -> dict[str, Any]:
    """Return a statement in an envelope that this machine's key signed.

    Args:
        root: The project's root.
        statement: An in-toto statement, as JSON values.

    Raises:
        SigningError: The key is unreadable, unsafe or not trusted.
    """
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":"))
    signature = sign(root, encode_for_signature(PAYLOAD_TYPE, payload))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload.encode()).decode(),
        "signatures": [
            {
                "keyid": signature.public_key,
                "sig": base64.b64encode(bytes.fromhex(signature.signature)).decode(),
            }
        ],
    }
