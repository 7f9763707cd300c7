"""The profile of a voice: how it speaks for each use, how good that is, and how it came to be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_sovits.lanes import BATCH
from gpt_sovits.preset_names import DEFAULT_PRESET
from gpt_sovits.synthesis.preset_files import list_presets, preset_files
from metrics.scores import Scorecard
from registry.candidates.candidate import find_candidate, scorecard_of, voice_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.files import file_sha256
from registry.gate.decision import Decision, Outcome, ThresholdCheck
from registry.releases.alias import ReleaseRefused, released_version
from registry.releases.journal import RELEASE, as_row, champion, read_journal
from registry.releases.lane_verdicts import lanes_of
from registry.releases.preset_verdicts import release_verdict
from registry.releases.state import Release, Row, is_end_of
from registry.storage.store import Store
from registry.verdicts.store import SignedVerdict, verdict_by_sha256

FRAMES_PER_SECOND = 50  # of a reference's spectrogram, at every sample rate
Figures = dict[str, float]


@dataclass(frozen=True)
class ReferenceClip:
    """A reference in the voice's folder.

    Attributes:
        file: Where it is in the folder.
        clip_id: The training clip that it was made of, empty where the scorecard does not record it.
        sha256: Of the file.
        seconds: How long the clip is.
    """

    file: str
    clip_id: str
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
    """One release of the voice.

    Attributes:
        row: Number of the journal's row that completed it.
        utc: When that was, ISO 8601.
        action: What it was: `promote`, `rollback`, `revoke` or `restore`.
        version: The champion after it, None if the voice went out of service.
        actor: Who released.
        figures: By preset, those of the verdict that the version was promoted with. Empty where there is none.
    """

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


@dataclass(frozen=True)
class VoiceInService:
    """A voice with a champion, and the presets and lanes that its verdict passed, the default ones first."""

    voice: str
    version: int
    presets: tuple[str, ...]
    lanes: tuple[str, ...]


def read_voice_in_service(store: Store, voice: str) -> VoiceInService | None:
    """Return a voice's champion, its presets and the lanes that it is served in, None where it has no champion.

    It is what the journal and the verdict say. The voice's files, which may be large, are not read.

    Args:
        store: Where registry and journal are.
        voice: The voice's name.

    Raises:
        CandidateError: The champion is gone from the registry.
        JournalError: The journal is broken.
        VerdictError: A verdict is not what was signed.
    """
    release = champion(store, voice)
    if release is None:
        return None
    version = _version_in_service(store, voice, release)
    signed = release_verdict(store, voice, release)
    presets = signed.verdict.decision.presets if signed else ()
    passed = tuple(part.name for part in presets if part.outcome == "pass")
    return VoiceInService(voice, version, (DEFAULT_PRESET, *passed), (BATCH, *lanes_of(signed)))


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
    if release is None:
        raise ReleaseRefused(f"{voice} has no champion, so it has no profile; `vox promote {voice}` releases a version")
    version = _version_in_service(store, voice, release)
    candidate = find_candidate(store, voice, version, release.candidate_id)
    signed = release_verdict(store, voice, release)
    rows = [as_row(record) for record in journal.records.valid_rows if record.kind == RELEASE]
    return SpeakerProfile(
        voice=voice,
        version=version,
        candidate_id=candidate.candidate_id,
        presets=_presets(voice_folder_of(store, candidate), scorecard_of(store, candidate), signed),
        history=tuple(_history(store, voice, rows)),
    )


def _version_in_service(store: Store, voice: str, release: Release) -> int:
    if (version := released_version(store, voice, release)) is None:
        raise CandidateError(
            f"version {release.version}, the champion of {voice}, is gone from MLflow; roll back to a former one"
        )
    return version


def figures_by_preset(decision: Decision) -> dict[str, Figures]:
    """Return the pooled figures of a decision by preset, the default one first."""
    return {DEFAULT_PRESET: decision.figures, **{part.name: part.figures for part in decision.presets}}


def preset_settings(folder: Path, name: str) -> dict[str, Any]:
    """Return every field of a preset's file. `token_phones`, which is long, is left out."""
    settings = json.loads((folder / preset_files(name)[0]).read_text(encoding="utf-8"))
    return {key: value for key, value in settings.items() if key != "token_phones"}


def preset_references(folder: Path, name: str, card: Scorecard) -> tuple[ReferenceClip, ...]:
    """Return what a preset speaks with: its own reference, or those of the voice.

    Args:
        folder: The voice's folder.
        name: Of the preset.
        card: The voice's scorecard, which names the clips.
    """
    own = folder / preset_files(name)[1]
    if name != DEFAULT_PRESET and own.is_file():
        scored = card.with_preset(name)
        return (_reference(folder, own, scored.reference_clip if scored else ""),)
    paths = sorted(folder.glob("reference*.safetensors"), key=_number)
    return tuple(_reference(folder, path, "" if at else card.reference_clip) for at, path in enumerate(paths))


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("reference").lstrip("_") or 1)


def _reference(folder: Path, path: Path, clip_id: str) -> ReferenceClip:
    from safetensors import safe_open

    with safe_open(path, framework="np") as tensors:
        n_frames = tensors.get_slice("spectrogram").get_shape()[-1]
    file = path.relative_to(folder).as_posix()
    return ReferenceClip(file, clip_id, file_sha256(path), n_frames / FRAMES_PER_SECOND)


def _presets(folder: Path, card: Scorecard, signed: SignedVerdict | None) -> tuple[PresetProfile, ...]:
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
                references=preset_references(folder, name, card),
                outcome=outcome,
                figures=figures,
                thresholds=thresholds,
                n_prompts=n_prompts,
            )
        )
    return tuple(profiles)


def _history(store: Store, voice: str, rows: Iterable[Row]) -> Iterator[ReleaseFigures]:
    """Yield every release that was completed, with the figures of the verdict that its candidate was promoted with."""
    started: Row | None = None
    verdicts: dict[str, str] = {}  # candidate id -> sha256 of the verdict; a rollback has none of its own
    for row in rows:
        if row.state == "started":
            started = row
        elif started is not None and is_end_of(row, started):  # another end has no effect, whoever signed it
            if row.state == "done":
                if row.candidate_id is not None and row.verdict_sha256 is not None:
                    verdicts[row.candidate_id] = row.verdict_sha256
                digest = verdicts.get(row.candidate_id or "")
                signed = verdict_by_sha256(store, voice, digest) if digest else None
                yield ReleaseFigures(
                    row=row.number,
                    utc=row.utc,
                    action=row.action,
                    version=row.to_version,
                    actor=started.actor,
                    figures=figures_by_preset(signed.verdict.decision) if signed else {},
                )
            started = None
