"""Ed25519 signatures: they show which machine wrote a verdict or a journal row, and that nobody changed it since.

The private key is made at first need and stays on the machine: `.vox/keys/signing.pem` in the project's root, readable
by its owner only, or the PEM file that VOXFOUNDRY_SIGNING_KEY names. Trusted are the public keys `*.pub` beside it and
the machine's own. Where VOXFOUNDRY_TRUSTED_KEYS names a folder, exactly the `*.pub` files there are trusted. Keys are
never logged.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
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


class SigningError(RegistryError, RuntimeError):
    """A signing or trusted key is missing, unreadable or unsafe. The message says which and what to do."""


@dataclass(frozen=True)
class Signature:
    """A signature and the key that made it."""

    public_key: str  # 64 hex digits
    signature: str  # 128 hex digits


def sign(root: Path, message: str) -> Signature:
    """Sign a text with this machine's key, which is made if there is none.

    Raises:
        SigningError: The key is unreadable, unsafe or not among the trusted keys.
    """
    key = _private_key(root)
    public = _hex(key.public_key())
    if public not in trusted_keys(root):
        raise SigningError(
            f"this machine's key {public[:16]}... is not among the trusted keys, so nobody would accept its signature; "
            "add its public key to the folder that VOXFOUNDRY_TRUSTED_KEYS names"
        )
    return Signature(public, key.sign(message.encode()).hex())


def why_not_valid(message: str, signature: Signature, trusted: frozenset[str]) -> str | None:
    """Return None if a trusted key signed exactly this text, else the reason in a few words.

    Args:
        message: The text that should be signed.
        signature: Its signature.
        trusted: Public keys in hex whose signatures count.
    """
    if signature.public_key not in trusted:
        return f"it is signed by the key {signature.public_key[:16]}..., which is not trusted here"
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public_key))
        public.verify(bytes.fromhex(signature.signature), message.encode())
    except (InvalidSignature, ValueError):
        return "its signature does not fit its contents"
    return None


def trusted_keys(root: Path) -> frozenset[str]:
    """Return the public keys in hex whose signatures count here.

    Raises:
        SigningError: A key file is unreadable, or VOXFOUNDRY_TRUSTED_KEYS does not name a folder.
    """
    named = os.environ.get("VOXFOUNDRY_TRUSTED_KEYS", "").strip()
    folder = Path(named) if named else _own_folder(root)
    if named and not folder.is_dir():
        raise SigningError(f"VOXFOUNDRY_TRUSTED_KEYS is {named!r}, which is not a folder; name a folder of *.pub files")
    keys = {_load_public(path) for path in sorted(folder.glob("*.pub"))}
    private = _private_path(root)
    if not named and private.is_file():
        keys.add(_hex(_load_private(private).public_key()))
    return frozenset(keys)


def _private_key(root: Path) -> Ed25519PrivateKey:
    path = _private_path(root)
    if not path.exists():
        if os.environ.get("VOXFOUNDRY_SIGNING_KEY", "").strip():
            raise SigningError(f"VOXFOUNDRY_SIGNING_KEY is {str(path)!r}, but no file is there; put the PEM key there")
        _make_key(path)
    return _load_private(path)


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        # a link and not a rename, which would replace the key that another process made meanwhile
        Path(path).hardlink_to(temporary)
    except FileExistsError:
        pass  # the other process's key is the one to use
    finally:
        Path(temporary).unlink()


def _load_private(path: Path) -> Ed25519PrivateKey:
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise SigningError(f"{path} can be read by others (mode {mode & 0o777:o}); run: chmod 600 {path}")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SigningError(f"{path}: the signing key cannot be read ({error.strerror}); make it readable") from error
    except (ValueError, TypeError) as error:
        raise SigningError(f"{path} is not a PEM private key without a password; put an Ed25519 key there") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path} is a key of another kind; put an Ed25519 key there")
    return key


def _load_public(path: Path) -> str:
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise SigningError(f"{path}: the trusted key cannot be read ({error.strerror}); make it readable") from error
    except ValueError as error:
        raise SigningError(f"{path} is not a PEM public key; remove it or replace it") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SigningError(f"{path} is a key of another kind; only Ed25519 keys can be trusted")
    return _hex(key)


def public_pem(public_key: str) -> str:
    """Return the PEM text of a public key in hex, to be written into a `.pub` file that makes it trusted."""
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _private_path(root: Path) -> Path:
    named = os.environ.get("VOXFOUNDRY_SIGNING_KEY", "").strip()
    return Path(named) if named else _own_folder(root) / "signing.pem"


def _own_folder(root: Path) -> Path:
    return root / ".vox" / "keys"


def _hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
