"""Two versions of a voice, preset by preset: which settings changed, and how the figures differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
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
    """One preset of two versions. The side that lacks it has no figures, and nothing else is compared then.

    Attributes:
        name: Of the preset.
        only_in: Number of the only version that has it, None where both have.
        first: Figures of the first version by metric, NaN where one could not be measured.
        second: Those of the second.
        changed: (first, second) of every setting that differs, by name.
        same_references: Whether both speak with the same references.
    """

    name: str
    only_in: int | None
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


@dataclass(frozen=True, eq=False)
class _Side:
    version: int
    card: Scorecard
    folder: Path
    presets: tuple[str, ...]


def compare_versions(store: Store, voice: str, first: int, second: int) -> VersionComparison:
    """Compare two registered versions of a voice by what was registered with them. This is not a verdict.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        first: Number of a version.
        second: Number of another one.

    Raises:
        CandidateError: The version does not exist, or its bytes have changed.
    """
    sides = []
    for version in (first, second):
        candidate = find_candidate(store, voice, version)
        folder = voice_folder_of(store, candidate)
        sides.append(_Side(version, scorecard_of(store, candidate), folder, (DEFAULT_PRESET, *list_presets(folder))))
    names = sorted({name for side in sides for name in side.presets} - {DEFAULT_PRESET})
    presets = tuple(_compare_preset(name, *sides) for name in (DEFAULT_PRESET, *names))
    found = tuple(what for what, *_ in differences(sides[0].card, sides[1].card))
    return VersionComparison(voice, (first, second), presets, found)


def _compare_preset(name: str, first: _Side, second: _Side) -> PresetComparison:
    having = [side for side in (first, second) if name in side.presets]
    changed, same_references = {}, True
    if len(having) == 2:
        changed = _changed(*(preset_settings(side.folder, name) for side in having))
        clips, others = (preset_references(side.folder, name, side.card) for side in having)
        same_references = [clip.sha256 for clip in clips] == [clip.sha256 for clip in others]
    return PresetComparison(
        name=name,
        only_in=None if len(having) == 2 else having[0].version,
        first=_figures(first.card, name),
        second=_figures(second.card, name),
        changed=changed,
        same_references=same_references,
    )


def _figures(card: Scorecard, name: str) -> Figures:
    part = card if name == DEFAULT_PRESET else card.with_preset(name)
    return {} if part is None else pooled(part.rows)


def _changed(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys: Iterable[str] = sorted(first.keys() | second.keys())
    return {key: (first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)}
