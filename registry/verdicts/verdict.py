"""What the gate says: outcome, every reason, the figures, and what exactly was judged."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from metrics.scores import Judges
from registry.storage.database import canonical, sha256_text

Outcome = Literal["pass", "fail", "inconclusive"]
EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
EXIT_CANNOT_MEASURE = 2


class CannotMeasure(ValueError):  # noqa: N818  (not an error of the candidate: no verdict can be given, exit code 2)
    """The scores cannot be judged: incomplete, contradictory, or not comparable. The message lists every reason."""


class Record(BaseModel):
    # a NaN cannot be written as JSON, and a figure that is NaN has no place in a verdict
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Bound(Record):
    """A bar and what was held against it."""

    slice: str = Field(description="the part of the prompts, such as `category names`; empty for all of them")
    n_prompts: int
    metric: str
    of: Literal["value", "recordings_share", "above_recordings"]
    figure: float = Field(description="the candidate's pooled figure, in the metric's unit")
    recordings: float | None = Field(description="that of the voice's held-out recordings, where the bar is about them")
    value: float = Field(description="what is held against the limit: the figure, or how it stands to the recordings'")
    limit: float
    direction: Literal["at_most", "at_least"]
    unit: str
    reason: str = Field(description="why this limit, from the policy")
    holds: bool


class SmallSlice(Record):
    """A part of the prompts that is too small for its bars; nothing was held against them."""

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
    bound: float = Field(description="how bad the difference may be in truth: its one-sided bound on the worse side")
    margin: float = Field(
        description="the largest loss that counts as not worse, at the champion's figure; "
        "of a superiority minus the gain that must be shown"
    )
    confidence: float = Field(description="level of `bound` after Holm's correction over metrics")
    p_not_worse: float = Field(ge=0, le=1, description="chance of so good a result if the loss were the margin")
    p_worse: float = Field(ge=0, le=1, description="chance of so bad a result if the loss were the margin")
    power: float = Field(
        ge=0,
        le=1,
        description="chance that an equal candidate (of a superiority: one better by twice the gain) is shown",
    )
    outcome: Literal["not_worse", "worse", "unclear"]
    more_prompts: int | None = Field(description="how many more would usually decide; null: decided, or too many")
    more_seeds: int | None = Field(description="the same by seeds alone; null also where one seed cannot tell")


class RegressedPromptsCheck(Record):
    """The sentences that the champion says and the candidate does not."""

    lost: tuple[str, ...] = Field(description="ids of the prompts")
    silent: tuple[str, ...] = Field(description="those of them where nothing is heard in any seed")
    at_most: int
    min_seeds: int
    reason: str
    outcome: Literal["holds", "broken", "unclear"]


class PreferenceCheck(Record):
    """Listeners' blind votes between the two, ties left out of the share."""

    n_candidate: int
    n_champion: int
    n_ties: int
    n_listeners: int
    min_votes: int
    share: float | None = Field(description="of the votes with a preference, those for the candidate; null: none")
    low: float = Field(description="end of the share's confidence sequence, at the policy's confidence")
    high: float
    worse_than: float
    p_not_worse: float = Field(ge=0, le=1)
    p_worse: float = Field(ge=0, le=1)
    reason: str
    outcome: Literal["not_worse", "worse", "unclear"]


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


class Decision(Record):
    """What two scorecards and a policy say; a pure function of them."""

    outcome: Outcome
    reasons: tuple[str, ...] = Field(min_length=1, description="every reason, the failed ones first, their cause first")
    advice: str = Field(min_length=1, description="what to do next, in a sentence")
    first_release: bool = Field(description="only the absolute bars were asked for, there being no champion")
    figures: dict[str, float] = Field(description="the candidate's pooled figures")
    champion_figures: dict[str, float] | None
    recordings_figures: dict[str, float] | None = Field(
        description="those of the held-out recordings, if there are any"
    )
    failures: dict[str, int] = Field(description="the candidate's failed utterances by the failure's name")
    champion_failures: dict[str, int] | None
    bars: tuple[Bound, ...]
    slice_bars: tuple[Bound, ...]
    small_slices: tuple[SmallSlice, ...]
    comparisons: tuple[Comparison, ...]
    regressed_prompts: RegressedPromptsCheck | None
    preference: PreferenceCheck | None
    worst_prompts: tuple[PromptDifference, ...] = Field(description="the worst differences first, at most 50")
    n_prompts: int
    n_utterances: int
    seeds: tuple[int, ...]
    judges: Judges
    prompts_sha256: str
    policy_sha256: str


class Subject(Record):
    """Which version was judged, down to its bytes."""

    version: int
    candidate_id: str
    weights_sha256: str
    scores_sha256: str


class Verdict(Record):
    """A decision about one version against one champion: what is signed, stored, and asked for by `promote`."""

    voice: str
    candidate: Subject
    champion: Subject | None
    decision: Decision

    @property
    def outcome(self) -> Outcome:
        return self.decision.outcome

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.decision.outcome]

    def payload(self) -> str:
        """The canonical JSON that is signed; reading it back gives an equal verdict."""
        return canonical(self.model_dump(mode="json"))

    def sha256(self) -> str:
        return sha256_text(self.payload())
