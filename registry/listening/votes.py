"""The votes of a blind comparison: cast, kept in a signed chain, and counted for the gate.

A vote belongs to two candidate ids, so to the bytes of both sides, and counts for no others. It is a row of a signed
chain (registry/storage/chain.py) and is never changed. A listener votes once on an utterance of a pair: a second vote
is refused. A listener who asks for the result has learnt which side is which, and cannot vote on that pair again.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from metrics.failures import FAILURES
from registry.gate.policy import LISTENER_NAME
from registry.gate.preference import PreferenceVotes
from registry.keys.trust import load_trust
from registry.listening.randomization import Key, candidate_side
from registry.listening.trials import Listening, ListeningError, Trial
from registry.storage.chain import BrokenChainError, append_row, make_chain, read_chain
from registry.storage.database import append_transaction
from registry.storage.store import Store

OTHER = "other"
DEFECTS = (*FAILURES, OTHER)
FINISHED = "finished"  # the listener wanted the result
Choice = Literal["candidate", "champion", "no_difference", "finished"]

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


class SideDefects(BaseModel):
    """What a listener says was wrong with one side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    defects: tuple[str, ...] = Field(default=(), max_length=len(DEFECTS), description="names out of DEFECTS")
    other: str = Field(default="", max_length=300, description="what `other` is, in the listener's words")

    @field_validator("other")
    @classmethod
    def _make_one_line(cls, text: str) -> str:
        text = " ".join(text.split())
        if not text.isprintable():
            raise ValueError("holds characters that cannot be shown; write plain text")
        return text

    @model_validator(mode="after")
    def _check_defects(self) -> SideDefects:
        if unknown := sorted(set(self.defects) - set(DEFECTS)):
            raise ValueError(f"{', '.join(unknown)[:100]} is not a defect; there are {', '.join(DEFECTS)}")
        if len(set(self.defects)) != len(self.defects):
            raise ValueError("a defect is named twice")
        if self.other and OTHER not in self.defects:
            raise ValueError(f"`other` is described, but {OTHER} is not among the defects")
        return self


class Ballot(BaseModel):
    """A listener's answer to a trial."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    choice: Literal["a", "b", "no_difference"] = Field(description="the side that sounds better")
    a: SideDefects = Field(default=SideDefects(), description="what was wrong with side A")
    b: SideDefects = Field(default=SideDefects(), description="what was wrong with side B")


@dataclass(frozen=True)
class Votes:
    """All votes on one pair of versions."""

    rows: tuple[dict, ...]  # of VOTES, oldest first, without those that only say that a listener finished
    finished_listeners: frozenset[str]  # those who have seen the result

    def counts(self, listeners: tuple[str, ...] = ()) -> PreferenceVotes:
        """Count the votes for each side, and the listeners.

        Args:
            listeners: Whose votes count, empty for everybody's.
        """
        rows = [row for row in self.rows if not listeners or row["listener"] in listeners]
        choices = Counter(row["choice"] for row in rows)
        return PreferenceVotes(
            n_candidate=choices["candidate"],
            n_champion=choices["champion"],
            n_ties=choices["no_difference"],
            n_listeners=len({row["listener"] for row in rows}),
        )

    def keys_of(self, listener: str) -> set[Key]:
        """Return the utterances on which a listener has voted."""
        return {(row["prompt_id"], row["seed"]) for row in self.rows if row["listener"] == listener}

    def defects(self) -> dict[str, tuple[int, int]]:
        """Count how often each defect was named, of the candidate and of the champion. Leave out those never named."""
        candidate, champion = (
            Counter(name for row in self.rows for name in row[f"{side}_defects"].split())
            for side in ("candidate", "champion")
        )
        return {name: (candidate[name], champion[name]) for name in DEFECTS if candidate[name] or champion[name]}


def check_listener_name(name: str) -> str:
    """Return a listener's name as it is stored.

    Raises:
        ValueError: It cannot be a name.
    """
    name = name.strip().lower()  # Anna and anna are one person
    if not re.fullmatch(LISTENER_NAME, name):
        raise ValueError(
            f"{name[:40]!r} cannot be a listener's name: it takes up to 32 letters, digits, - and _, such as anna; "
            "no address is needed"
        )
    return name


def cast_vote(store: Store, listening: Listening, trial: Trial, ballot: Ballot) -> None:
    """Append a vote, with the true sides in place of the letters A and B.

    Args:
        store: Whose vote journal it is.
        listening: The versions that are compared.
        trial: The question.
        ballot: The answer.

    Raises:
        ListeningError: The listener has voted on this utterance or seen the result, or the votes were changed.
    """
    candidate, champion = (ballot.a, ballot.b) if trial.candidate_side == "a" else (ballot.b, ballot.a)
    choice = ballot.choice
    if choice != "no_difference":
        choice = "candidate" if choice == trial.candidate_side else "champion"
    _append(store, listening, trial, choice, candidate, champion)


def finish_voting(store: Store, listening: Listening, listener: str) -> None:
    """Record that a listener wants the result, after which the listener cannot vote. A second call changes nothing.

    Args:
        store: Whose vote journal it is.
        listening: The versions that are compared.
        listener: The listener's name.

    Raises:
        ListeningError: The votes were changed.
    """
    trial = Trial(listener, ("", 0), 0, "", "a")
    votes = read_votes(store, listening.candidate.candidate_id, listening.champion.candidate_id)
    if listener not in votes.finished_listeners:
        _append(store, listening, trial, FINISHED, SideDefects(), SideDefects())


def read_votes(store: Store, candidate_id: str, champion_id: str) -> Votes:
    """Return the votes on exactly these two candidates.

    Args:
        store: Whose vote journal it is.
        candidate_id: The id of the candidate.
        champion_id: The id of the champion.

    Raises:
        ListeningError: A vote of the journal was changed, or its sides were not drawn by its salt.
    """
    rows, fault = read_chain(store, VOTES)
    if fault is not None:
        raise ListeningError(f"{fault}; run `vox audit` and restore the database, because no vote counts before that")
    trust = load_trust(store.root)  # what a key wrote after it was revoked stays in the chain and does not count
    rows = [
        row
        for row in rows
        if (row["candidate_id"], row["champion_id"]) == (candidate_id, champion_id)
        and trust.why_not_authorized(row["public_key"], utc=row["utc"]) is None
    ]
    votes = tuple(row for row in rows if row["choice"] != FINISHED)
    for row in votes:
        drawn = candidate_side(row["salt"], row["listener"], (row["prompt_id"], row["seed"]), row["n"])
        if row["candidate_side"] != drawn or row["choice"] not in get_args(Choice):
            raise ListeningError(
                f"vote {row['number']}: its sides were not drawn by its salt, so no vote on this pair counts"
            )
    return Votes(votes, frozenset(row["listener"] for row in rows if row["choice"] == FINISHED))


def preference_votes(
    store: Store, candidate_id: str, champion_id: str, listeners: tuple[str, ...] = ()
) -> PreferenceVotes:
    """Return the counts of the votes on exactly these two candidates, as the gate takes them.

    Args:
        store: Whose vote journal it is.
        candidate_id: The id of the candidate.
        champion_id: The id of the champion.
        listeners: Whose votes count, empty for everybody's.

    Raises:
        ListeningError: The votes were changed.
    """
    return read_votes(store, candidate_id, champion_id).counts(listeners)


def _append(
    store: Store, listening: Listening, trial: Trial, choice: Choice, candidate: SideDefects, champion: SideDefects
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
    with append_transaction(store) as connection:  # nobody else writes between this check and this vote
        earlier_rows = sa.select(columns.prompt_id, columns.seed, columns.choice).where(
            columns.listener == trial.listener, *(columns[name] == value for name, value in pair.items())
        )
        for earlier in connection.execute(earlier_rows):
            if earlier.choice == FINISHED:
                raise ListeningError("the result was shown to this listener, who cannot vote on this pair any more")
            if choice != FINISHED and (earlier.prompt_id, earlier.seed) == trial.key:
                raise ListeningError("this listener has voted on this utterance already; the first vote stands")
        try:
            append_row(store, VOTES, connection, row)
        except BrokenChainError as error:
            raise ListeningError(f"{error}; run `vox audit` and restore the database before any vote") from error
