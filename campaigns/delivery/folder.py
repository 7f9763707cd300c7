"""Everything of a campaign in a folder: the files by recipient, the table and the report. It can be written again."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from campaigns.delivery.results import csv_lines, write_parquet
from campaigns.execution.plan import Campaign
from campaigns.report.assets import AssetInfo, all_assets
from campaigns.report.page import render_page
from campaigns.report.summary import Summary, summarize
from serving.database import Database
from serving.storage.folder import FolderStore
from serving.storage.keys import sha256_of_key
from serving.storage.objects import ObjectStore

AUDIO = "audio"
TABLE = "results.csv"
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class WrittenFolder:
    """What was written.

    Attributes:
        folder: Where it is.
        report: The page.
        table: The table as CSV.
        n_files: Files of recipients.
        summary: The figures of the page.
    """

    folder: Path
    report: Path
    table: Path
    n_files: int
    summary: Summary


def write_folder(database: Database, campaign: Campaign, objects: ObjectStore, folder: Path) -> WrittenFolder:
    """Write the files, results.csv, results.parquet, report.json and report.html of a campaign into a folder.

    Files of recipients are written where the store is a folder of this machine. A bucket has them already.

    Args:
        database: Of serving.
        campaign: The campaign.
        objects: Where the files are.
        folder: It is made. Files of an earlier call are replaced, and those of rows that have none any more deleted.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seconds = campaign.plan.delivery.url_seconds

    def sign(key: str) -> str:
        return objects.signed_url(key, seconds=seconds)

    with_files = isinstance(objects, FolderStore)
    file_of: Callable[[AssetInfo], str | None] | None = _file_namer(campaign) if with_files else None
    n_files = _write_files(database, campaign, objects, folder, file_of) if file_of is not None else 0
    with replaced(folder / TABLE) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines(all_assets(database, campaign, sign), file_of=file_of))
    with replaced(folder / "results.parquet") as draft:
        write_parquet(draft, all_assets(database, campaign, sign), file_of=file_of)
    summary = summarize(database, campaign)
    with replaced(folder / "report.json") as draft:
        draft.write_text(json.dumps(summary.to_json(), indent=2) + "\n", encoding="utf-8")
    with replaced(folder / "report.html") as draft:
        draft.write_text(render_page(summary, objects), encoding="utf-8")
    return WrittenFolder(
        folder=folder,
        report=folder / "report.html",
        table=folder / TABLE,
        n_files=n_files,
        summary=summary,
    )


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give the path of a draft that replaces a file at the end, whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _file_namer(campaign: Campaign) -> Callable[[AssetInfo], str | None]:
    """Return what names the file of a row, by its recipient where the id can be the name of a file everywhere."""

    def name(asset: AssetInfo) -> str | None:
        if asset.url is None:
            return None
        safe = SAFE_NAME.fullmatch(asset.recipient_id) and not asset.recipient_id.endswith(".")
        stem = asset.recipient_id if safe else asset.row_sha256[:32]
        return f"{AUDIO}/{stem}.{campaign.plan.format}"

    return name


def _write_files(
    database: Database,
    campaign: Campaign,
    objects: FolderStore,
    folder: Path,
    file_of: Callable[[AssetInfo], str | None],
) -> int:
    """Link or copy the files of the recipients. Return how many there are."""
    (folder / AUDIO).mkdir(exist_ok=True)
    kept = set()
    for asset in all_assets(database, campaign, lambda key: key):  # whose address is the key itself
        name = file_of(asset)
        if name is None or asset.url is None:
            continue
        source = objects.folder / asset.url
        target = folder / name
        kept.add(target.name)
        if _has_hash(target, sha256_of_key(asset.url)):
            continue
        with suppress(FileNotFoundError), replaced(target) as draft:  # it was deleted meanwhile
            shutil.copyfile(source, draft)  # a link would let an editor of tags change what the store serves
    for stale in _names_in(folder / TABLE) - kept:
        (folder / AUDIO / stale).unlink(missing_ok=True)
    return len(kept)


def _names_in(table: Path) -> set[str]:
    """Return the names of the files that an earlier call wrote. Others in the folder are not ours to delete."""
    if not table.exists():
        return set()
    with table.open(encoding="utf-8", errors="replace", newline="") as file:
        found = {PurePosixPath(row.get("file") or "") for row in csv.DictReader(file)}
    return {path.name for path in found if path.parent == PurePosixPath(AUDIO)}


def _has_hash(file: Path, sha256: str) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == sha256
