"""Files that the rows of a campaign must not keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from campaigns.execution import control
from campaigns.execution.plan import RowState
from serving.database import Database
from serving.storage.objects import ObjectStore

STRAY: tuple[RowState, ...] = ("cancelled", "expired")  # a row that was stopped while its file was put into the store
LATE_DAYS = 1  # a file that a dead process was putting is there by then
# A row that failed can have a file from before it was changed
DELIVERED: tuple[RowState, ...] = ("done", "needs_review", "failed", "dead")


def remove_files(database: Database, objects: ObjectStore, campaign_id: str, *states: RowState) -> int:
    """Delete the files of the rows of a campaign in some states. Return how many.

    A file that another row keeps stays.

    Args:
        database: Of serving.
        objects: Where the files are.
        campaign_id: The campaign, which has ended.
        states: Of the rows.

    Raises:
        StorageUnreachableError: The store cannot be used now.
    """
    n_deleted = 0
    late = control.late_keys(database, campaign_id, datetime.now(UTC) - timedelta(days=LATE_DAYS))
    for key in late:
        if not control.is_needed(database, key):
            objects.delete(key)
    but_not = (campaign_id, None) if "done" in states else None  # no row of it keeps a file then
    while stray := control.stray_keys(database, campaign_id, states):
        for recipient_id, keys in stray:
            for key in keys:
                if not control.is_needed(database, key, except_for=but_not or (campaign_id, recipient_id)):
                    objects.delete(key)
        control.note_deleted(database, campaign_id, [recipient_id for recipient_id, _ in stray])
        n_deleted += len(stray)
    return n_deleted
