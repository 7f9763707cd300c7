"""The gate's policy: the `gate` section of params.yaml, checked when it is loaded.

A policy that is empty, that no candidate could meet, or that would let anything through is refused here, so that no
verdict is ever given under it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from metrics.scores import SMALLER_IS_BETTER
from registry.gate.preference import PreferenceVotes, p_above
from registry.storage.database import canonical, sha256_text

Metric = Literal["wer", "cer", "similarity", "failed_share"]
Of = Literal["value", "recordings_share", "above_recordings"]
SliceBy = Literal["category", "language", "length"]

# The one unit that each figure is counted in: a policy that names another was written for another figure.
UNITS = {
    "wer": "errors per word",
    "cer": "errors per character",
    "similarity": "cosine",
    "failed_share": "share of utterances",
}
SHARE_UNIT = "share of the recordings"
# Where a limit may lie, ends included. An error rate of 1 is silence and a similarity of 0 a stranger: bars there bless
# anything. Nor is a voice asked to be nearer to its speaker than the speaker's own recordings are.
ERROR_LIMITS = {"value": (0.0, 0.99), "above_recordings": (0.0, 0.99)}
SIMILARITY_LIMITS = {"value": (0.01, 1.0), "recordings_share": (0.01, 1.0), "above_recordings": (-0.99, 0.0)}
LARGEST_MARGIN = 0.1  # one word in ten, or what parts a good copy from a poor one: such a loss is heard
LENGTHS = {"short": (1, 5), "medium": (6, 15), "long": (16, None)}  # words of a prompt, ends included


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Bar(Part):
    """A limit on a pooled figure; equal to the limit passes."""

    metric: Metric
    of: Of = Field(
        default="value",
        description="what is held against the limit: the figure, its share of the same figure of the voice's own "
        "held-out recordings, or the difference to that",
    )
    at_most: float | None = Field(default=None, description="for figures where smaller is better")
    at_least: float | None = Field(default=None, description="for figures where larger is better")
    unit: str = Field(description="the metric's unit, see UNITS; of a recordings_share `share of the recordings`")
    reason: str = Field(min_length=1, description="why this limit and no other")

    @property
    def limit(self) -> float:
        return self.at_most if self.at_most is not None else self.at_least

    @model_validator(mode="after")
    def _one_limit_in_the_right_direction(self) -> Bar:
        right, wrong = ("at_most", "at_least") if SMALLER_IS_BETTER[self.metric] else ("at_least", "at_most")
        if getattr(self, right) is None or getattr(self, wrong) is not None:
            raise ValueError(f"the bar on {self.metric} needs `{right}` and no `{wrong}`")
        limits = ERROR_LIMITS if SMALLER_IS_BETTER[self.metric] else SIMILARITY_LIMITS
        if self.of not in limits:
            raise ValueError(
                f"the bar on {self.metric} cannot be `of: {self.of}`: recordings without errors have no share; "
                "use `of: above_recordings`"
            )
        least, most = limits[self.of]
        if not least <= self.limit <= most:
            raise ValueError(
                f"the bar on {self.metric} of {self.of} is {self.limit}; every candidate or none would meet it, "
                f"it must be from {least} to {most}"
            )
        _right_unit(self.metric, SHARE_UNIT if self.of == "recordings_share" else UNITS[self.metric], self.unit)
        return self


class Margin(Part):
    """How much worse than the champion a candidate may be: `margin`, or `relative` times the champion's figure, the
    larger of the two."""

    metric: Metric
    margin: float = Field(gt=0, le=LARGEST_MARGIN, description="largest loss that still counts as not worse, in `unit`")
    relative: float = Field(default=0.0, ge=0, le=0.3, description="the same, as a share of the champion's figure")
    unit: str
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _unit_of_the_metric(self) -> Margin:
        _right_unit(self.metric, UNITS[self.metric], self.unit)
        return self


class RegressedPrompts(Part):
    """The guard of single sentences: prompts that the champion says and the candidate does not, see gate/guards.py."""

    at_most: int = Field(ge=0, description="prompts that may be lost")
    min_seeds: int = Field(ge=1, description="with fewer a lost prompt is no proof: inconclusive instead of fail")
    reason: str = Field(min_length=1)


class SliceBars(Part):
    """Bars on a part of the prompts."""

    by: SliceBy
    only: str | None = Field(default=None, min_length=1, description="one value of `by`; without it, each that occurs")
    min_prompts: int = Field(ge=2, description="fewer prompts than this say nothing about a slice")
    bars: tuple[Bar, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_length(self) -> SliceBars:
        if self.by == "length" and self.only is not None and self.only not in LENGTHS:
            raise ValueError(f"no length is called {self.only!r}; there are {', '.join(LENGTHS)}")
        _each_once("bars of a slice", [_named(bar) for bar in self.bars])
        return self


class Superiority(Part):
    """For teams that promote improvements only: the candidate must be shown better than the champion."""

    metric: Metric
    at_least: float = Field(ge=0, le=LARGEST_MARGIN, description="gain that must be shown, in `unit`; 0: any gain")
    unit: str
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _unit_of_the_metric(self) -> Superiority:
        _right_unit(self.metric, UNITS[self.metric], self.unit)
        return self


class Preference(Part):
    """Blind A/B votes of listeners, ties left out: the candidate's share of them must be shown above `worse_than`."""

    min_votes: int = Field(ge=1, description="votes with a preference; with fewer the verdict is inconclusive")
    worse_than: float = Field(gt=0, le=0.5, description="share of the votes that says that the candidate is worse")
    reason: str = Field(min_length=1)


class GatePolicy(Part):
    """What a candidate must show to replace the champion."""

    bars: tuple[Bar, ...] = Field(min_length=1, description="limits on the pooled figures; every one must hold")
    non_inferiority: tuple[Margin, ...] = Field(min_length=1, description="margins against the champion")
    regressed_prompts: RegressedPrompts | None = None
    slices: tuple[SliceBars, ...] = ()
    superiority: Superiority | None = None
    preference: Preference | None = None
    confidence: float = Field(gt=0.5, lt=1, description="level of the one-sided bounds, Holm-corrected over metrics")
    n_resamples: int = Field(ge=1000, description="bootstrap resamples of the prompts")
    seed: int = Field(ge=0, description="seed of the bootstrap")
    min_prompts: int = Field(ge=2, description="fewer scored prompts than this cannot be judged")

    @property
    def reads_recordings(self) -> bool:
        """Whether a bar is about the voice's own held-out recordings."""
        bars = [*self.bars, *(bar for part in self.slices for bar in part.bars)]
        return any(bar.of != "value" for bar in bars)

    @model_validator(mode="after")
    def _each_once(self) -> GatePolicy:
        _each_once("gate.bars", [_named(bar) for bar in self.bars])
        _each_once("gate.non_inferiority", [part.metric for part in self.non_inferiority])
        _each_once("gate.slices", [part.by if part.only is None else f"{part.by} {part.only}" for part in self.slices])
        return self

    @model_validator(mode="after")
    def _no_rule_makes_another_pointless(self) -> GatePolicy:
        room = {bar.metric: _room(bar) for bar in self.bars if bar.of == "value"}
        for part in self.non_inferiority:
            if part.margin >= room.get(part.metric, 1.0):
                raise ValueError(
                    f"gate.non_inferiority allows {part.metric} to get worse by {part.margin}, and its bar leaves room "
                    f"for {room[part.metric]:.4g} at most: the margin would decide nothing; make it smaller"
                )
        gain = self.superiority
        if gain is not None and gain.at_least >= room.get(gain.metric, 1.0):
            raise ValueError(
                f"gate.superiority wants {gain.metric} better by {gain.at_least}, and a champion within the bar can "
                f"get better by {room[gain.metric]:.4g} at most: no candidate could meet it; make it smaller"
            )
        votes = self.preference
        if votes is not None and p_above(_all_for_candidate(votes.min_votes), votes.worse_than) > 1 - self.confidence:
            raise ValueError(
                f"gate.preference: {votes.min_votes} votes, all for the candidate, would not show a share above "
                f"{votes.worse_than} at {self.confidence:.0%} confidence; raise min_votes"
            )
        return self


def parse_policy(raw: Any) -> GatePolicy:
    """The policy in the `gate` section of params.yaml. Raises ValueError with every wrong key and the value seen."""
    try:
        return GatePolicy.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"gate{''.join(f'.{part}' for part in fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
            + ("" if fault["type"] == "missing" else f" (seen: {str(fault['input'])[:60]!r})")
            for fault in error.errors()
        )
        raise ValueError(f"params.yaml: {faults}") from error


def policy_sha256(policy: GatePolicy) -> str:
    """sha256 of the policy's canonical JSON."""
    return sha256_text(canonical(policy.model_dump(mode="json")))


def _right_unit(metric: str, right: str, seen: str) -> None:
    if seen != right:
        raise ValueError(f"{metric} is counted in `{right}`, not in `{seen}`")


def _all_for_candidate(n_votes: int) -> PreferenceVotes:
    return PreferenceVotes(n_candidate=n_votes, n_champion=0, n_ties=0, n_listeners=1)


def _named(bar: Bar) -> str:
    return bar.metric if bar.of == "value" else f"{bar.metric} of {bar.of}"


def _each_once(where: str, names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where} names {', '.join(twice)} more than once; one entry each")


def _room(bar: Bar) -> float:
    """How far a figure that meets the bar can lie from perfect."""
    return bar.limit if SMALLER_IS_BETTER[bar.metric] else 1 - bar.limit
