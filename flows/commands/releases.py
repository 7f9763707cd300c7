"""`vox promote`, `vox rollback`, `vox releases`, `vox audit`: move the champion, and show what was released."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from flows.console import print_error, print_line, print_table
from flows.paths import recordings_dir
from registry.releases.alias import ReleaseRefused
from registry.releases.journal import history, read_journal
from registry.storage.store import open_store

REFUSED = 1  # exit code
COLUMNS = ("row", "when (UTC)", "action", "state", "from", "to", "by", "note")


def promote_voice(voice: str, version: int | None, *, first_release: bool) -> int:
    """Make a version champion, or the newest for None. Return 0 if it is champion now, 1 if refused."""
    from flows.gate_and_promote import promote

    return _print_move(lambda: promote(voice, version=version, first_release=first_release))


def rollback_voice(voice: str, to_version: int | None) -> int:
    """Go back to the champion before this one, or to a former one. Return 0 if it is champion now, 1 if refused."""
    from registry.releases.promotion import rollback

    today = datetime.now(UTC).date()
    folder = recordings_dir(voice)
    return _print_move(lambda: rollback(open_store(), voice, recordings_dir=folder, to=to_version, today=today).note)


def _print_move(move: Callable[[], str]) -> int:
    """Print what a release did, or every reason for which it was refused."""
    try:
        print_line(move())
    except ReleaseRefused as refusal:
        print_error(f"refused: {refusal}")
        return REFUSED
    return 0


def show_releases(voice: str, *, as_json: bool) -> int:
    """Print the journal of a voice and what is live."""
    journal = read_journal(open_store(), voice, whole=True)
    rows, champion = journal.rows, journal.state.champion
    if as_json:
        content = {
            "voice": voice,
            "champion": champion.version if champion else None,
            "whole": journal.fault is None,
            "journal": [asdict(row) | {"no_effect": journal.records.void.get(row.number)} for row in rows],
        }
        print(json.dumps(content, indent=2))
        return 0
    if not rows:
        print_line(
            f"{voice} was never released; use `vox promote {voice} --first-release` after `vox gate` gave `pass`"
        )
        return 0
    lines = []
    for row in rows:
        versions = ("-" if version is None else str(version) for version in (row.from_version, row.to_version))
        note = f"no effect: {reason}" if (reason := journal.records.void.get(row.number)) else row.note
        lines.append((str(row.number), row.utc[:19], row.action, row.state, *versions, row.actor, note))
    print_table(lines, header=COLUMNS)
    print_line(f"live: version {champion.version}" if champion else "live: nothing")
    if journal.fault is not None:
        print_line(f"[bold red]the journal is broken:[/] {journal.fault}; see `vox audit {voice}`", markup=True)
    return 0


def audit_voice(voice: str, *, as_json: bool, expect: str | None = None) -> int:
    """Prove that the journal is whole and that MLflow agrees with it. Return 0 if so, 1 if not."""
    from registry.releases.audit import audit

    store = open_store()
    if not history(store, voice) and not recordings_dir(voice).is_dir():
        raise ValueError(f"{voice} was never released and is not a voice of this project; check the name")
    faults = audit(store, voice, recordings_dir=recordings_dir(voice), expect=expect)
    if as_json:
        print(json.dumps({"voice": voice, "whole": not faults, "faults": [str(fault) for fault in faults]}, indent=2))
    elif not faults:
        print_line(f"whole: the journal of {voice} is as it was written, and MLflow agrees with it")
    else:
        for fault in faults:
            print_line(f"broken: {fault}")
    return int(bool(faults))
