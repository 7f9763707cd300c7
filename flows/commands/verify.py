"""`vox verify`: walk from the recordings to the release of a version, and name the first broken link."""

from __future__ import annotations

import json
from pathlib import Path

from rich.text import Text

from flows.console import print_error, print_line
from flows.proof.prove import prove
from flows.proof.statement import state_origin
from registry.files import replace_file
from registry.proof.links import BROKEN, PROVEN, SHOWN_DIGITS, Link, Proof
from registry.storage.record import JournalError
from registry.storage.store import open_store

LABELS = {"ok": ("ok", "green"), "broken": ("broken", "bold red"), "unchecked": ("cannot be checked", "yellow")}


def verify_voice(voice: str, version: int | None, *, statement: Path | None, as_json: bool) -> int:
    """Print each link, and write a statement if all are proven.

    Args:
        voice: The voice's name.
        version: Its number, None for the champion.
        statement: File for the statement, None for no statement.
        as_json: Print the links as JSON.

    Returns:
        0 if all are proven, 1 if one is broken, 2 if one could not be checked.
    """
    store = open_store()
    try:
        proven = prove(store, voice, version=version)
    except JournalError as error:
        print_error(f"not proven: {error}")
        return BROKEN
    proof = proven.proof
    if statement is not None and proof.exit_code == PROVEN:
        replace_file(statement, json.dumps(state_origin(store, proven), indent=2) + "\n")
    if as_json:
        print(json.dumps(proof.as_content(), indent=2))
        return proof.exit_code
    for link in proof.links:
        print_line(*_describe(link))
    print_line(_conclude(proof))
    if statement is not None:
        print_line(f"statement: {statement}" if proof.exit_code == PROVEN else "statement: not written, see above")
    return proof.exit_code


def _describe(link: Link) -> tuple[Text | str, ...]:
    label, style = LABELS[link.state]
    digests = " ".join(digest[:SHOWN_DIGITS] for digest in link.digest.split()[:2])
    more = f" and {n_more} more" if (n_more := len(link.digest.split()) - 2) > 0 else ""
    shown = f" [{digests}{more}]" if digests else ""
    reason = f": {link.reason}" if link.reason else ""
    return Text(f"{label}: ", style), f"{link.name}: {link.compared}{shown}{reason}"


def _conclude(proof: Proof) -> str:
    subject = f"version {proof.version} of {proof.voice}"
    if proof.exit_code == PROVEN:
        return f"proven: {subject} leads from its recordings to its release without a gap"
    if proof.exit_code == BROKEN and proof.first_broken is not None:
        return f"not proven: the first broken link of {subject} is {proof.first_broken.name!r}"
    return f"not proven: {len(proof.unchecked)} links of {subject} could not be checked, none is broken"
