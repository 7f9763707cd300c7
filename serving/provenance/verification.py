"""What a file says of its origin, and whether that is true.

A file is looked at layer by layer. A layer that was tampered with decides, whatever the others say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cryptography import x509

from serving.provenance.certificates import SignerInfo, describe, trust_of
from serving.provenance.embedding import UNTRUSTED, Manifest, read_manifest
from serving.provenance.errors import MarkUnreadableError
from serving.provenance.facts import AI_GENERATED, ProvenanceFacts
from serving.provenance.sidecars import read_sidecar

Status = Literal["valid", "invalid", "untrusted", "none"]
STATUSES: tuple[Status, ...] = ("invalid", "valid", "untrusted", "none")  # the first that a layer has is the file's
MAX_REASONS = 5
CODES = {
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "the manifest was changed after it was signed",
    "claimSignature.mismatch": "the manifest was changed after it was signed",
    "claimSignature.outsideValidity": "the signer's certificate was not valid when it signed",
    "signingCredential.expired": "the signer's certificate has expired",
    "signingCredential.invalid": "the signer's certificate may not sign such files",
}
HEAD_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One way in which a file can be marked.

    Attributes:
        layer: c2pa or sidecar. A watermark would be another one.
        status: What became of it.
        reason: One sentence.
        facts: What it says. None unless it is valid or only its signer is unknown.
        is_ai_generated: Whether it says that an AI made the sound. None where it says nothing that counts.
        signer: Whose certificate signed it.
    """

    layer: Literal["c2pa", "sidecar"]
    status: Status
    reason: str
    facts: ProvenanceFacts | None = None
    is_ai_generated: bool | None = None
    signer: SignerInfo | None = None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What is known about a file.

    Attributes:
        sha256: Of the file, in hex.
        layers: Every layer that was looked for.
    """

    sha256: str
    layers: tuple[Layer, ...]

    @property
    def deciding(self) -> Layer:
        """Return the layer that decides."""
        return min(self.layers, key=lambda layer: STATUSES.index(layer.status))

    def to_json(self) -> dict[str, Any]:
        """Return the answer as JSON: that of the deciding layer, and all of them."""
        layer = self.deciding
        own = {name: value for name, value in asdict(layer).items() if name != "layer"}
        return {**own, "sha256": self.sha256, "layers": [asdict(each) for each in self.layers]}


def verify(
    path: Path, *, trust: Sequence[x509.Certificate], sidecar: bytes | None = None, now: datetime | None = None
) -> Verification:
    """Verify a file. No content of it raises an error.

    Args:
        path: The file.
        trust: Certificates that are trusted.
        sidecar: Its sidecar, None where it has none.
        now: Moment at which the sidecar's certificate must be valid. None: now. C2PA asks the clock itself.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    layers = [_embedded(path, head, trust)]
    if sidecar is not None:
        layers.append(_beside(sidecar, sha256, path.stat().st_size, trust, now or datetime.now(UTC)))
    return Verification(sha256=sha256, layers=tuple(layers))


def format_of(head: bytes) -> str | None:
    """Return which format with room for a manifest a file has, by its first 16 bytes. None: none of them."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[4:8] == b"ftyp":
        return "m4a"
    # an MPEG frame: 11 bits of synchronisation, and layer 3 of it. ADTS has layer 0
    is_frame = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 == 0x02
    return "mp3" if head[:3] == b"ID3" or is_frame else None


def _embedded(path: Path, head: bytes, trust: Sequence[x509.Certificate]) -> Layer:
    form = format_of(head)
    if form is None:
        return Layer(layer="c2pa", status="none", reason="files of this format hold no manifest; ask for its sidecar")
    try:
        manifest = read_manifest(path, form, trust)
    except MarkUnreadableError as error:
        return Layer(layer="c2pa", status="invalid", reason=error.message)
    if manifest is None:
        return Layer(layer="c2pa", status="none", reason="the file holds no manifest; nothing is fetched")
    return _judged(manifest)


def _judged(manifest: Manifest) -> Layer:
    codes = [code for code, _ in manifest.failures]
    wrong = [(code, why) for code, why in manifest.failures if code != UNTRUSTED]
    if wrong:
        reasons = dict.fromkeys(
            f"{CODES.get(code, why or 'the manifest is wrong')} ({code})" for code, why in wrong[:MAX_REASONS]
        )
        return Layer(layer="c2pa", status="invalid", reason=", ".join(reasons), signer=manifest.signer)
    known = {"facts": manifest.facts, "is_ai_generated": manifest.is_ai_generated, "signer": manifest.signer}
    if UNTRUSTED in codes:
        reason = "the file is as it was signed, but nobody here trusts the signer"
        return Layer(layer="c2pa", status="untrusted", reason=reason, **known)
    return Layer(layer="c2pa", status="valid", reason="the file is as it was signed, by a trusted signer", **known)


def _beside(raw: bytes, sha256: str, n_bytes: int, trust: Sequence[x509.Certificate], now: datetime) -> Layer:
    try:
        sidecar = read_sidecar(raw)
    except MarkUnreadableError as error:
        return Layer(layer="sidecar", status="invalid", reason=error.message)
    signer = describe(sidecar.chain[0])
    trusted = trust_of(sidecar.chain, trust, now)
    wrong = None
    if not sidecar.is_signature_right:
        wrong = "the sidecar was changed after it was signed"
    elif (sidecar.sha256, sidecar.n_bytes) != (sha256, n_bytes):
        wrong = f"the sidecar is about another file, or the file was changed: it has sha256 {sha256}"
    elif trusted == "expired":
        wrong = "the signer's certificate has expired, or is not valid yet"
    if wrong is not None:
        return Layer(layer="sidecar", status="invalid", reason=wrong, signer=signer)
    is_ai = sidecar.facts.digital_source_type == AI_GENERATED
    known = {"facts": sidecar.facts, "is_ai_generated": is_ai, "signer": signer}
    if trusted == "untrusted":
        reason = "the file is as it was signed, but nobody here trusts the signer"
        return Layer(layer="sidecar", status="untrusted", reason=reason, **known)
    return Layer(layer="sidecar", status="valid", reason="the file is as it was signed, by a trusted signer", **known)
