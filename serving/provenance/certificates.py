"""Certificate chains in PEM: what signs with them, and whether they lead to one that is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from serving.provenance.errors import CertificateError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
Algorithm = Literal["ES256", "ES384", "ES512", "PS256", "EdDSA"]  # of JSON Web Signatures; C2PA's are the same
CURVES: dict[str, tuple[Algorithm, hashes.HashAlgorithm]] = {
    "secp256r1": ("ES256", hashes.SHA256()),
    "secp384r1": ("ES384", hashes.SHA384()),
    "secp521r1": ("ES512", hashes.SHA512()),
}
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
MIN_RSA_BITS = 2048
Trust = Literal["trusted", "untrusted", "expired"]


@dataclass(frozen=True)
class SignerInfo:
    """Whose certificate signed.

    Attributes:
        subject: Its subject, as RFC 4514 writes it.
        issuer: Who issued it.
        serial_number: In decimal.
    """

    subject: str
    issuer: str
    serial_number: str


def describe(certificate: x509.Certificate) -> SignerInfo:
    """Return whose certificate it is."""
    return SignerInfo(
        certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string(), str(certificate.serial_number)
    )


def algorithm_of(key: object) -> Algorithm:
    """Return the algorithm that a public key verifies.

    Raises:
        CertificateError: C2PA has none for it.
    """
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name][0]
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return "PS256"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    raise CertificateError("a certificate must have a key on P-256, P-384, P-521 or Ed25519, or RSA of 2048 bits")


def sign(key: PrivateKey, data: bytes) -> bytes:
    """Return the signature of some data, as JSON Web Signatures and C2PA write it."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, PSS, hashes.SHA256())
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(CURVES[key.curve.name][1])))
    size = (key.curve.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def has_signed(certificate: x509.Certificate, signature: bytes, data: bytes) -> bool:
    """Return whether the key of a certificate made a signature.

    Args:
        certificate: Of the signer.
        signature: As `sign` returns it.
        data: What was signed.

    Raises:
        CertificateError: Its key is of a kind that signs no marks.
    """
    key = certificate.public_key()
    algorithm_of(key)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, PSS, hashes.SHA256())
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey)
            size = (key.curve.key_size + 7) // 8
            if len(signature) != 2 * size:
                return False
            r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
            key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(CURVES[key.curve.name][1]))
    except InvalidSignature:
        return False
    return True


def trust_of(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], moment: datetime) -> Trust:
    """Return whether a chain leads to a trusted certificate at a moment.

    Args:
        chain: The signer's certificate, then those above it.
        anchors: What is trusted.
        moment: In UTC.
    """
    leaf = chain[0]
    if not leaf.not_valid_before_utc <= moment <= leaf.not_valid_after_utc:
        return "expired"
    if not anchors:
        return "untrusted"
    signing = ExtensionPolicy.permit_all().require_present(x509.KeyUsage, Criticality.AGNOSTIC, _require_signing)
    policies = {"ca_policy": ExtensionPolicy.webpki_defaults_ca(), "ee_policy": signing}
    builder = PolicyBuilder().store(Store(anchors)).time(moment)
    verifier = builder.extension_policies(**policies).build_client_verifier()
    try:
        verifier.verify(leaf, list(chain[1:]))
    except VerificationError:
        return "untrusted"
    return "trusted"


def _require_signing(policy: object, certificate: object, extension: x509.KeyUsage) -> None:
    """Refuse a certificate whose key may not sign. The verifier calls it."""
    if not extension.digital_signature:
        raise ValueError("its key may not sign")
