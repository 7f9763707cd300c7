"""The presets of a voice as files: the default one, and further ones for other uses.

preset.json               the default preset, which is called `narration`
presets/NAME.json         a further preset, every field of Preset
presets/NAME.safetensors  the reference that it speaks with, where that is not the voice's own
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gpt_sovits.preset_names import DEFAULT_PRESET, PRESET_NAME

if TYPE_CHECKING:  # it loads torch, which takes a second, and the registry only hashes presets
    from gpt_sovits.synthesis.preset import Preset

DEFAULT_FILE = "preset.json"
FOLDER = "presets"


def list_presets(folder: Path) -> tuple[str, ...]:
    """Return the names of a voice's further presets, sorted. The default one is not among them."""
    return tuple(sorted(path.stem for path in (folder / FOLDER).glob("*.json")))


def preset_files(name: str) -> tuple[str, str]:
    """Return where a preset and its own reference are, as POSIX paths in the voice's folder.

    Raises:
        ValueError: the name is not that of a preset.
    """
    if not re.fullmatch(PRESET_NAME, name):
        raise ValueError(f"{name!r} is not the name of a preset; one has at most 32 of a-z, 0-9, - and _")
    if name == DEFAULT_PRESET:
        return DEFAULT_FILE, "reference.safetensors"
    return f"{FOLDER}/{name}.json", f"{FOLDER}/{name}.safetensors"


def load_preset(folder: Path, name: str = DEFAULT_PRESET) -> Preset:
    """Load a preset of a voice.

    Raises:
        ValueError: the voice has no such preset, or its file is wrong. The message names the file.
    """
    from gpt_sovits.synthesis.preset import Preset

    path = _find_preset(folder, name)
    try:
        return Preset.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ValueError(f"{folder}: not a voice folder ({' '.join(str(error).split())})") from error


def write_preset(folder: Path, name: str, preset: Preset) -> None:
    """Write a preset into a voice's folder."""
    path = folder / preset_files(name)[0]
    path.parent.mkdir(exist_ok=True)
    path.write_text(preset.model_dump_json(indent=2) + "\n", encoding="utf-8")


def preset_sha256(folder: Path, name: str) -> str:
    """Return the sha256 over a further preset: its settings, and its own reference where it has one.

    Raises:
        ValueError: the voice has no such preset.
    """
    _find_preset(folder, name)
    paths = [folder / path for path in preset_files(name)]
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()}
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _find_preset(folder: Path, name: str) -> Path:
    path = folder / preset_files(name)[0]
    if name != DEFAULT_PRESET and not path.is_file():
        known = ", ".join((DEFAULT_PRESET, *list_presets(folder)))
        raise ValueError(f"the voice has no preset {name!r}; it has {known}")
    return path
