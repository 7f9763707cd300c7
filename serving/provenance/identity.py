"""The certificate that signs marks, and the certificates that are trusted when marks are verified.

They are PEM files: those that the environment names, else those of the project's folder, else a development identity
that is made at the first use. A half-configured identity is an error and never replaced by the development one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from serving.provenance.certificates import Algorithm, PrivateKey, SignerInfo, algorithm_of, describe
from serving.provenance.development import make_development_identity
from serving.provenance.errors import CertificateError

FOLDER = Path(".vox/provenance")
DEVELOPMENT = "development"
CHAIN_VARIABLE = "VOXFOUNDRY_PROVENANCE_CHAIN"
KEY_VARIABLE = "VOXFOUNDRY_PROVENANCE_KEY"
TRUST_VARIABLE = "VOXFOUNDRY_PROVENANCE_TRUST"
OTHERS = 0o077  # bits of a mode
READ_BY_GROUP = 0o040  # the only way to a file of somebody else, such as a mounted secret of Kubernetes


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who signs.

    Invariant: the key belongs to the first certificate of the chain.

    Attributes:
        chain: The signer's certificate, then those above it.
        key: Its private key.
        algorithm: What the key signs with.
        is_development: Whether it is of our own making.
    """

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey
    algorithm: Algorithm
    is_development: bool

    @property
    def chain_pem(self) -> bytes:
        """Return the chain in PEM."""
        return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in self.chain)

    @property
    def key_pem(self) -> bytes:
        """Return the private key in PEM. It stays in this process."""
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())

    @property
    def ends_at(self) -> datetime:
        """Return the first moment, in UTC, at which a certificate of the chain does not count."""
        return min(certificate.not_valid_after_utc for certificate in self.chain)

    @property
    def signer(self) -> SignerInfo:
        """Return whose certificate it is."""
        return describe(self.chain[0])


def load_identity(root: Path, environment: Mapping[str, str] = os.environ) -> Identity:
    """Return who signs the marks of a project, and make a development identity where none is configured.

    Args:
        root: Folder of the project.
        environment: Names files of a configured certificate.

    Raises:
        CertificateError: A file is missing, unreadable or does not fit the others.
    """
    chain, key = (_named_file(environment, name) for name in (CHAIN_VARIABLE, KEY_VARIABLE))
    if (chain is None) != (key is None):
        raise CertificateError(f"set both {CHAIN_VARIABLE} and {KEY_VARIABLE}, or none of them")
    if chain is not None and key is not None:
        return _read(chain, key, is_development=False)
    folder = root / FOLDER
    chain, key = folder / "chain.pem", folder / "key.pem"
    if chain.exists() or key.exists():
        return _read(chain, key, is_development=False)
    folder = folder / DEVELOPMENT
    if not folder.is_dir():
        make_development_identity(folder)
    return _read(folder / "chain.pem", folder / "key.pem", is_development=True)


def load_trust(root: Path, environment: Mapping[str, str] = os.environ) -> tuple[x509.Certificate, ...]:
    """Return the certificates that a project trusts when it verifies marks.

    Without a list of its own, it trusts what its own chain ends in. A configured chain takes the place of the
    development authority.

    Args:
        root: Folder of the project.
        environment: May name a file with certificates.

    Raises:
        CertificateError: A file has no certificate that can be read.
    """
    named = _named_file(environment, TRUST_VARIABLE)
    if named is not None:
        return read_certificates(named)
    folder = root / FOLDER
    if (folder / "trust.pem").exists():
        return read_certificates(folder / "trust.pem")
    chain = _named_file(environment, CHAIN_VARIABLE) or folder / "chain.pem"
    if chain.exists():
        return read_certificates(chain)[1:][-1:]  # the first one signs marks, and is not an authority
    development = folder / DEVELOPMENT / "trust.pem"
    return read_certificates(development) if development.exists() else ()


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM file, at least one.

    Raises:
        CertificateError: It has none, or cannot be read.
    """
    try:
        found = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise CertificateError(f"{path}: no certificates in PEM ({_reason(error)})") from error
    return found


def _named_file(environment: Mapping[str, str], variable: str) -> Path | None:
    value = environment.get(variable)
    return Path(value) if value else None


def _read(chain_path: Path, key_path: Path, *, is_development: bool) -> Identity:
    chain = read_certificates(chain_path)
    try:
        status = key_path.stat()
        refused = OTHERS if status.st_uid == os.getuid() else OTHERS & ~READ_BY_GROUP
        if status.st_mode & refused:
            raise CertificateError(
                f"{key_path} can be read by others (mode {status.st_mode & 0o777:o}); run: chmod 600 {key_path}"
            )
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, CertificateError):
            raise
        raise CertificateError(f"{key_path}: no private key in PEM without a password ({_reason(error)})") from error
    algorithm = algorithm_of(chain[0].public_key())
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != chain[0].public_key().public_bytes(*form):
        raise CertificateError(f"{key_path} does not belong to the first certificate of {chain_path}")
    return Identity(chain=chain, key=key, algorithm=algorithm, is_development=is_development)  # type: ignore[arg-type]


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
