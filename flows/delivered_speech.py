"""Delete what a revoked voice has spoken for others: the files of jobs and campaigns, and the folders of campaigns."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from campaigns.database import migrate_campaigns
from campaigns.execution import control
from campaigns.execution.files import DELIVERED, STRAY, remove_files
from flows.errors import FlowError
from flows.paths import CAMPAIGNS
from serving.database import Database, open_database
from serving.errors import ServingError
from serving.jobs import files, store
from serving.jobs.results import ResultStore
from serving.settings import parse_settings
from serving.storage.objects import open_object_store
from stages.params import load_params


class DeliveredSpeechError(FlowError, RuntimeError):
    """Speech of jobs and campaigns could not be deleted. The message says why and what to do."""


@dataclass(frozen=True)
class DeletedSpeech:
    """What was deleted where the service keeps speech."""

    n_results: int  # texts of jobs and rows of campaigns whose files were deleted
    campaigns: tuple[str, ...]  # names of those that the voice spoke


def delete_speech(root: Path, voice: str) -> DeletedSpeech:
    """Delete the files of all jobs and campaigns that a voice spoke, and end those that have not ended.

    Deleting again deletes what is left. A project without a database of the service has nothing to delete.

    Args:
        root: The project's folder.
        voice: The voice's name.

    Raises:
        DeliveredSpeechError: The database or the storage of the service cannot be used now.
    """
    try:
        database = open_database(root)
        try:
            return _delete(database, voice, root=root) if database.exists else DeletedSpeech(0, ())
        finally:
            database.close()
    except ServingError as error:
        raise DeliveredSpeechError(
            f"the speech of {voice} in jobs and campaigns could not all be deleted: {error.message}; all other data is "
            "deleted. Start the database and the storage of the service, with their variables set here, and give the "
            "same command again"
        ) from error


def campaign_folders(voice: str, *, unreported: Collection[str] = ()) -> list[Path]:
    """Return the folders of campaigns below data/8_campaigns that a voice spoke, as the report in each says.

    Args:
        voice: The voice's name.
        unreported: Names of campaigns whose folders belong to the voice where they have no report yet.
    """
    found = []
    for folder in sorted(CAMPAIGNS.glob("*")):
        speaker = _speaker_of(folder)
        if speaker == voice or (speaker is None and folder.name in unreported):
            found.append(folder)
    return found


def _delete(database: Database, voice: str, *, root: Path) -> DeletedSpeech:
    database.migrate()
    migrate_campaigns(database)
    # 1. Mark all jobs and campaigns: a node of the service then deletes what arrives late or is out of reach here
    jobs = store.find_of_voice(database, voice)
    for job_id, owner in jobs:
        store.delete(database, job_id, owner)
    spoken = [campaign for campaign in control.find_all(database, limit=None) if campaign.plan.voice == voice]
    for campaign in spoken:
        control.stop(database, campaign.id, "cancelled", delete=True)
    # 2. Delete their files
    storage = parse_settings(load_params().serve).storage
    objects = open_object_store(storage.url, root=root, public_endpoint=storage.public_endpoint)
    results, n_results = ResultStore(objects), 0
    for job_id, _ in jobs:
        for sha256 in files.files_of(database, job_id):
            files.drop_file(database, job_id, sha256, results.delete)
            n_results += 1
    n_results += sum(remove_files(database, objects, campaign.id, *STRAY, *DELIVERED) for campaign in spoken)
    return DeletedSpeech(n_results, tuple(campaign.name for campaign in spoken))


def _speaker_of(folder: Path) -> str | None:
    """Return the voice that a campaign's folder names, None where it has no report that can be read."""
    with suppress(OSError, ValueError):
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        if isinstance(report, dict) and isinstance(report.get("voice"), str):
            return report["voice"]
    return None
