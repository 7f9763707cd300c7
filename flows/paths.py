"""Folders of a project, relative to its root."""

from __future__ import annotations

from pathlib import Path

RECORDINGS = Path("data/1_recordings")
DATA_CARDS = Path("data/3_data_cards")
CARD_PAGE = "card.html"  # in the folder of a voice there
CANDIDATES = Path("data/7_candidates")
CAMPAIGNS = Path("data/8_campaigns")
REPORTS = Path(".vox/reports")
REBUILDS = Path(".cache/rebuilds")  # git and DVC ignore it


def recordings_dir(voice: str) -> Path:
    """Return the folder with a voice's recordings and its consent record."""
    return RECORDINGS / voice
