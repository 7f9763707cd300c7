"""DVC's list of who reads and writes what, freed of killed processes.

DVC drops an entry itself once its process is gone. A killed process whose parent has not waited for it is not gone. In
a container whose first process never waits, DVC would call its outputs busy for ever. DVC writes the list in place: one
that was killed meanwhile leaves an empty or half a list, which every later DVC refuses.
"""

from __future__ import annotations

import json
from pathlib import Path

import zc.lockfile

from stages.execution.outputs import write_atomically
from stages.execution.processes import has_ended

RWLOCK = Path(".dvc/tmp/rwlock")


def forget_dead_holders(rwlock: Path = RWLOCK) -> None:
    """Remove the entries of ended processes from the list. Call it while this process starts no other DVC.

    A list that a killed DVC left half written is removed whole, and with it the entries of other processes.
    """
    try:
        holders = json.loads(rwlock.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        _remove_damaged(rwlock)
        return
    writers = {path: info for path, info in holders.get("write", {}).items() if not has_ended(info["pid"])}
    readers = {
        path: alive
        for path, infos in holders.get("read", {}).items()
        if (alive := [info for info in infos if not has_ended(info["pid"])])
    }
    if writers != holders.get("write", {}) or readers != holders.get("read", {}):
        write_atomically(rwlock, json.dumps({"write": writers, "read": readers}))


def _remove_damaged(rwlock: Path) -> None:
    """Remove a list that cannot be read, unless a DVC that was started by hand is writing it at this moment."""
    try:
        guard = zc.lockfile.LockFile(f"{rwlock}.lock")  # the lock under which DVC writes the list
    except zc.lockfile.LockError:
        return
    try:
        json.loads(rwlock.read_text(encoding="utf-8"))  # whole by now: its writer had only not ended
    except ValueError:
        rwlock.unlink(missing_ok=True)
    finally:
        guard.close()
