"""`vox voice renew`: another consent of the same speaker, after the old one ended, was revoked, or was too narrow."""

from __future__ import annotations

import shutil
from pathlib import Path

from flows.consent_terms import ConsentTerms, consent_record
from flows.console import print_line
from flows.paths import recordings_dir
from flows.statements import check_statement
from registry.consent.file import load_voice, replace_voice
from registry.consent.record import Voice, require_voice_name
from registry.consent.revocations import why_revoked
from registry.files import file_sha256
from stages.execution.locks import locked
from stages.params import load_params
from stages.recordings.inventory import take_inventory

FORMER = ".former_consents"  # hidden, so that ingest does not take an old proof for a transcript


def renew_consent(name: str, terms: ConsentTerms) -> int:
    """Replace the consent of a voice. The old proofs stay in a hidden folder beside the recordings.

    A process killed at any point leaves a consent that does not count, or the new one, and the same call finishes it.

    Args:
        name: The voice's name.
        terms: The new consent.
    """
    # 1. Check everything before anything is written
    folder = recordings_dir(require_voice_name(name))
    old = load_voice(folder)
    mark = f"_{file_sha256(terms.evidence)[:8]}"
    new = consent_record(name, old.language, terms=terms, mark=mark)
    if reason := why_revoked(Path.cwd(), new):
        raise ValueError(f"the consent of {name} cannot be renewed: {reason}; ask the speaker for a new one")
    if terms.statement is not None:
        params = load_params()
        inventory = take_inventory(folder, old, params.ingest.max_lost_transcripts_share)
        recordings = [folder / path for path in inventory.audio]
        print_line(check_statement(terms.statement, new, recordings=recordings, params=params))
    with locked("voices"):
        # 2. The new proofs, then the old ones out of the way, then the record that names the new ones
        for proof, place in zip(terms.proofs(), new.consent.proofs(), strict=True):
            partial = folder / f".{place}.partial"
            shutil.copyfile(proof, partial)
            partial.replace(folder / place)
        _put_away(folder, old, kept=new.consent.proofs())
        replace_voice(folder, new)
    print_line(f"{folder}/voice.yaml holds the new consent of {name}, from {new.consent.granted_on} on.")
    return 0


def _put_away(folder: Path, old: Voice, *, kept: tuple[str, ...]) -> None:
    """Move proofs that the new record does not name into the hidden folder, under their hash."""
    for place in old.consent.proofs():
        path = folder / place
        if place not in kept and path.is_file():
            (folder / FORMER).mkdir(exist_ok=True)
            path.replace(folder / FORMER / f"{file_sha256(path)[:8]}_{path.name}")
