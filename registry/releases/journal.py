"""The release journal of a voice: what was released, when, by whom, on which verdict and which consent.

Its rows are records of the kind `release` in the voice's chain (registry/storage/records.py). A release writes two:
`started` before the alias moves, then `done` or `undone`, which refers to the first. After about 100 records a
checkpoint holds the release state, from which the next reading begins.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from registry.keys.ed25519 import SigningError
from registry.keys.trust import load_trust
from registry.releases.state import Entry, Release, ReleaseState, Row, next_state, read_state
from registry.storage.checkpoints import CHECKPOINT, checkpoint_content
from registry.storage.record import Fault, JournalError, Record
from registry.storage.records import Records, append_record, read_records
from registry.storage.store import Store

RELEASE = "release"
CHECKPOINT_EVERY = 100  # records
_FIELDS = tuple(field.name for field in fields(Row) if field.name not in ("number", "utc"))


@dataclass(frozen=True)
class Journal:
    """A voice's release journal: its state, and the records that it was read from.

    Attributes:
        records: From the newest checkpoint on, or all.
        state: What the rows say.
    """

    records: Records
    state: ReleaseState

    @property
    def fault(self) -> Fault | None:
        """Return the first place where the journal is not what was written, None where it is whole."""
        return self.records.fault

    @property
    def rows(self) -> tuple[Row, ...]:
        """Return the rows that releases wrote, as far as they were read, oldest first."""
        return tuple(as_row(record) for record in self.records.rows if record.kind == RELEASE)

    def require_whole(self) -> Journal:
        """Return the journal itself.

        Raises:
            JournalError: The journal is broken, so nothing may be decided from it.
        """
        self.records.require_whole()
        return self


def read_journal(store: Store, voice: str, *, whole: bool = False) -> Journal:
    """Return a voice's journal.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        whole: Read and check every row. By default those from the newest checkpoint on.

    Raises:
        SigningError: The trusted keys are unreadable.
        JournalError: The anchor or the database's id is not what was signed.
    """
    records = read_records(store, voice, whole=whole)
    return Journal(records, ReleaseState() if records.fault else _state_of(records))


def champion(store: Store, voice: str) -> Release | None:
    """Return the voice's champion according to the journal, without asking MLflow.

    Raises:
        JournalError: The journal is broken.
    """
    return read_journal(store, voice).require_whole().state.champion


def history(store: Store, voice: str) -> tuple[Row, ...]:
    """Return every release row of a voice, oldest first, from a broken journal too: a person may still read them."""
    return read_journal(store, voice, whole=True).rows


def append(store: Store, voice: str, entry: Entry, *, last_seen: int) -> Row:
    """Append one row and return it.

    Args:
        store: Whose journal it is.
        voice: The voice's name.
        entry: What the row says.
        last_seen: Number of the newest release row that the caller's decision rests on, 0 for none.

    Raises:
        JournalError: Another release came first, or the end of the journal is not what was written.
        AnchorError: The row is written, but its anchor in the project is not.
        SigningError: This machine's key may not sign it.
    """
    return as_row(append_record(store, voice, RELEASE, asdict(entry), last_seen=last_seen))


def write_checkpoint_if_due(store: Store, voice: str, journal: Journal, *, every: int = CHECKPOINT_EVERY) -> None:
    """Append the release state after enough records, so that reading does not get slower. Call it under the lock.

    Args:
        store: Whose journal it is.
        voice: The voice's name.
        journal: As it was just read.
        every: After how many records.
    """
    if len(journal.records.rows) <= every or journal.state.unfinished is not None:
        return
    try:
        append_record(store, voice, CHECKPOINT, checkpoint_content(journal.state.as_content(), load_trust(store.root)))
    except SigningError:  # it is up to the next release manager
        return


def as_row(record: Record) -> Row:
    """Return a release record as a row. What a broken record lacks is None."""
    try:
        values: Any = record.values
    except ValueError:
        values = None
    contents: dict[str, Any] = values if isinstance(values, dict) else {}
    return Row(number=record.number, utc=record.utc, **{name: contents.get(name) for name in _FIELDS})


def _state_of(records: Records) -> ReleaseState:
    state = ReleaseState()
    for record in records.rows:
        if record.number in records.void:  # it has no effect, but whoever releases next has seen it
            state = replace(state, last_row=record.number) if record.kind == RELEASE else state
        elif record.kind == RELEASE:
            state = next_state(state, as_row(record))
        elif record.kind == CHECKPOINT and record is records.rows[0]:
            try:
                state = read_state(record.values["state"])
            except (ValueError, KeyError) as error:
                raise JournalError(
                    f"the checkpoint in row {record.number} of the journal of {records.voice} was written by another "
                    "version of Voxfoundry; use that version"
                ) from error
    return state
