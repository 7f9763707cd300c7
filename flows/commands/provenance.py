"""`vox provenance verify`: what the mark of a file says, and whether it holds."""

from __future__ import annotations

import json
from pathlib import Path

from flows.console import print_line
from registry.storage.store import find_root
from serving.provenance.identity import load_trust
from serving.provenance.sidecars import SUFFIX
from serving.provenance.verification import verify


def verify_file(file: Path, *, sidecar: Path | None, as_json: bool) -> int:
    """Print what is known about a file, without any network.

    Args:
        file: The file.
        sidecar: Its sidecar. None: the one beside it, if there is one.
        as_json: Print JSON, as the API answers.

    Returns:
        0 where the mark is valid, else 1.

    Raises:
        OSError: A file cannot be read.
        CertificateError: The certificates that are trusted cannot be read.
    """
    beside = file.with_name(file.name + SUFFIX)
    place = sidecar or (beside if beside.is_file() else None)
    found = verify(file, trust=load_trust(find_root()), sidecar=place.read_bytes() if place is not None else None)
    layer = found.deciding
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
        return 0 if layer.status == "valid" else 1
    print_line(f"{layer.status}: {layer.reason}")
    if layer.signer is not None:
        print_line(f"signer  {layer.signer.subject}")
    if layer.is_ai_generated is not None:
        print_line(f"AI      {'made by an AI' if layer.is_ai_generated else 'it does not say that an AI made it'}")
    if (facts := layer.facts) is not None:
        print_line(f"voice   {facts.voice} version {facts.version}, candidate {facts.candidate_id}")
        print_line(f"made    {facts.created_at} by {facts.software}, trace {facts.trace_id or 'none'}")
        print_line(f"text    sha256 {facts.text_sha256}")
    return 0 if layer.status == "valid" else 1
