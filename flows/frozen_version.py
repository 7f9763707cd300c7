"""The version with which a campaign was started, which it keeps."""

from __future__ import annotations

from campaigns.database import migrate_campaigns
from campaigns.execution import control
from campaigns.records import CampaignSettings
from registry.actor import current_actor
from registry.storage.store import Store
from serving.database import open_database


def with_frozen_version(store: Store, settings: CampaignSettings) -> CampaignSettings:
    """Return settings with the version that the campaign was started with. They stay as they are where it is new.

    Args:
        store: Of the project, whose database knows what was started.
        settings: Of the campaign.

    Raises:
        DatabaseUnreachableError: The database of serving cannot be used.
    """
    if settings.version is not None:
        return settings
    database = open_database(store.root)
    try:
        database.migrate()
        migrate_campaigns(database)
        known = control.find_started(database, settings, current_actor())
    finally:
        database.close()
    return settings if known is None else settings.model_copy(update={"version": known.version})
