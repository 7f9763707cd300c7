"""Blind listening: which utterances of candidate and champion are compared, and the votes of those who heard them.

A vote belongs to two candidate ids, so to the bytes of both sides; it counts for no others. It is a row of a signed
chain (chain.py) and is never changed. A listener votes once on an utterance of a pair: a second vote is refused.
Whoever asks for the result has seen behind the curtain and does not vote on that pair again.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from metrics.failures import FAILURES
from registry.candidates.candidate import Candidate, find_candidate, score_folder_of, scorecard_of
from registry.gate.preference import PreferenceVotes
from registry.listening.randomization import Key, Side, candidate_side, next_key, trial_id
from registry.releases.journal import champion
from registry.storage.chain import BrokenChainError, append_row, make_chain, read_chain
from registry.storage.database import appending
from registry.storage.store import Store

LISTENER_NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
EMPTY = "empty"  # the failure of speech in which there is nothing to hear
OTHER = "other"
DEFECTS = (*FAILURES, OTHER)
Choice = Literal["candidate", "champion", "no_difference", "finished"]  # finished: the listener asked for the result

VOTES = make_chain(
    "vote journal",
    "voxfoundry_votes",
    sa.Column("voice", sa.Text, nullable=False),
    sa.Column("candidate_id", sa.Text, nullable=False),
    sa.Column("champion_id", sa.Text, nullable=False),
    sa.Column("listener", sa.Text, nullable=False),
    sa.Column("prompt_id", sa.Text, nullable=False),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("salt", sa.Text, nullable=False),
    sa.Column("candidate_side", sa.Text, nullable=False),
    sa.Column("choice", sa.Text, nullable=False),
    sa.Column("candidate_defects", sa.Text, nullable=False),
    sa.Column("candidate_other", sa.Text, nullable=False),
    sa.Column("champion_defects", sa.Text, nullable=False),
    sa.Column("champion_other", sa.Text, nullable=False),
)


class ListeningError(RuntimeError):
    """Nothing can be compared, a vote is refused, or the votes are not what was written. The message says which."""


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
    n_left_out: int  # utterances that are empty on one side: the gate counts them, ears have nothing to compare


@dataclass(frozen=True)
class Trial:
    """One question to a listener."""

    listener: str
    key: Key
    n: int  # the listener's votes on this pair before it
    salt: str
    candidate_side: Side

    @property
    def id(self) -> str:
        return trial_id(self.salt, self.listener, self.key, self.n)


class Heard(BaseModel):
    """What was wrong with one side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    defects: tuple[str, ...] = Field(default=(), max_length=len(DEFECTS), description="names out of DEFECTS")
    other: str = Field(default="", max_length=300, description="what `other` is, in the listener's words")

    @field_validator("other")
    @classmethod
    def _one_line(cls, text: str) -> str:
        text = " ".join(text.split())
        if not text.isprintable():
            raise ValueError("holds characters that cannot be shown; write plain text")
        return text

    @model_validator(mode="after")
    def _known_defects_once(self) -> Heard:
        if unknown := sorted(set(self.defects) - set(DEFECTS)):
            raise ValueError(f"{', '.join(unknown)[:100]} is no defect; there are {', '.join(DEFECTS)}")
        if len(set(self.defects)) != len(self.defects):
            raise ValueError("a defect is named twice")
        if self.other and OTHER not in self.defects:
            raise ValueError(f"`other` is described, and {OTHER} is not among the defects")
        return self


class Ballot(BaseModel):
    """A listener's answer to a trial."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    choice: Literal["a", "b", "no_difference"]
    a: Heard = Heard()
    b: Heard = Heard()


@dataclass(frozen=True)
class Votes:
    """All votes on one pair."""

    rows: tuple[dict, ...]  # of VOTES, oldest first; those who finished are no votes
    finished: frozenset[str]  # listeners who have seen the result

    def counts(self) -> PreferenceVotes:
        chosen = Counter(row["choice"] for row in self.rows)
        return PreferenceVotes(
            n_candidate=chosen["candidate"],
            n_champion=chosen["champion"],
            n_ties=chosen["no_difference"],
            n_listeners=len({row["listener"] for row in self.rows}),
        )

    def keys_of(self, listener: str) -> set[Key]:
        return {(row["prompt_id"], row["seed"]) for row in self.rows if row["listener"] == listener}

    def defects(self) -> dict[str, tuple[int, int]]:
        """How often each defect was named: of the candidate, of the champion; only those that were."""
        ours, theirs = (
            Counter(name for row in self.rows for name in row[f"{side}_defects"].split())
            for side in ("candidate", "champion")
        )
        return {name: (ours[name], theirs[name]) for name in DEFECTS if ours[name] or theirs[name]}


def checked_listener(name: str) -> str:
    """A listener's name as it is stored. Raises ValueError where it cannot be one."""
    name = name.strip().lower()  # Anna and anna are one person
    if not re.fullmatch(LISTENER_NAME, name):
        raise ValueError(
            f"{name[:40]!r} cannot be a listener's name: it takes up to 32 letters, digits, - and _, such as anna; "
            "no address is needed"
        )
    return name


def open_listening(store: Store, voice: str, version: int | None = None) -> Listening:
    """What can be compared of a candidate (default: the newest) and the champion, every sound as it was scored.

    Raises ListeningError, CandidateError, JournalError.
    """
    release = champion(store, voice)
    if release is None:
        raise ListeningError(f"{voice} has no champion to compare with; the first release needs none")
    candidate, reigning = find_candidate(store, voice, version), find_candidate(store, voice, release.version)
    if reigning.candidate_id != release.candidate_id:
        raise ListeningError(f"version {release.version} is not the one that was promoted; run `vox audit {voice}`")
    if candidate.candidate_id == reigning.candidate_id:
        raise ListeningError(
            f"version {candidate.version} of {voice} is the champion itself; name another with --candidate"
        )
    if candidate.prompts_sha256 != reigning.prompts_sha256:
        raise ListeningError(
            f"version {candidate.version} and the champion, version {reigning.version}, spoke other prompts; "
            f"score both on the same ones with `vox run {voice}`"
        )
    ours, theirs = (_sounds(store, side) for side in (candidate, reigning))
    both = {key: Utterance(text, path, theirs[key][1]) for key, (text, path) in ours.items() if key in theirs}
    if not both:
        raise ListeningError(f"version {candidate.version} and the champion of {voice} have no utterance in common")
    return Listening(candidate, reigning, both, n_left_out=len(ours.keys() ^ theirs.keys()))


def draw_trial(listening: Listening, votes: Votes, listener: str, salt: str) -> Trial | None:
    """The listener's next trial; None after the last utterance. salt: this listening's, see randomization.py."""
    done = votes.keys_of(listener)
    n = len(done)
    key = next_key(salt, listener, listening.utterances.keys() - done, n)
    return None if key is None else Trial(listener, key, n, salt, candidate_side(salt, listener, key, n))


def cast(store: Store, listening: Listening, trial: Trial, ballot: Ballot) -> None:
    """Append a vote. Raises ListeningError where the listener has voted on this utterance or seen the result."""
    ours, theirs = (ballot.a, ballot.b) if trial.candidate_side == "a" else (ballot.b, ballot.a)
    choice = ballot.choice
    if choice != "no_difference":
        choice = "candidate" if choice == trial.candidate_side else "champion"
    _append(store, listening, trial, choice, ours, theirs)


def finish(store: Store, listening: Listening, listener: str) -> None:
    """Record that a listener asked for the result; once is enough."""
    trial = Trial(listener, ("", 0), 0, "", "a")
    if listener not in read_votes(store, listening.candidate.candidate_id, listening.champion.candidate_id).finished:
        _append(store, listening, trial, "finished", Heard(), Heard())


def read_votes(store: Store, candidate_id: str, champion_id: str) -> Votes:
    """The votes on these very candidates. Raises ListeningError where any vote of the journal is not as written."""
    rows, fault = read_chain(store, VOTES)
    if fault is not None:
        raise ListeningError(f"{fault}; run `vox audit` and restore the database, no vote counts before")
    rows = [row for row in rows if (row["candidate_id"], row["champion_id"]) == (candidate_id, champion_id)]
    votes = tuple(row for row in rows if row["choice"] != "finished")
    for row in votes:
        drawn = candidate_side(row["salt"], row["listener"], (row["prompt_id"], row["seed"]), row["n"])
        if row["candidate_side"] != drawn or row["choice"] not in get_args(Choice):
            raise ListeningError(
                f"vote {row['number']}: its sides were not drawn by its salt; no vote on this pair counts"
            )
    return Votes(votes, frozenset(row["listener"] for row in rows if row["choice"] == "finished"))


def preference_votes(store: Store, candidate_id: str, champion_id: str) -> PreferenceVotes:
    """What the gate is told: the counts of the votes on these very candidates. Raises ListeningError."""
    return read_votes(store, candidate_id, champion_id).counts()


def _append(
    store: Store, listening: Listening, trial: Trial, choice: Choice, candidate: Heard, champion: Heard
) -> None:
    prompt_id, seed = trial.key
    pair = {"candidate_id": listening.candidate.candidate_id, "champion_id": listening.champion.candidate_id}
    row = {
        "voice": listening.candidate.voice,
        **pair,
        "listener": trial.listener,
        "prompt_id": prompt_id,
        "seed": seed,
        "n": trial.n,
        "salt": trial.salt,
        "candidate_side": trial.candidate_side,
        "choice": choice,
        "candidate_defects": " ".join(candidate.defects),
        "candidate_other": candidate.other,
        "champion_defects": " ".join(champion.defects),
        "champion_other": champion.other,
    }
    columns = VOTES.rows.c
    with appending(store) as connection:  # nobody else writes between this look and this vote
        before = sa.select(columns.prompt_id, columns.seed, columns.choice).where(
            columns.listener == trial.listener, *(columns[name] == value for name, value in pair.items())
        )
        for earlier in connection.execute(before):
            if earlier.choice == "finished":
                raise ListeningError("the result was shown to this listener, whose votes on this pair are over")
            if choice != "finished" and (earlier.prompt_id, earlier.seed) == trial.key:
                raise ListeningError("this listener has voted on this utterance already; the first vote stands")
        try:
            append_row(store, VOTES, connection, row)
        except BrokenChainError as error:
            raise ListeningError(f"{error}; run `vox audit` and restore the database before any vote") from error


def _sounds(store: Store, candidate: Candidate) -> dict[Key, tuple[str, Path]]:
    """Text and audio of every utterance that is not empty. Raises CandidateError where a file is not as scored."""
    card, folder = scorecard_of(store, candidate), score_folder_of(store, candidate)
    spoken = [row for row in card.rows if row.audio and EMPTY not in row.failures]
    return {(row.prompt_id, row.seed): (row.reference, folder / row.audio) for row in spoken}


assert EMPTY in FAILURES
