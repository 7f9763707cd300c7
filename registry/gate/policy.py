"""The gate's policy: the `gate` section of params.yaml, checked when it is loaded.

A policy that is empty, that no candidate could meet, or that would let every candidate through is refused here, so that
no verdict is ever given under it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from metrics.normalize import LANGUAGES
from metrics.scores import SMALLER_IS_BETTER
from registry.gate.noninferiority import needed_resamples, smallest_p
from registry.gate.preference import PreferenceVotes, p_above
from registry.names import shorten
from registry.storage.database import canonical, sha256_text

Metric = Literal["wer", "cer", "similarity", "failed_share"]
RelativeTo = Literal["recordings"]
Scale = Literal["ratio", "difference"]
SliceBy = Literal["category", "length"]

# The one unit of each metric: a policy that names another unit was written for another metric. One policy serves voices
# of all languages, so it says `per word`. A verdict says `per character` where the language counts characters.
UNITS = {
    "wer": "errors per word",
    "cer": "errors per character",
    "similarity": "cosine",
    "failed_share": "share of utterances",
}
RATIO_UNIT = "ratio to the recordings"
# Where a threshold may lie, ends included, by scale (None: the plain figure). An error rate of 1 is silence and a
# similarity of 0 is a stranger: thresholds there let everything through. No voice has to be closer to its speaker than
# the speaker's own recordings are.
ERROR_RANGES = {None: (0.0, 0.8), "difference": (0.0, 0.8)}
SIMILARITY_RANGES = {None: (0.01, 1.0), "ratio": (0.01, 1.0), "difference": (-0.99, 0.0)}
PART_FIELDS = {"language": "other_languages", "preset": "presets", "lane": "lanes"}  # where the rules of parts are
LISTENER_NAME = r"^[a-z0-9][a-z0-9_-]{0,31}$"
LARGEST_POOLED = 0.5  # error rate over all prompts: beyond it, every second word is lost. A hard slice may have more
LARGEST_MARGIN = 0.1  # one word in ten, or the gap between a good copy and a poor one: listeners notice such a loss
# Words of a prompt, ends included. Where errors are counted in characters, two characters stand for a word.
LENGTHS = {"short": (1, 5), "medium": (6, 15), "long": (16, None)}
CHARACTERS_PER_WORD = 2
MOST_RESAMPLES = 1_000_000
MOST_PROMPTS = 1_000  # that the advice names: beyond it, further prompts hardly lower the smallest p-value


class PolicyPart(BaseModel):
    """A part of the policy. It never changes, has no unknown keys and holds no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# Descriptions of fields that several rules share.
METRIC = "the figure that the rule is about"
UNIT = "the metric's unit; another one is refused"
REASON = "why this value, in a sentence"


class Threshold(PolicyPart):
    """A threshold on a pooled figure. A figure that equals the threshold meets it."""

    metric: Metric = Field(description=METRIC)
    relative_to: RelativeTo | None = Field(
        default=None, description="compare with the same figure of the voice's own held-out recordings; absent: plain"
    )
    scale: Scale | None = Field(
        default=None, description="with relative_to: the ratio to the recordings' figure, or the difference from it"
    )
    at_most: float | None = Field(default=None, description="for metrics where smaller is better")
    at_least: float | None = Field(default=None, description="for metrics where larger is better")
    unit: str = Field(description="the metric's unit, see UNITS; with `scale: ratio` it is `ratio to the recordings`")
    reason: str = Field(min_length=1, description="why the threshold lies here")

    @property
    def value(self) -> float:
        """Return the number that `at_most` or `at_least` gives."""
        return self.at_most if self.at_most is not None else self.at_least

    @property
    def name(self) -> str:
        """Return the metric and, where there is one, the scale: no two thresholds of a list share it."""
        return threshold_name(self.metric, self.scale)

    @model_validator(mode="after")
    def _is_a_real_threshold(self) -> Threshold:
        right, wrong = ("at_most", "at_least") if SMALLER_IS_BETTER[self.metric] else ("at_least", "at_most")
        if getattr(self, right) is None or getattr(self, wrong) is not None:
            raise ValueError(f"the threshold on {self.metric} needs `{right}` and must not have `{wrong}`")
        if (self.relative_to is None) != (self.scale is None):
            raise ValueError(
                f"the threshold on {self.metric} needs both `relative_to: recordings` and `scale: ratio` or "
                "`scale: difference`, or neither of them"
            )
        ranges = ERROR_RANGES if SMALLER_IS_BETTER[self.metric] else SIMILARITY_RANGES
        if self.scale not in ranges:
            raise ValueError(
                f"the threshold on {self.metric} cannot have `scale: {self.scale}`: recordings without errors have the "
                "figure 0, and nothing is a ratio to that; use `scale: difference`"
            )
        least, most = ranges[self.scale]
        if not least <= self.value <= most:
            raise ValueError(
                f"the threshold on {self.name} is {self.value}, which every candidate or none would meet; "
                f"it must be from {least} to {most}"
            )
        _check_unit(self.metric, RATIO_UNIT if self.scale == "ratio" else UNITS[self.metric], self.unit)
        return self


class Margin(PolicyPart):
    """How much worse than the champion a candidate may be.

    That is the larger of `margin` and `relative` times the champion's figure.
    """

    metric: Metric = Field(description=METRIC)
    margin: float = Field(gt=0, le=LARGEST_MARGIN, description="largest loss that still counts as not worse, in `unit`")
    relative: float = Field(default=0.0, ge=0, le=0.3, description="the same, as a share of the champion's figure")
    unit: str = Field(description=UNIT)
    reason: str = Field(min_length=1, description=REASON)

    @model_validator(mode="after")
    def _has_the_unit_of_the_metric(self) -> Margin:
        _check_unit(self.metric, UNITS[self.metric], self.unit)
        return self


class RegressedPrompts(PolicyPart):
    """The rule about prompts that the champion says and the candidate does not, see regressed_prompts.py."""

    at_most: int = Field(ge=0, description="prompts that may regress")
    min_seeds: int = Field(
        ge=1, description="with fewer seeds a regressed prompt proves nothing: inconclusive, not fail"
    )
    reason: str = Field(min_length=1, description=REASON)


class SliceThresholds(PolicyPart):
    """Thresholds on a part of the prompts."""

    by: SliceBy = Field(description="what the prompts are divided by")
    only: str | None = Field(
        default=None, min_length=1, description="one value of `by`; absent: every value that occurs"
    )
    min_prompts: int = Field(ge=2, description="a slice with fewer prompts is not checked")
    thresholds: tuple[Threshold, ...] = Field(min_length=1, description="on the figures of each slice; all must be met")

    @model_validator(mode="after")
    def _is_consistent(self) -> SliceThresholds:
        if self.by == "length" and self.only is not None and self.only not in LENGTHS:
            raise ValueError(f"{self.only!r} is not a length; the lengths are {', '.join(LENGTHS)}")
        _check_unique("the thresholds of a slice", [threshold.name for threshold in self.thresholds])
        return self


class PartRules(PolicyPart):
    """What a candidate must show in another language, with another preset or in another lane than its own."""

    thresholds: tuple[Threshold, ...] = Field(min_length=1, description="on the part's figures; all must be met")
    non_inferiority: tuple[Margin, ...] = Field(
        min_length=1, description="margins against the champion, where it was scored in the part too"
    )
    regressed_prompts: RegressedPrompts | None = Field(
        default=None,
        description="the rule about the part's prompts that the champion says and the candidate does not",
    )
    min_prompts: int = Field(ge=2, description="with fewer scored prompts of the part the gate cannot decide")


class LanguageRules(PartRules):
    """What a candidate must show in a language other than its own."""

    @model_validator(mode="after")
    def _fits_another_language(self) -> LanguageRules:
        for threshold in self.thresholds:
            if threshold.relative_to is not None and threshold.metric != "similarity":
                raise ValueError(
                    f"the threshold on {threshold.name} is relative to the recordings, which are in the voice's own "
                    "language: only similarity can be compared with them here; write a plain threshold"
                )
        return self


class Superiority(PolicyPart):
    """For teams that promote improvements only: the candidate must be shown to be better than the champion."""

    metric: Metric = Field(description=METRIC)
    at_least: float = Field(ge=0, le=LARGEST_MARGIN, description="gain that must be shown, in `unit`; 0: any gain")
    unit: str = Field(description=UNIT)
    reason: str = Field(min_length=1, description=REASON)

    @model_validator(mode="after")
    def _has_the_unit_of_the_metric(self) -> Superiority:
        _check_unit(self.metric, UNITS[self.metric], self.unit)
        return self


class Preference(PolicyPart):
    """Blind A/B votes of listeners, ties left out: the candidate's share must be shown to exceed `worse_than`."""

    min_votes: int = Field(ge=1, description="votes with a preference; with fewer the decision is inconclusive")
    worse_than: float = Field(gt=0, le=0.5, description="a share of the votes below this means that it is worse")
    listeners: tuple[Annotated[str, StringConstraints(pattern=LISTENER_NAME)], ...] = Field(
        default=(), description="names whose votes count, as a person vouches for them; empty: every name that is typed"
    )
    reason: str = Field(min_length=1, description=REASON)


class GatePolicy(PolicyPart):
    """What a candidate must show to replace the champion.

    Every rule can be met and can be missed, each rule occurs once, and no rule makes another one pointless.
    """

    thresholds: tuple[Threshold, ...] = Field(min_length=1, description="on the pooled figures; all must be met")
    non_inferiority: tuple[Margin, ...] = Field(min_length=1, description="margins against the champion")
    regressed_prompts: RegressedPrompts | None = Field(
        default=None, description="the rule about prompts that the champion says and the candidate does not"
    )
    slices: tuple[SliceThresholds, ...] = Field(default=(), description="thresholds on parts of the prompts")
    other_languages: dict[str, LanguageRules] = Field(
        default={}, description="rules by ISO 639 code, for languages in which a voice is tested besides its own"
    )
    presets: dict[str, PartRules] = Field(
        default={}, description="rules by name, for the presets with which a voice speaks besides its default one"
    )
    lanes: dict[Literal["realtime"], PartRules] = Field(
        default={}, description="rules by name, for the lanes besides batch; one that does not pass is not offered"
    )
    retired: tuple[Annotated[str, Field(pattern="^(language|preset|lane) [a-z0-9_-]+$")], ...] = Field(
        default=(),
        description="parts that a candidate may lack though the champion has them, such as `preset dialogue`",
    )
    superiority: Superiority | None = Field(default=None, description="a gain that must be shown")
    preference: Preference | None = Field(default=None, description="the rule about listeners' votes")
    confidence: float = Field(ge=0.8, lt=1, description="level of the one-sided bounds, Holm-corrected over metrics")
    n_resamples: int = Field(ge=1000, le=MOST_RESAMPLES, description="bootstrap resamples of the prompts")
    seed: int = Field(ge=0, description="seed of the bootstrap")
    min_prompts: int = Field(ge=2, description="with fewer scored prompts the gate cannot decide")

    @property
    def reads_recordings(self) -> bool:
        """Return whether a threshold is relative to the voice's own held-out recordings."""
        of_parts = [rules for field in PART_FIELDS.values() for rules in getattr(self, field).values()]
        thresholds = [one for part in (self, *self.slices, *of_parts) for one in part.thresholds]
        return any(threshold.relative_to == "recordings" for threshold in thresholds)

    @property
    def slice_kinds(self) -> tuple[SliceBy, ...]:
        """Return what slices are cut by, each once."""
        return tuple(sorted({part.by for part in self.slices}))

    def for_part(self, rules: PartRules) -> GatePolicy:
        """Return the policy of a language, preset or lane: its rules, at this policy's confidence and resamples."""
        return GatePolicy(
            **{name: getattr(rules, name) for name in PartRules.model_fields},
            **{name: getattr(self, name) for name in ("confidence", "n_resamples", "seed")},
        )

    @model_validator(mode="after")
    def _has_valid_rules_for_parts(self) -> GatePolicy:
        if unknown := [language for language in self.other_languages if language not in LANGUAGES]:
            raise ValueError(
                f"gate.other_languages: {unknown[0]!r} is not a language with prompts; one of {', '.join(LANGUAGES)}"
            )
        for kind, section in PART_FIELDS.items():
            for name, rules in getattr(self, section).items():
                try:
                    self.for_part(rules)
                except ValidationError as error:
                    faults = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
                    raise ValueError(f"gate.{section}.{name}: {faults}") from error
                if f"{kind} {name}" in self.retired:
                    raise ValueError(
                        f"gate.retired names {kind} {name}, and gate.{section} has rules for it; remove one of the two"
                    )
        return self

    @model_validator(mode="after")
    def _names_each_rule_once(self) -> GatePolicy:
        _check_unique("gate.thresholds", [threshold.name for threshold in self.thresholds])
        _check_unique("gate.non_inferiority", [part.metric for part in self.non_inferiority])
        _check_unique(
            "gate.slices", [part.by if part.only is None else f"{part.by} {part.only}" for part in self.slices]
        )
        return self

    @model_validator(mode="after")
    def _lets_no_unintelligible_voice_through(self) -> GatePolicy:
        for threshold in self.thresholds:
            if SMALLER_IS_BETTER[threshold.metric] and threshold.value > LARGEST_POOLED:
                raise ValueError(
                    f"gate.thresholds allows {threshold.name} up to {threshold.value} over all prompts, and nobody "
                    f"understands such a voice; it must be at most {LARGEST_POOLED}"
                )
        return self

    @model_validator(mode="after")
    def _has_no_pointless_rule(self) -> GatePolicy:
        room = {threshold.metric: _room(threshold) for threshold in self.thresholds if threshold.relative_to is None}
        for part in self.non_inferiority:
            if part.margin >= room.get(part.metric, 1.0):
                raise ValueError(
                    f"gate.non_inferiority allows {part.metric} to get worse by {part.margin}, and its threshold "
                    f"leaves room for {room[part.metric]:.4g} at most: the margin would decide nothing; make it smaller"
                )
        gain = self.superiority
        if gain is not None and gain.at_least >= room.get(gain.metric, 1.0):
            raise ValueError(
                f"gate.superiority requires {gain.metric} to get better by {gain.at_least}, and a champion that meets "
                f"the threshold can get better by {room[gain.metric]:.4g} at most: no candidate could meet it; make it "
                "smaller"
            )
        votes = self.preference
        if votes is not None and p_above(_all_for_candidate(votes.min_votes), votes.worse_than) > 1 - self.confidence:
            raise ValueError(
                f"gate.preference: {votes.min_votes} votes, all for the candidate, would not show a share above "
                f"{votes.worse_than} at {self.confidence:.0%} confidence; raise min_votes"
            )
        return self

    @model_validator(mode="after")
    def _can_be_met_on_the_fewest_prompts(self) -> GatePolicy:
        n_tests = len(self.non_inferiority) + (self.preference is not None)
        level = (1 - self.confidence) / n_tests  # that Holm's procedure gives the smallest p-value
        smallest = smallest_p(self.min_prompts, self.n_resamples)
        if smallest > level:
            raise ValueError(
                f"with {self.min_prompts} prompts (min_prompts) and {self.n_resamples} resamples (gate.n_resamples) a "
                f"p-value is at least {smallest:.2g}, and {n_tests} tests at {self.confidence:g} confidence need "
                f"{level:.2g}: nothing could pass on so few, not even a copy of the champion; {self._remedy(level)}"
            )
        return self

    def _remedy(self, level: float) -> str:
        """Return what lets the smallest p-value reach a level."""
        more = range(self.min_prompts + 1, MOST_PROMPTS + 1)
        prompts = next((n for n in more if smallest_p(n, self.n_resamples) <= level), None)
        resamples = needed_resamples(level, self.min_prompts)
        ways = [f"raise min_prompts to {prompts}"] if prompts else []
        ways += [f"raise gate.n_resamples to {resamples}"] if resamples <= MOST_RESAMPLES else []
        return " or ".join(ways or ["lower gate.confidence"])


def threshold_name(metric: str, scale: str | None) -> str:
    """Return `wer`, or `wer as ratio to recordings` for a threshold that is relative to the recordings."""
    preposition = {"ratio": "to", "difference": "from"}
    return metric if scale is None else f"{metric} as {scale} {preposition[scale]} recordings"


def parse_policy(raw: Any) -> GatePolicy:
    """Parse the `gate` section of params.yaml.

    Raises:
        ValueError: With every wrong key and the value seen.
    """
    try:
        return GatePolicy.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"gate{''.join(f'.{part}' for part in fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
            + ("" if fault["type"] == "missing" else f" (seen: {shorten(fault['input'])!r})")
            for fault in error.errors()
        )
        raise ValueError(f"params.yaml: {faults}") from error


def policy_sha256(policy: GatePolicy) -> str:
    """Return the sha256 of the policy's canonical JSON."""
    return sha256_text(canonical(policy.model_dump(mode="json")))


def _check_unit(metric: str, right: str, seen: str) -> None:
    if seen != right:
        raise ValueError(f"the unit of {metric} is `{right}` here, not `{seen}`")


def _all_for_candidate(n_votes: int) -> PreferenceVotes:
    return PreferenceVotes(n_candidate=n_votes, n_champion=0, n_ties=0, n_listeners=1)


def _check_unique(where: str, names: list[str]) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where} names {', '.join(repeated)} more than once; write one entry each")


def _room(threshold: Threshold) -> float:
    """Return how far a figure that meets the threshold can lie from perfect."""
    return threshold.value if SMALLER_IS_BETTER[threshold.metric] else 1 - threshold.value
