"""DVC's list of who reads and writes what, freed of killed processes.

DVC drops an entry itself once its process is gone. A killed process whose parent has not waited for it is not gone. In
a container whose first process never waits, DVC would call its outputs busy for ever.
"""

from __future__ import annotations

import json
from pathlib import Path

from stages.execution.outputs import write_atomically
from stages.execution.processes import has_ended

RWLOCK = Path(".dvc/tmp/rwlock")


def forget_dead_holders(rwlock: Path = RWLOCK) -> None:
    """Remove the entries of ended processes from the list. Call it while this process starts no other DVC."""
    try:
        holders = json.loads(rwlock.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):  # DVC itself says what to do about a damaged one
        return
    writers = {path: info for path, info in holders.get("write", {}).items() if not has_ended(info["pid"])}
    readers = {
        path: alive
        for path, infos in holders.get("read", {}).items()
        if (alive := [info for info in infos if not has_ended(info["pid"])])
    }
    if writers != holders.get("write", {}) or readers != holders.get("read", {}):
        write_atomically(rwlock, json.dumps({"write": writers, "read": readers}))
