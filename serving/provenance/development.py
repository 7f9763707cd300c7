"""A certificate authority of our own making, so that marks work before somebody has bought a certificate.

Nobody else trusts it, and its names say what it is.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ORGANIZATION = "Voxfoundry DEVELOPMENT ONLY, trusted by nobody else"
FOLDER_MODE, FILE_MODE = 0o700, 0o600
YEARS = timedelta(days=5 * 365)
CLOCK_SLACK = timedelta(days=1)  # other machines' clocks may be behind


def make_development_identity(folder: Path) -> None:
    """Write chain.pem, key.pem and trust.pem of a new authority. Of processes that do it at once, one succeeds.

    The authority's own key is not kept, so it can sign nothing else.

    Args:
        folder: To be made.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("CA", authority_key.public_key(), issuer=None, issuer_key=authority_key)
    end = _certificate("signer", key.public_key(), issuer=authority, issuer_key=authority_key)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
    try:
        files = {
            "chain.pem": end.public_bytes(pem) + authority.public_bytes(pem),
            "key.pem": secret,
            "trust.pem": authority.public_bytes(pem),
        }
        for name, content in files.items():
            handle = os.open(made / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
        made.rename(folder)
    except OSError:
        if not folder.is_dir():  # nobody else has made it meanwhile
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    *,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Return a certificate as C2PA wants it. Without an issuer it is an authority."""
    attributes = [(NameOID.ORGANIZATION_NAME, ORGANIZATION), (NameOID.COMMON_NAME, f"Voxfoundry development {name}")]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    is_authority, now = issuer is None, datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + YEARS)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not is_authority:
        use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])  # one of those that C2PA accepts
        builder = builder.add_extension(use, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
