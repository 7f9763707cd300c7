"""DVC's list of who reads and writes what, freed of those who were killed.

DVC drops an entry itself once its process is gone. A killed process whose parent has not waited for it (a container
whose first process never does) is not gone, and DVC would call its outputs busy for ever.
"""

from __future__ import annotations

import json
from pathlib import Path

from stages.execution.outputs import write_atomically
from stages.execution.processes import has_ended

RWLOCK = Path(".dvc/tmp/rwlock")


def forget_dead_holders(rwlock: Path = RWLOCK) -> None:
    """Take the entries of ended processes out of the list. To be called while no other DVC is started from here."""
    try:
        holders = json.loads(rwlock.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):  # DVC says itself what to do about a damaged one
        return
    writers = {path: info for path, info in holders.get("write", {}).items() if not has_ended(info["pid"])}
    readers = {
        path: alive
        for path, infos in holders.get("read", {}).items()
        if (alive := [info for info in infos if not has_ended(info["pid"])])
    }
    if writers != holders.get("write", {}) or readers != holders.get("read", {}):
        write_atomically(rwlock, json.dumps({"write": writers, "read": readers}))
