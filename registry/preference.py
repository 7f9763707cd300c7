"""Blind A/B votes: how many listeners preferred which side."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class PreferenceVotes:
    """Blind votes on one candidate against one champion, every count 0 or more."""

    n_candidate: int  # votes that preferred the candidate
    n_champion: int
    n_ties: int  # "no difference"
    n_listeners: int

    def __post_init__(self) -> None:
        if negative := {name: value for name, value in asdict(self).items() if value < 0}:
            raise ValueError(f"counts of votes are 0 or more, and these are not: {negative}")
