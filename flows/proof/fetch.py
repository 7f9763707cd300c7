"""Fetch data by its md5 from the project's default DVC remote, whichever commit or run it belongs to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from flows.dvc_remote import default_remote
from flows.proof.data import FOLDER, read_tree

DVC_LOGGERS = ("dvc", "dvc_data", "dvc_objects")


class RemoteFetcher:
    """Fetches files and folders into DVC's cache, as `dvc fetch` does. It takes nothing into the workspace.

    It holds none of DVC's locks. Objects are named by their content and appear whole, so a run may go on beside it.

    Args:
        root: The project's root.
        on_line: Takes a line about each download.
    """

    def __init__(self, root: Path, on_line: Callable[[str], None]) -> None:
        self._root, self._on_line = root, on_line

    def __call__(self, path: str, md5: str) -> str:
        """Return why data could not be fetched, "" where the cache has all that the remote has of it.

        Args:
            path: Where it belongs, for messages.
            md5: What DVC knows it by.
        """
        remote = default_remote()
        if not remote:
            return (
                f"DVC's cache lacks {path} (md5 {md5}) and the project has no default remote; "
                "name the one that has it (`dvc remote default NAME`)"
            )
        self._on_line(f"fetching {path} from the remote {remote}")
        try:
            self._pull(md5)
        except Exception as error:  # noqa: BLE001  (each kind of remote has its own errors)
            return f"the remote {remote} could not give {path} (md5 {md5}): {error or type(error).__name__}"
        return ""

    def _pull(self, md5: str) -> None:
        from dvc.repo import Repo
        from dvc_data.hashfile.hash_info import HashInfo

        for name in DVC_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what is missing is said by whoever looks for it
        with Repo(str(self._root)) as repo:
            repo.cloud.pull({HashInfo("md5", md5)})
            place = Path(repo.cache.local.oid_to_path(md5))
            if md5.endswith(FOLDER) and place.is_file():  # the list of a folder's files came, now its files
                repo.cloud.pull({HashInfo("md5", file_md5) for file_md5 in read_tree(place).values()})
