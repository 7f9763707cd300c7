"""Trials of a blind comparison: which utterances can be compared, and the next question to a listener."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from metrics.failures import FAILURES
from registry.candidates.candidate import Candidate, find_candidate, score_folder_of, scorecard_of
from registry.errors import RegistryError
from registry.listening.randomization import Key, Side, candidate_side, next_key, trial_id
from registry.releases.alias import released_version
from registry.releases.journal import champion
from registry.storage.store import Store

EMPTY = "empty"  # the failure of speech in which nothing can be heard


class ListeningError(RegistryError, RuntimeError):
    """Nothing can be compared, a vote is refused, or the votes were changed. The message says which."""


@dataclass(frozen=True)
class Utterance:
    """One prompt and seed as both sides speak it."""

    text: str  # what was to be said, normalised
    candidate: Path
    champion: Path


@dataclass(frozen=True)
class Listening:
    """A candidate against the champion, and what can be heard of both."""

    candidate: Candidate
    champion: Candidate
    utterances: dict[Key, Utterance]
    n_left_out: int  # utterances that are empty on one side: the gate counts them, listeners cannot compare them


@dataclass(frozen=True)
class Trial:
    """One question to a listener."""

    listener: str
    key: Key
    n: int  # the listener's earlier votes on this pair of versions
    salt: str
    candidate_side: Side

    @property
    def id(self) -> str:
        """Return the trial's name, which does not tell the sides apart."""
        return trial_id(self.salt, self.listener, self.key, self.n)


def open_listening(store: Store, voice: str, version: int | None = None) -> Listening:
    """Return what can be compared of a candidate and the champion, with every sound as it was scored.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        version: Which candidate, None for the newest.

    Raises:
        ListeningError: There is nothing to compare.
        CandidateError: A version is missing, or its audio was changed.
        JournalError: The journal is broken.
    """
    release = champion(store, voice)
    if release is None:
        raise ListeningError(f"{voice} has no champion to compare with, and the first release needs no votes")
    now = released_version(store, voice, release)  # it may have been registered again under another number
    if now is None:
        raise ListeningError(
            f"the champion of {voice}, version {release.version}, is gone from MLflow; register it again with "
            f"`vox run {voice}`, or roll back with `vox rollback {voice}`"
        )
    candidate = find_candidate(store, voice, version)
    reigning = find_candidate(store, voice, now, candidate_id=release.candidate_id)
    if candidate.candidate_id == reigning.candidate_id:
        raise ListeningError(
            f"version {candidate.version} of {voice} is the champion itself; name another with --candidate"
        )
    if candidate.prompts_sha256 != reigning.prompts_sha256:
        raise ListeningError(
            f"version {candidate.version} and the champion, version {reigning.version}, spoke other prompts; "
            f"score both on the same ones with `vox run {voice}`"
        )
    sounds, champion_sounds = _audible_sounds(store, candidate), _audible_sounds(store, reigning)
    utterances = {
        key: Utterance(text, path, champion_sounds[key][1])
        for key, (text, path) in sounds.items()
        if key in champion_sounds
    }
    if not utterances:
        raise ListeningError(f"version {candidate.version} and the champion of {voice} have no utterance in common")
    return Listening(candidate, reigning, utterances, n_left_out=len(sounds.keys() ^ champion_sounds.keys()))


def draw_trial(listening: Listening, listener: str, *, voted: Set[Key], salt: str) -> Trial | None:
    """Return the listener's next trial, None after the last utterance.

    Args:
        listening: What can be compared.
        listener: The listener's name.
        voted: The utterances on which the listener has voted.
        salt: The salt of this listening, see randomization.py.
    """
    n = len(voted)
    key = next_key(salt, listener, listening.utterances.keys() - voted, n)
    return None if key is None else Trial(listener, key, n, salt, candidate_side(salt, listener, key, n))


def _audible_sounds(store: Store, candidate: Candidate) -> dict[Key, tuple[str, Path]]:
    """Return text and audio of every utterance that is not empty."""
    card, folder = scorecard_of(store, candidate), score_folder_of(store, candidate)
    spoken = [row for row in card.rows if row.audio and EMPTY not in row.failures]
    return {(row.prompt_id, row.seed): (row.reference, folder / row.audio) for row in spoken}


assert EMPTY in FAILURES
