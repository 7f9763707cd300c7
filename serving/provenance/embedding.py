"""C2PA manifests inside files: mp3, wav, flac and m4a. Nothing is fetched from the network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from serving.provenance.certificates import SignerInfo
from serving.provenance.errors import MarkingError, MarkUnreadableError
from serving.provenance.facts import AI_GENERATED, ProvenanceFacts
from serving.provenance.identity import Identity

EMBEDDABLE = ("mp3", "wav", "flac", "m4a")  # of our formats and m4a. C2PA has nothing for Ogg, ADTS and bare samples
MEDIA_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "m4a": "audio/mp4"}
ASSERTION = "org.voxfoundry.speech"
ALGORITHMS = {
    "ES256": c2pa.C2paSigningAlg.ES256,
    "ES384": c2pa.C2paSigningAlg.ES384,
    "ES512": c2pa.C2paSigningAlg.ES512,
    "PS256": c2pa.C2paSigningAlg.PS256,
    "EdDSA": c2pa.C2paSigningAlg.ED25519,
}
OFFLINE = {
    "version": 1,
    "verify": {"ocsp_fetch": False, "remote_manifest_fetch": False, "verify_trust": True, "verify_after_sign": False},
    "builder": {"thumbnail": {"enabled": False}},
}
SIGNED, TRUSTED, UNTRUSTED = "claimSignature.validated", "signingCredential.trusted", "signingCredential.untrusted"
UNCHANGED = ("assertion.dataHash.match", "assertion.bmffHash.match", "assertion.boxesHash.match")
UNPROVEN = "org.voxfoundry.unproven"  # a code of ours
REMOTE = "Remote"  # begin of the message about a manifest elsewhere, which is never fetched


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a file's active manifest says, and what is wrong with it.

    Attributes:
        failures: Codes of the C2PA specification with their explanations. Empty where nothing is wrong.
        facts: What voxfoundry wrote. None where another program made the manifest.
        is_ai_generated: Whether it says that an AI made the media.
        signer: Whose certificate signed it, None where that cannot be read.
    """

    failures: tuple[tuple[str, str], ...]
    facts: ProvenanceFacts | None
    is_ai_generated: bool
    signer: SignerInfo | None


def embed(source: Path, target: Path, form: str, facts: ProvenanceFacts, identity: Identity) -> None:
    """Write a copy of a file with a signed manifest.

    Args:
        source: The file.
        target: Is written.
        form: One of EMBEDDABLE.
        facts: What the manifest says.
        identity: Who signs.

    Raises:
        MarkingError: The file cannot be marked.
    """
    info = c2pa.C2paSignerInfo(ALGORITHMS[identity.algorithm], identity.chain_pem, identity.key_pem, None)
    try:
        with (
            c2pa.Context.from_dict(OFFLINE) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(json.dumps(_definition(facts)), context) as builder,
            source.open("rb") as before,
            target.open("w+b") as after,
        ):
            builder.sign(signer, MEDIA_TYPES[form], before, after)
    except c2pa.C2paError as error:
        raise MarkingError(f"the {form} file could not be marked: {_reason(error)}") from error


def read_manifest(path: Path, form: str, trust: Sequence[x509.Certificate]) -> Manifest | None:
    """Return what a file's manifest says and whether it holds. None where it has no manifest.

    Args:
        path: The file.
        form: One of EMBEDDABLE.
        trust: Certificates that are trusted.

    Raises:
        MarkUnreadableError: The file or its manifest is broken.
    """
    anchors = b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in trust).decode()
    settings = {**OFFLINE, "trust": {"trust_anchors": anchors} if anchors else {}}
    try:
        with (
            c2pa.Context.from_dict(settings) as context,
            path.open("rb") as file,
            c2pa.Reader(MEDIA_TYPES[form], file, context=context) as reader,
        ):
            results, store = reader.get_validation_results() or {}, json.loads(reader.json())
    except c2pa.C2paError as error:
        if isinstance(error, c2pa.C2paError.ManifestNotFound) or str(error).startswith(REMOTE):
            return None
        raise MarkUnreadableError(f"the file or its manifest is broken: {_reason(error)}") from error
    active = store["manifests"].get(store.get("active_manifest"), {})
    assertions = {one["label"]: one.get("data") for one in active.get("assertions", ())}
    own = assertions.get(ASSERTION)
    return Manifest(
        failures=tuple(_failures(results)),
        facts=None if own is None else ProvenanceFacts.from_json(own),
        is_ai_generated=any(_says_ai(data) for label, data in assertions.items() if label.startswith("c2pa.actions")),
        signer=_signer(active.get("signature_info")),
    )


def _definition(facts: ProvenanceFacts) -> dict[str, Any]:
    name, _, version = facts.software.partition("/")
    software = {"name": name, "version": version}
    created = {
        "action": "c2pa.created",
        "when": facts.created_at,
        "softwareAgent": software,
        "digitalSourceType": facts.digital_source_type,
    }
    return {
        "claim_generator_info": [software],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": ASSERTION, "data": facts.to_json()},
        ],
    }


def _failures(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is wrong. What was not found to be right is wrong, so that no answer of the library is none."""
    active = results.get("activeManifest") or {}
    found = [(one["code"], " ".join(one.get("explanation", "").split())[:200]) for one in active.get("failure", ())]
    right = {one["code"] for one in active.get("success", ())}
    if not found and (SIGNED not in right or right.isdisjoint(UNCHANGED)):
        found.append((UNPROVEN, "nothing proves that the file is as it was signed"))
    if not found and TRUSTED not in right:
        found.append((UNTRUSTED, "nothing proves that the signer is trusted"))
    return found


def _says_ai(data: object) -> bool:
    actions = data.get("actions", ()) if isinstance(data, dict) else ()
    return any(isinstance(one, dict) and one.get("digitalSourceType") == AI_GENERATED for one in actions)


def _signer(info: dict[str, Any] | None) -> SignerInfo | None:
    if not info:
        return None
    names = [str(info[name])[:200] for name in ("common_name", "issuer") if info.get(name)]
    return SignerInfo(", ".join(names), str(info.get("issuer", ""))[:200], str(info.get("cert_serial_number", "")))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
