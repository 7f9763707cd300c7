"""Which installed packages are not those that a requirements file pins."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)
N_SHOWN = 3


def describe_other_packages(lock: Path) -> list[str]:
    """Return a sentence about installed packages with another version than pinned, none where all agree.

    Args:
        lock: A requirements file with lines `name==version`, of which a package may have several for several Pythons.
            What is not installed is left out.
    """
    pins: dict[str, set[str]] = {}
    for name, pinned in PIN.findall(lock.read_text(encoding="utf-8")) if lock.is_file() else ():
        pins.setdefault(name, set()).add(pinned)
    others = []
    for name, versions in pins.items():
        try:
            installed = version(name)
        except PackageNotFoundError:  # of an extra, or of another system
            continue
        if not versions & {installed, installed.partition("+")[0]}:  # 2.11.0+cpu is a build of 2.11.0
            others.append(f"{name} {installed} (not {' or '.join(sorted(versions))})")
    if not others:
        return []
    more = f" and {len(others) - N_SHOWN} more" if len(others) > N_SHOWN else ""
    return [f"installed packages are not those of the commit's requirements.lock: {', '.join(others[:N_SHOWN])}{more}"]
