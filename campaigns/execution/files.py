"""Files that the rows of a campaign must not keep."""

from __future__ import annotations

from campaigns.execution import control
from serving.database import Database
from serving.storage.objects import ObjectStore


def remove_files(database: Database, objects: ObjectStore, campaign_id: str, *, delivered: bool) -> int:
    """Delete the files of rows that were cancelled while they were put into the store. Return how many.

    A file that another row has stays.

    Args:
        database: Of serving.
        objects: Where the files are.
        campaign_id: The campaign, which has ended.
        delivered: Whether what was delivered is deleted, too.

    Raises:
        StorageUnreachableError: The store cannot be used now.
    """
    n_deleted = 0
    while stray := control.stray_keys(database, campaign_id, delivered=delivered):
        for _, key, sidecar_key in stray:
            if not control.is_needed(database, key, except_for=(campaign_id, None) if delivered else None):
                objects.delete(key)
                if sidecar_key is not None:
                    objects.delete(sidecar_key)
        control.note_deleted(database, campaign_id, [recipient_id for recipient_id, *_ in stray])
        n_deleted += len(stray)
    return n_deleted
