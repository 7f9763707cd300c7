"""Two versions of a voice, preset by preset: which settings changed, and how the figures differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gpt_sovits.preset_names import DEFAULT_PRESET
from gpt_sovits.synthesis.preset_files import list_presets
from metrics.scores import Scorecard, pooled
from registry.candidates.candidate import find_candidate, scorecard_of, voice_folder_of
from registry.gate.faults import differences
from registry.profiles.profile import Figures, preset_references, preset_settings
from registry.storage.store import Store


@dataclass(frozen=True)
class PresetComparison:
    """One preset of two versions. A side that lacks it has neither settings nor figures.

    Attributes:
        name: Of the preset.
        first: Figures of the first version by metric, NaN where one could not be measured.
        second: Those of the second.
        changed: (first, second) of every setting that differs, by name.
        same_references: Whether both speak with the same references.
    """

    name: str
    first: Figures
    second: Figures
    changed: dict[str, tuple[Any, Any]]
    same_references: bool


@dataclass(frozen=True)
class VersionComparison:
    """Two versions of a voice.

    Attributes:
        voice: The voice's name.
        versions: The numbers, as they were asked for.
        presets: Every preset that one of them has, the default one first.
        not_comparable: Names of what they were scored under differently. Empty: the figures can be compared.
    """

    voice: str
    versions: tuple[int, int]
    presets: tuple[PresetComparison, ...]
    not_comparable: tuple[str, ...]


def compare_versions(store: Store, voice: str, first: int, second: int) -> VersionComparison:
    """Compare two registered versions of a voice by what was registered with them. This is not a verdict.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        first: Number of a version.
        second: Number of another one.

    Raises:
        CandidateError: There is no such version, or its bytes have changed.
    """
    candidates = [find_candidate(store, voice, version) for version in (first, second)]
    cards = [scorecard_of(store, candidate) for candidate in candidates]
    folders = [voice_folder_of(store, candidate) for candidate in candidates]
    names = sorted({name for folder in folders for name in list_presets(folder)})
    presets = []
    for name in (DEFAULT_PRESET, *names):
        has = [name == DEFAULT_PRESET or name in list_presets(folder) for folder in folders]
        settings = [preset_settings(folder, name) if there else {} for folder, there in zip(folders, has, strict=True)]
        references = [
            [clip.sha256 for clip in preset_references(folder, name)] if there else []
            for folder, there in zip(folders, has, strict=True)
        ]
        presets.append(
            PresetComparison(
                name=name,
                first=_figures(cards[0], name),
                second=_figures(cards[1], name),
                changed=_changed(*settings),
                same_references=references[0] == references[1],
            )
        )
    found = tuple(what for what, *_ in differences(cards[0], cards[1]))
    return VersionComparison(voice, (first, second), tuple(presets), found)


def _figures(card: Scorecard, name: str) -> Figures:
    part = card if name == DEFAULT_PRESET else card.with_preset(name)
    return {} if part is None else pooled(part.rows)


def _changed(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys: Iterable[str] = sorted(first.keys() | second.keys())
    return {key: (first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)}
