"""Files with marks, and certificates of several kinds to sign them with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from serving.encoding import Format, encode
from serving.provenance.facts import ProvenanceFacts, make_facts
from serving.provenance.identity import Identity, load_identity

RATE = 16_000
FACTS: ProvenanceFacts = make_facts(
    voice="anna",
    version=2,
    candidate_id="c2",
    text_sha256="5e" * 32,
    traceparent=f"00-{'a1' * 16}-{'b2' * 8}-01",
    created_at=datetime(2026, 11, 29, 12, tzinfo=UTC),
)


def sound(form: Format, seconds: float = 0.5) -> bytes:
    """A file with a tone."""
    tone = np.sin(np.arange(round(RATE * seconds)) * 0.1) * 8000
    return encode(form, tone.astype("<i2").tobytes(), RATE)


def marked(root: Path, form: Format, *, identity: Identity | None = None) -> tuple[Path, bytes | None]:
    """A marked file of the identity of a project, and its sidecar."""
    from serving.provenance.marking import Marker

    file = root / f"speech.{form}"
    file.write_bytes(sound(form))
    return file, Marker(identity or load_identity(root, {})).mark(file, form, FACTS)


def write_identity(
    folder: Path, *, kind: str = "P-256", valid_for: timedelta = timedelta(days=1), purpose: str = "email"
) -> dict[str, str]:
    """Write a chain of two certificates with its key, and return the environment that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), _key(kind)
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"Test {folder.name}")])
    now = datetime.now(UTC)
    uses = {"email": ExtendedKeyUsageOID.EMAIL_PROTECTION, "web": ExtendedKeyUsageOID.SERVER_AUTH}

    def certificate(public_key, until, *, is_authority: bool) -> x509.Certificate:
        bits = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        usage = x509.KeyUsage(
            digital_signature=not is_authority,
            key_cert_sign=is_authority,
            crl_sign=is_authority,
            decipher_only=False,
            **bits,
        )
        subject = x509.Name([*name, x509.NameAttribute(NameOID.COMMON_NAME, "CA" if is_authority else "signer")])
        issuer = x509.Name([*name, x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
        builder = (
            x509.CertificateBuilder(issuer, subject, public_key, x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False)
        )
        if not is_authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage([uses[purpose]]), critical=False)
        return builder.sign(authority_key, hashes.SHA256())

    authority = certificate(authority_key.public_key(), now + timedelta(days=10), is_authority=True)
    end = certificate(key.public_key(), now + valid_for, is_authority=False)
    pem = serialization.Encoding.PEM
    (folder / "chain.pem").write_bytes(end.public_bytes(pem) + authority.public_bytes(pem))
    (folder / "trust.pem").write_bytes(authority.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    (folder / "key.pem").chmod(0o600)
    return {
        "VOXFOUNDRY_PROVENANCE_CHAIN": str(folder / "chain.pem"),
        "VOXFOUNDRY_PROVENANCE_KEY": str(folder / "key.pem"),
        "VOXFOUNDRY_PROVENANCE_TRUST": str(folder / "trust.pem"),
    }


def _key(kind: str):
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}[kind]())
