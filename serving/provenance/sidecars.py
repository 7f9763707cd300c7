"""Signed statements beside files that C2PA cannot mark: JSON with a detached JSON Web Signature (RFC 7515, appendix F).

    {"statement": {"kind", "facts", "file": {"sha256", "n_bytes"}}, "signature": "HEADER..SIGNATURE"}

What is signed is the statement in canonical form: keys sorted, no spaces, UTF-8. The header holds the chain (x5c).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from serving.provenance.certificates import algorithm_of, has_signed, sign
from serving.provenance.errors import MarkUnreadableError
from serving.provenance.facts import ProvenanceFacts
from serving.provenance.identity import Identity

KIND = "voxfoundry.provenance/1"
SUFFIX = ".provenance.json"
MAX_BYTES = 64_000  # a sidecar has about 3 kB
MAX_CERTIFICATES = 8


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """A sidecar as it was read.

    Attributes:
        facts: What it says.
        sha256: Of the file that it is about, in hex.
        n_bytes: Size of that file.
        chain: Certificates of the signer.
        is_signature_right: Whether the signer's key signed exactly this statement.
    """

    facts: ProvenanceFacts
    sha256: str
    n_bytes: int
    chain: tuple[x509.Certificate, ...]
    is_signature_right: bool


def make_sidecar(facts: ProvenanceFacts, *, sha256: str, n_bytes: int, identity: Identity) -> bytes:
    """Return a signed sidecar.

    Args:
        facts: What it says.
        sha256: Of the file, in hex.
        n_bytes: Size of the file.
        identity: Who signs.
    """
    statement = {"kind": KIND, "facts": facts.to_json(), "file": {"sha256": sha256, "n_bytes": n_bytes}}
    der = (certificate.public_bytes(serialization.Encoding.DER) for certificate in identity.chain)
    header = _encode(_canonical({"alg": identity.algorithm, "x5c": [base64.b64encode(one).decode() for one in der]}))
    signature = _encode(sign(identity.key, f"{header}.{_encode(_canonical(statement))}".encode()))
    sidecar = {"statement": statement, "signature": f"{header}..{signature}"}
    return json.dumps(sidecar, ensure_ascii=False, indent=1).encode() + b"\n"


def read_sidecar(raw: bytes) -> Sidecar:
    """Return what a sidecar says and whether its signature fits. Its chain is not judged here.

    Raises:
        MarkUnreadableError: It is not a sidecar.
    """
    if len(raw) > MAX_BYTES:
        raise MarkUnreadableError(f"the sidecar has {len(raw)} bytes, and one has at most {MAX_BYTES}")
    try:
        sidecar = json.loads(raw)
        statement = sidecar["statement"]
        header_text, empty, signature = sidecar["signature"].split(".")
        header = json.loads(_decode(header_text))
        chain = tuple(x509.load_der_x509_certificate(base64.b64decode(one, validate=True)) for one in header["x5c"])
        file = statement["file"]
        sha256, n_bytes = str(file["sha256"]), int(file["n_bytes"])
        is_ours = statement["kind"] == KIND and not empty and 1 <= len(chain) <= MAX_CERTIFICATES
        facts = ProvenanceFacts.from_json(statement["facts"])
        is_right = is_ours and header["alg"] == algorithm_of(chain[0].public_key())
        signed = f"{header_text}.{_encode(_canonical(statement))}".encode()
        is_right = is_right and has_signed(chain[0], _decode(signature), signed)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        if isinstance(error, MarkUnreadableError):
            raise
        raise MarkUnreadableError(f"the sidecar cannot be read ({type(error).__name__})") from error
    if not is_ours:
        raise MarkUnreadableError(f"the sidecar is not of the kind {KIND}")
    return Sidecar(facts=facts, sha256=sha256, n_bytes=n_bytes, chain=chain, is_signature_right=is_right)


def _canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MarkUnreadableError("the sidecar has a signature that is not base64url") from error
