"""What the gate says: outcome, every reason, the figures, and what exactly was judged."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from metrics.scores import Judges
from registry.database import canonical, sha256_text

Outcome = Literal["pass", "fail", "inconclusive"]
EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
EXIT_CANNOT_MEASURE = 2


class CannotMeasure(ValueError):  # noqa: N818  (not an error of the candidate: no verdict can be given, exit code 2)
    """The scores cannot be judged: incomplete, contradictory, or not comparable. The message lists every reason."""


class Record(BaseModel):
    # a NaN cannot be written as JSON, and a figure that is NaN has no place in a verdict
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Bound(Record):
    """An absolute bar and the figure held against it."""

    metric: str
    value: float
    limit: float
    direction: Literal["at_most", "at_least"]
    unit: str
    holds: bool


class Comparison(Record):
    """One metric against the champion, paired by prompt."""

    metric: str
    unit: str
    candidate: float
    champion: float
    difference: float = Field(description="candidate minus champion, in the metric's unit")
    bound: float = Field(description="how bad the difference may be in truth: its one-sided bound on the worse side")
    margin: float = Field(gt=0, description="the largest loss that counts as not worse")
    confidence: float = Field(description="level of `bound` after Holm's correction over metrics")
    p_not_worse: float = Field(ge=0, le=1, description="chance of so good a result if the loss were the margin")
    p_worse: float = Field(ge=0, le=1, description="chance of so bad a result if the loss were the margin")
    power: float = Field(ge=0, le=1, description="chance that an equal candidate is shown not worse with these prompts")
    outcome: Literal["not_worse", "worse", "unclear"]


class Judgement(Record):
    """What two scorecards and a policy say; a pure function of them."""

    outcome: Outcome
    reasons: tuple[str, ...] = Field(min_length=1, description="every reason, the failed ones first")
    first_release: bool = Field(description="only the absolute bars were asked for, there being no champion")
    figures: dict[str, float] = Field(description="the candidate's pooled figures")
    champion_figures: dict[str, float] | None
    failures: dict[str, int] = Field(description="the candidate's failed utterances by the failure's name")
    champion_failures: dict[str, int] | None
    bars: tuple[Bound, ...]
    comparisons: tuple[Comparison, ...]
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
    """A judgement about one version against one champion: what is signed, stored, and asked for by `promote`."""

    voice: str
    candidate: Subject
    champion: Subject | None
    judgement: Judgement

    @property
    def outcome(self) -> Outcome:
        return self.judgement.outcome

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.judgement.outcome]

    def payload(self) -> str:
        """The canonical JSON that is signed; reading it back gives an equal verdict."""
        return canonical(self.model_dump(mode="json"))

    def sha256(self) -> str:
        return sha256_text(self.payload())
