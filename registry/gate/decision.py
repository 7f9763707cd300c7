"""What the gate decides, as records that are signed, stored and written as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from metrics.scores import Judges
from registry.gate.reasons.codes import CauseCode, Rank, ReasonCode

Outcome = Literal["pass", "fail", "inconclusive"]
Evidence = Literal["not_worse", "worse", "unclear"]
Value = int | float | str | None


class Record(BaseModel):
    """A part of a verdict. It never changes and holds no NaN or infinity, which JSON cannot write."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ThresholdCheck(Record):
    """A threshold of the policy and the figure that was compared with it."""

    slice: str = Field(description="the part of the prompts, such as `category names`; empty for all of them")
    n_prompts: int
    metric: str
    relative_to: Literal["recordings"] | None
    scale: Literal["ratio", "difference"] | None = Field(description="how, where `relative_to` is given")
    figure: float = Field(description="the candidate's pooled figure, in the metric's unit")
    recordings: float | None = Field(description="the figure of the held-out recordings, with `relative_to`")
    value: float = Field(description="what is compared: the figure, its ratio or its difference")
    threshold: float
    direction: Literal["at_most", "at_least"]
    unit: str
    reason: str = Field(description="why the threshold lies here, from the policy")
    met: bool


class SmallSlice(Record):
    """A part of the prompts that is too small, so that its thresholds were not checked."""

    slice: str
    n_prompts: int
    min_prompts: int


class Comparison(Record):
    """One metric against the champion, paired by prompt."""

    rule: Literal["non_inferiority", "superiority"]
    metric: str
    unit: str
    candidate: float
    champion: float
    difference: float = Field(description="candidate minus champion, in the metric's unit")
    low: float = Field(description="one-sided lower bound of the difference, at the policy's confidence")
    high: float = Field(description="one-sided upper bound of the difference, at the policy's confidence")
    bound: float = Field(description="one-sided bound of the difference on the worse side, at `confidence`")
    margin: float = Field(
        description="the largest loss that counts as not worse, at the champion's figure; "
        "for a superiority minus the gain that must be shown"
    )
    confidence: float = Field(description="level of `bound` after Holm's correction over metrics")
    p_not_worse: float = Field(ge=0, le=1, description="chance of so good a result if the loss were the margin")
    p_worse: float = Field(ge=0, le=1, description="chance of so bad a result if the loss were the margin")
    power: float = Field(
        ge=0,
        le=1,
        description="chance that an equal candidate is shown to be not worse; "
        "for a superiority that one better by twice the gain is shown to be better",
    )
    slice: str = Field(
        default="", description="the part, such as `language zh`; empty: the voice's own language and default preset"
    )
    outcome: Evidence
    more_prompts: int | None = Field(description="how many more would usually decide; null: decided, or too many")
    more_seeds: int | None = Field(description="the same with seeds alone; null also where one seed cannot tell")


class RegressedPromptsCheck(Record):
    """The prompts that the champion says and the candidate does not."""

    regressed: tuple[str, ...] = Field(description="ids of the prompts")
    silent: tuple[str, ...] = Field(description="those of them where the candidate is silent with every seed")
    at_most: int
    min_seeds: int
    reason: str
    slice: str = Field(
        default="", description="the part, such as `language zh`; empty: the voice's own language and default preset"
    )
    outcome: Literal["met", "missed", "unclear"]


class PreferenceCheck(Record):
    """Listeners' blind votes between the two voices, ties left out of the share."""

    n_candidate: int
    n_champion: int
    n_ties: int
    n_listeners: int
    min_votes: int
    share: float | None = Field(description="votes for the candidate among those with a preference; null: no votes")
    low: float = Field(description="lower end of the share's confidence sequence, at the policy's confidence")
    high: float
    worse_than: float
    p_not_worse: float = Field(ge=0, le=1)
    p_worse: float = Field(ge=0, le=1)
    reason: str
    outcome: Evidence


class PromptDifference(Record):
    """One prompt, its seeds together."""

    prompt_id: str
    category: str
    text: str = Field(description="the normalised text, cut where it is long")
    wer: float
    champion_wer: float | None
    similarity: float
    champion_similarity: float | None
    failures: dict[str, int] = Field(description="the candidate's failed utterances by name")


class Cause(Record):
    """What lies behind a reason to fail, see docs/reason-codes.md."""

    code: CauseCode
    failure: str = Field(default="", description="name of the failure of speech, for the code failure_of_speech")
    values: dict[str, Value] = Field(default={}, description="figures of the cause, by the names that the code has")


class Reason(Record):
    """One reason for the outcome, see docs/reason-codes.md."""

    code: ReasonCode
    rank: Rank = Field(description="place among the reasons: the lowest comes first and explains the others")
    metric: str = Field(default="", description="the metric that it is about; empty: none")
    slice: str = Field(default="", description="the part of the prompts, such as `category names`; empty: all of them")
    causes: tuple[Cause, ...] = Field(default=(), description="what lies behind it, the most important one first")
    values: dict[str, Value] = Field(default={}, description="figures of the reason, by the names that the code has")
    prompts: tuple[str, ...] = Field(default=(), description="ids of the prompts that it is about")
    text: str = Field(default="", description="the reason in words, for people")


class PartDecision(Record):
    """What the scores show in a part of their own: in another language, with another preset, or in another lane.

    Without rules for it, nothing was checked.
    """

    outcome: Outcome = Field(description="of the rules for this part; inconclusive without rules")
    figures: dict[str, float] = Field(description="the candidate's pooled figures in this part")
    champion_figures: dict[str, float] | None = Field(description="null: the champion was not scored in it")
    failures: dict[str, int] = Field(description="the candidate's failed utterances by the failure's name")
    champion_failures: dict[str, int] | None
    thresholds: tuple[ThresholdCheck, ...]
    comparisons: tuple[Comparison, ...]
    regressed_prompts: RegressedPromptsCheck | None
    worst_prompts: tuple[PromptDifference, ...] = Field(description="the worst differences first, at most 50")
    n_prompts: int
    n_utterances: int
    seeds: tuple[int, ...]
    prompts_sha256: str


class LanguageDecision(PartDecision):
    """What the scores show in a language other than the voice's own."""

    language: str = Field(description="ISO 639 code")
    normalizer: str
    normalizer_version: str


class PresetDecision(PartDecision):
    """What the scores show with a preset other than the voice's default one."""

    name: str = Field(description="name of the preset")
    settings_sha256: str = Field(description="hash of the preset's files, which the scores are of")


class LaneDecision(PartDecision):
    """What the scores show in a lane besides batch. It decides where the voice is served, not whether."""

    name: str = Field(description="name of the lane")
    settings_sha256: str = Field(description="hash of the options that the lane was spoken with")
    reasons: tuple[Reason, ...] = Field(default=(), description="every reason for the lane's outcome, by rank")


class Decision(Record):
    """What follows from two scorecards and a policy. Equal inputs give an equal decision."""

    outcome: Outcome
    reasons: tuple[Reason, ...] = Field(min_length=1, description="every reason, by rank")
    advice: str = Field(min_length=1, description="what to do next, in a sentence or two")
    first_release: bool = Field(description="only the thresholds were checked, because there is no champion")
    figures: dict[str, float] = Field(description="the candidate's pooled figures")
    champion_figures: dict[str, float] | None
    recordings_figures: dict[str, float] | None = Field(description="of the held-out recordings, if there are any")
    failures: dict[str, int] = Field(description="the candidate's failed utterances by the failure's name")
    champion_failures: dict[str, int] | None
    thresholds: tuple[ThresholdCheck, ...]
    slice_thresholds: tuple[ThresholdCheck, ...]
    small_slices: tuple[SmallSlice, ...]
    comparisons: tuple[Comparison, ...]
    regressed_prompts: RegressedPromptsCheck | None
    preference: PreferenceCheck | None
    worst_prompts: tuple[PromptDifference, ...] = Field(description="the worst differences first, at most 50")
    language: str = Field(description="ISO 639 code of the voice's own language, which everything above is about")
    other_languages: tuple[LanguageDecision, ...] = Field(
        default=(), description="the languages besides it in which the candidate was scored"
    )
    presets: tuple[PresetDecision, ...] = Field(
        default=(), description="the presets besides the default one with which the candidate was scored"
    )
    lanes: tuple[LaneDecision, ...] = Field(
        default=(), description="the lanes besides batch in which the candidate was scored"
    )
    n_prompts: int
    n_utterances: int
    seeds: tuple[int, ...]
    judges: Judges
    prompts_sha256: str
    policy_sha256: str
