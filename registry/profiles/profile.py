"""The profile of a voice: how it speaks for each use, how good that is, and how it came to be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_sovits.preset_names import DEFAULT_PRESET
from gpt_sovits.synthesis.preset_files import list_presets, preset_files
from registry.candidates.candidate import find_candidate, voice_folder_of
from registry.files import file_sha256
from registry.gate.decision import Decision, Outcome, ThresholdCheck
from registry.releases.alias import ReleaseRefused, released_version
from registry.releases.journal import RELEASE, as_row, read_journal
from registry.releases.preset_verdicts import release_verdict
from registry.releases.state import Row
from registry.storage.store import Store
from registry.verdicts.store import SignedVerdict, verdict_by_sha256

FRAMES_PER_SECOND = 50  # of a reference's spectrogram, at every sample rate
Figures = dict[str, float]


@dataclass(frozen=True)
class ReferenceClip:
    """A reference in the voice's folder."""

    file: str
    sha256: str
    seconds: float


@dataclass(frozen=True)
class PresetProfile:
    """How the champion speaks for one use, and what the gate found.

    Attributes:
        name: Of the preset.
        settings: Every field of its file.
        references: What it speaks with, the first of which prompts the GPT.
        outcome: What its verdict says about it. None: it was not judged, and is not served.
        figures: Pooled figures by metric, empty where it was not judged.
        thresholds: The verdict's thresholds on it, also those on slices of its prompts.
        n_prompts: Prompts that judged it.
    """

    name: str
    settings: dict[str, Any]
    references: tuple[ReferenceClip, ...]
    outcome: Outcome | None
    figures: Figures
    thresholds: tuple[ThresholdCheck, ...]
    n_prompts: int


@dataclass(frozen=True)
class ReleaseFigures:
    """One release of the voice with the figures of its verdict, by preset. Empty where there was no verdict."""

    row: int
    utc: str
    action: str
    version: int | None
    actor: str
    figures: dict[str, Figures]


@dataclass(frozen=True)
class SpeakerProfile:
    """What the registry knows of a voice in service."""

    voice: str
    version: int
    candidate_id: str
    presets: tuple[PresetProfile, ...]  # the default one first
    history: tuple[ReleaseFigures, ...]  # oldest first


def read_profile(store: Store, voice: str) -> SpeakerProfile:
    """Return the profile of a voice's champion, with every byte of it as registered.

    Args:
        store: Where registry and journal are.
        voice: The voice's name.

    Raises:
        ReleaseRefused: The voice has no champion.
        CandidateError: The champion is gone, or its bytes have changed.
        JournalError: The journal is broken.
        VerdictError: A verdict is not what was signed.
    """
    journal = read_journal(store, voice, whole=True).require_whole()
    release = journal.state.champion
    version = None if release is None else released_version(store, voice, release)
    if release is None or version is None:
        raise ReleaseRefused(f"{voice} has no champion in the registry, so there is no profile; `vox releases {voice}`")
    candidate = find_candidate(store, voice, version, release.candidate_id)
    signed = release_verdict(store, voice, release)
    rows = [as_row(record) for record in journal.records.valid_rows if record.kind == RELEASE]
    return SpeakerProfile(
        voice=voice,
        version=version,
        candidate_id=candidate.candidate_id,
        presets=_presets(voice_folder_of(store, candidate), signed),
        history=tuple(_release_figures(store, voice, row) for row in rows if row.state == "done"),
    )


def figures_by_preset(decision: Decision) -> dict[str, Figures]:
    """Return the pooled figures of a decision by preset, the default one first."""
    return {DEFAULT_PRESET: decision.figures, **{part.name: part.figures for part in decision.presets}}


def preset_settings(folder: Path, name: str) -> dict[str, Any]:
    """Return every field of a preset's file. `token_phones`, which is long, is left out."""
    settings = json.loads((folder / preset_files(name)[0]).read_text(encoding="utf-8"))
    return {key: value for key, value in settings.items() if key != "token_phones"}


def preset_references(folder: Path, name: str) -> tuple[ReferenceClip, ...]:
    """Return what a preset speaks with: its own reference, or those of the voice."""
    own = folder / preset_files(name)[1]
    if name != DEFAULT_PRESET and own.is_file():
        return (_reference(folder, own),)
    return tuple(_reference(folder, path) for path in sorted(folder.glob("reference*.safetensors"), key=_number))


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("reference").lstrip("_") or 1)


def _reference(folder: Path, path: Path) -> ReferenceClip:
    from safetensors import safe_open

    with safe_open(path, framework="np") as tensors:
        n_frames = tensors.get_slice("spectrogram").get_shape()[-1]
    return ReferenceClip(path.relative_to(folder).as_posix(), file_sha256(path), n_frames / FRAMES_PER_SECOND)


def _presets(folder: Path, signed: SignedVerdict | None) -> tuple[PresetProfile, ...]:
    profiles = []
    for name in (DEFAULT_PRESET, *list_presets(folder)):
        outcome, figures, thresholds, n_prompts = None, {}, (), 0
        if signed is not None:
            decision = signed.verdict.decision
            part = next((each for each in decision.presets if each.name == name), None)
            if name == DEFAULT_PRESET:
                outcome, figures, n_prompts = decision.outcome, decision.figures, decision.n_prompts
                thresholds = (*decision.thresholds, *decision.slice_thresholds)
            elif part is not None:
                outcome, figures, n_prompts = part.outcome, part.figures, part.n_prompts
                thresholds = part.thresholds
        profiles.append(
            PresetProfile(
                name=name,
                settings=preset_settings(folder, name),
                references=preset_references(folder, name),
                outcome=outcome,
                figures=figures,
                thresholds=thresholds,
                n_prompts=n_prompts,
            )
        )
    return tuple(profiles)


def _release_figures(store: Store, voice: str, row: Row) -> ReleaseFigures:
    signed = verdict_by_sha256(store, voice, row.verdict_sha256) if row.verdict_sha256 else None
    return ReleaseFigures(
        row=row.number,
        utc=row.utc,
        action=row.action,
        version=row.to_version,
        actor=row.actor,
        figures=figures_by_preset(signed.verdict.decision) if signed else {},
    )
