"""Ed25519 keys and signatures: private keys in PEM files, public keys as 64 hex digits. Keys are never logged."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from registry.errors import RegistryError
from registry.keys.permissions import why_changeable


class SigningError(RegistryError, RuntimeError):
    """A signing or trusted key is missing, unreadable or unsafe. The message says which and what to do."""


@dataclass(frozen=True)
class Signature:
    """A signature and the key that made it."""

    public_key: str  # 64 hex digits
    signature: str  # 128 hex digits


def sign_with(path: Path, message: str) -> Signature:
    """Sign a text with the private key in a file.

    Raises:
        SigningError: The key is unreadable, unsafe or of another kind.
    """
    key = _load_private(path)
    return Signature(_hex(key.public_key()), key.sign(message.encode()).hex())


def is_signed(message: str, signature: Signature) -> bool:
    """Return whether the signature's key signed exactly this text. Whether the key is trusted is another question."""
    try:
        _public_key(signature.public_key).verify(bytes.fromhex(signature.signature), message.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def make_key(path: Path) -> None:
    """Write a new private key, readable by its owner only. A key that is there already stays.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        # a link and not a rename, which would replace the key that another process made meanwhile
        path.hardlink_to(temporary)
    except FileExistsError:
        pass  # the other process's key is the one to use
    finally:
        Path(temporary).unlink()


def public_key_of(path: Path) -> str:
    """Return the public key in hex of a PEM file that holds a private or a public key.

    Raises:
        SigningError: The file is unreadable or holds something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SigningError(f"{path}: the key cannot be read ({error.strerror}); make it readable") from error
    if b"PRIVATE KEY" in data:
        return _hex(_load_private(path).public_key())
    try:
        key = load_pem_public_key(data)
    except ValueError as error:
        raise SigningError(f"{path} is not a PEM key; give the file that `vox keys create` wrote") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SigningError(f"{path} is a key of another kind; only Ed25519 keys can be trusted")
    return _hex(key)


def public_pem(public_key: str) -> str:
    """Return the PEM text of a public key in hex, to be sent to whoever should trust it."""
    pem = _public_key(public_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def _load_private(path: Path) -> Ed25519PrivateKey:
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise SigningError(f"{path} can be read by others (mode {mode & 0o777:o}); run: chmod 600 {path}")
        if reason := why_changeable(path):
            raise SigningError(f"whoever can replace {path.name} signs as this machine: {reason}")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SigningError(f"{path}: the signing key cannot be read ({error.strerror}); make it readable") from error
    except (ValueError, TypeError) as error:
        raise SigningError(f"{path} is not a PEM private key without a password; put an Ed25519 key there") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path} is a key of another kind; put an Ed25519 key there")
    return key


@lru_cache(maxsize=256)
def _public_key(public_key: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))


def _hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
