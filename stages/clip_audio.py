"""Where the sound of an aligned clip is."""

from __future__ import annotations

from pathlib import Path

from stages.tables import AlignedClip

TRIMMED = "trimmed"  # folder beside align's tables, with the clips that align trimmed


def clip_file(clip: AlignedClip, clips_dir: Path, aligned_dir: Path) -> Path:
    """Return the FLAC file of a clip.

    Args:
        clip: its row in align's table.
        clips_dir: output of the stage segment.
        aligned_dir: output of the stage align.
    """
    return (aligned_dir if clip.path.startswith(f"{TRIMMED}/") else clips_dir) / clip.path
