"""One released version of a voice: its files, checked byte by byte, and what its verdict allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gpt_sovits.lanes import REALTIME
from gpt_sovits.preset_names import DEFAULT_PRESET
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.preset_files import load_preset
from gpt_sovits.text.lexicon import LEXICON_FILE, Lexicon, load_lexicon
from registry.candidates.artifacts import UnreachableError
from registry.candidates.fingerprint import CandidateError, hash_candidate, hash_files
from registry.errors import RegistryError
from registry.releases.alias import released_version
from registry.releases.lane_verdicts import lanes_of as passed_by
from registry.releases.preset_verdicts import release_verdict
from registry.releases.service import find_servable
from registry.releases.state import Release
from registry.storage.store import Store
from registry.verdicts.store import SignedVerdict
from serving.errors import ServingError
from serving.messages import Lane
from serving.releases.snapshots import UNREACHABLE, RegistryAwayError, read_heads, recordings_of


class PairRefusedError(ServingError):
    """A released version cannot be served. The message says why."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A released version: GPT and SoVITS together, with their presets and references.

    It never changes. A promotion makes another one.

    Attributes:
        voice: Name of the voice.
        version: Number under which the journal released it. MLflow may know it by another one, after it was registered
            again.
        candidate_id: Hash over everything that it consists of.
        folder: The voice's folder. Its bytes were checked when this was made.
        presets: The presets that the verdict passed, the default one first.
        lexicon: The voice's own words, None where it has none.
        verdict: The verdict that it was promoted with, None if it has none.
        scores_sha256: Of the scorecard that it was registered with, which its candidate id covers.
        prompts_sha256: Of the prompts that were scored, which its candidate id covers.
    """

    voice: str
    version: int
    candidate_id: str
    folder: Path
    presets: Mapping[str, Preset]
    lexicon: Lexicon | None
    verdict: SignedVerdict | None
    scores_sha256: str
    prompts_sha256: str

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that it was scored in, its own first."""
        return self.presets[DEFAULT_PRESET].languages

    def languages_of(self, preset: str) -> tuple[str, ...]:
        """Return the languages that a preset was scored in. Further presets are scored in the voice's own only."""
        return self.languages if preset == DEFAULT_PRESET else (self.presets[preset].language,)


def find_pair(store: Store, voice: str, release: Release, today: date) -> Pair:
    """Return a released version with its files checked. This reads every byte, so it takes a while.

    Args:
        store: Where journal and files are.
        voice: Name of the voice.
        release: Which candidate.
        today: The day on which the consent must be valid.

    Raises:
        RegistryAwayError: The registry or the files cannot be reached.
        PairRefusedError: It may not speak, or its bytes are not those that were released.
    """
    try:
        registered = released_version(store, voice, release)
        if registered is None:
            read_heads(store)  # raises where it is the whole database that is gone
            raise PairRefusedError(f"version {release.version} of {voice} is gone from MLflow")
        found = find_servable(store, voice, version=registered, recordings_dir=recordings_of(store, voice), today=today)
        if found.candidate.candidate_id != release.candidate_id:
            raise PairRefusedError(f"version {registered} of {voice} in MLflow is not the candidate that was released")
        verdict = release_verdict(store, voice, release)
        names = [DEFAULT_PRESET, *_passed_presets(verdict)]
        lexicon = found.folder / LEXICON_FILE
        return Pair(
            voice=voice,
            version=release.version,
            candidate_id=release.candidate_id,
            folder=found.folder,
            presets={name: load_preset(found.folder, name) for name in names},
            lexicon=load_lexicon(lexicon) if lexicon.exists() else None,
            verdict=verdict,
            scores_sha256=found.candidate.scores_sha256,
            prompts_sha256=found.candidate.prompts_sha256,
        )
    except (*UNREACHABLE, UnreachableError) as error:
        raise RegistryAwayError(" ".join(str(error).split())) from error
    except (RegistryError, ValueError) as error:
        raise PairRefusedError(" ".join(str(error).split())) from error


def is_unchanged(pair: Pair) -> bool:
    """Return whether the files of a pair are still what its candidate id says. This reads every byte."""
    try:
        files = hash_files(pair.folder)
    except (CandidateError, OSError):  # gone, or not readable
        return False
    proofs = {"scores_sha256": pair.scores_sha256, "prompts_sha256": pair.prompts_sha256}
    return hash_candidate(pair.voice, files, **proofs) == pair.candidate_id


def has_judged_lane(pair: Pair, preset: str, language: str | None = None) -> bool:
    """Return whether the verdict of a pair holds for what the real-time lane speaks.

    Args:
        pair: The released version.
        preset: Name of one of its presets.
        language: ISO 639 code of what is said, None for the voice's own.
    """
    return _judged_lane(pair, preset, language) is True


def lanes_of(pair: Pair, preset: str, language: str | None = None, *, allow_unjudged: bool) -> tuple[Lane, ...]:
    """Return the lanes in which a pair is served. A lane that the verdict did not pass never is.

    Args:
        pair: The released version.
        preset: Name of one of its presets.
        language: ISO 639 code of what is said, None for the voice's own.
        allow_unjudged: Offer real time also where the lane was not judged.
    """
    judged = _judged_lane(pair, preset, language)
    return ("realtime", "batch") if judged or (judged is None and allow_unjudged) else ("batch",)


def _judged_lane(pair: Pair, preset: str, language: str | None) -> bool | None:
    """Return whether the verdict passed the real-time lane, None where it did not judge it.

    The lane is judged with the default preset in the voice's own language. Elsewhere a verdict still holds for it where
    the preset does as the lane does: it speaks the first candidate of each sentence and never tries again, so both
    speak the same tokens. This is the only place that decides it.
    """
    decision = pair.verdict.verdict.decision if pair.verdict else None
    if decision is not None and preset == DEFAULT_PRESET and language in (None, decision.language):
        if REALTIME in passed_by(pair.verdict):
            return True
        if any(lane.name == REALTIME and lane.outcome != "pass" for lane in decision.lanes):
            return False
    settings = pair.presets[preset]
    return True if settings.n_best_of == 1 and settings.max_retries == 0 else None


def _passed_presets(verdict: SignedVerdict | None) -> list[str]:
    parts = verdict.verdict.decision.presets if verdict else ()
    return sorted(part.name for part in parts if part.outcome == "pass")
