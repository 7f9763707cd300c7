"""DVC's default remote, through which machines share what stages wrote."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

CONFIGS = (Path(".dvc/config"), Path(".dvc/config.local"))  # the later one wins, as in DVC


def default_remote() -> str:
    """Return the name of the project's default remote, or "" where there is none."""
    config = ConfigParser(strict=False, interpolation=None)
    config.read(CONFIGS, encoding="utf-8")
    return config.get("core", "remote", fallback="")
