"""`vox promote`, `vox rollback`, `vox releases`, `vox audit`: move the champion, and show what was released."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from rich.text import Text

from flows.console import print_error, print_line, print_table
from flows.paths import RECORDINGS, recordings_dir
from registry.releases.alias import ReleaseRefused
from registry.releases.journal import history, read_journal
from registry.storage.store import Store, open_store

REFUSED = 1  # exit code
COLUMNS = ("row", "when (UTC)", "action", "state", "from", "to", "by", "note")


def promote_voice(voice: str, version: int | None, *, first_release: bool) -> int:
    """Make a version champion, or the newest for None. Return 0 if it is champion now, 1 if refused."""
    from flows.gate_and_promote import promote

    _require_known(open_store(), voice)
    return _print_move(lambda: promote(voice, version=version, first_release=first_release))


def rollback_voice(voice: str, to_version: int | None) -> int:
    """Go back to the champion before this one, or to a former one. Return 0 if it is champion now, 1 if refused."""
    from registry.releases.promotion import rollback

    store, folder, today = open_store(), recordings_dir(voice), datetime.now(UTC).date()
    _require_known(store, voice)
    return _print_move(lambda: rollback(store, voice, recordings_dir=folder, to=to_version, today=today).note)


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
    store = open_store()
    _require_known(store, voice)
    journal = read_journal(store, voice, whole=True)
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
        texts = (str(row.number), row.utc[:19], row.action, row.state, *versions, row.actor, note)
        lines.append([str(text) for text in texts])  # a row of a broken journal may lack what it must have
    print_table(lines, header=COLUMNS)
    print_line(f"live: version {champion.version}" if champion else "live: nothing")
    if journal.fault is not None:
        print_line(Text("the journal is broken:", "bold red"), f" {journal.fault}; see `vox audit {voice}`")
    return 0


def audit_voice(voice: str, *, as_json: bool, expect: str | None = None) -> int:
    """Prove that the journal is whole and that MLflow agrees with it. Return 0 if so, 1 if not."""
    from registry.gate.policy import parse_policy
    from registry.releases.audit import audit
    from registry.releases.unproven import list_unproven
    from stages.params import load_params

    store = open_store()
    _require_known(store, voice)
    faults = audit(store, voice, recordings_dir=recordings_dir(voice), expect=expect)
    params = load_params()
    unproven = list_unproven(
        store,
        voice,
        recordings_dir=recordings_dir(voice),
        preference=parse_policy(params.gate).preference,
        approvals=params.releases.approvals,
    )
    if as_json:
        print(json.dumps({"voice": voice, "whole": not faults, "faults": faults, "not_proven": unproven}, indent=2))
        return int(bool(faults))
    if not faults:
        print_line(f"whole: the journal of {voice} is as it was written, and MLflow agrees with it")
    for fault in faults:
        print_line(f"broken: {fault}")
    for sentence in unproven:
        print_line(f"not proven: {sentence}")
    return int(bool(faults))


def _require_known(store: Store, voice: str) -> None:
    """Refuse a voice of which this project has neither recordings nor releases, which is a mistyped name."""
    if recordings_dir(voice).is_dir() or history(store, voice):
        return
    voices = sorted(path.name for path in RECORDINGS.glob("*") if path.is_dir() and not path.name.startswith("."))
    raise ValueError(
        f"{voice} was never released and is not a voice of this project, which has {', '.join(voices) or 'none'}; "
        "check the name"
    )
