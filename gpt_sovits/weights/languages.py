"""The languages that a base model was trained on: the file base.json in its folder. This loads no weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from gpt_sovits.text.languages import LANGUAGES
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.places import BASES_FOLDER

BASE_FILE = "base.json"
ALL_LANGUAGES = tuple(LANGUAGES)


def base_languages(name: str, folder: Path | None = None) -> tuple[str, ...]:
    """Return the ISO 639 codes of the languages that a base model was trained on.

    A base without the file is an official pair or one that descends from it. Upstream trained those on all five
    languages. The base need not be there yet.

    Args:
        name: name of the base.
        folder: where the bases lie. None is base_models/ beside the packages.

    Raises:
        WeightsError: the file is not readable, or it names no language or an unknown one.
    """
    path = (BASES_FOLDER if folder is None else folder) / name / BASE_FILE
    if not path.is_file():
        return ALL_LANGUAGES
    try:
        languages = tuple(json.loads(path.read_text(encoding="utf-8"))["languages"])
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f'{path} must be JSON such as {{"languages": ["en"]}} ({error}); correct it') from error
    if not languages or not set(languages) <= set(LANGUAGES):
        raise WeightsError(f"{path}: languages is {list(languages)}; it takes one or more of {', '.join(LANGUAGES)}")
    return languages


def save_languages(languages: Sequence[str], home: Path) -> None:
    """Write base.json into the folder of a base model. A base of all languages needs none, and an old one goes."""
    path = home / BASE_FILE
    if set(languages) == set(ALL_LANGUAGES):
        path.unlink(missing_ok=True)
    else:
        path.write_text(json.dumps({"languages": list(languages)}) + "\n", encoding="utf-8")
