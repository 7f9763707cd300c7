"""The gate's policy: the `gate` section of params.yaml, checked when it is loaded."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from metrics.scores import SMALLER_IS_BETTER

Metric = Literal["wer", "cer", "similarity", "failed_share"]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Bar(Part):
    """An absolute limit on a pooled figure; equal to the limit passes."""

    metric: Metric
    at_most: float | None = Field(default=None, description="for figures where smaller is better")
    at_least: float | None = Field(default=None, description="for figures where larger is better")
    unit: str = Field(min_length=1)
    reason: str = Field(min_length=1, description="why this limit and no other")

    @model_validator(mode="after")
    def _one_limit_in_the_right_direction(self) -> Bar:
        right, wrong = ("at_most", "at_least") if SMALLER_IS_BETTER[self.metric] else ("at_least", "at_most")
        if getattr(self, right) is None or getattr(self, wrong) is not None:
            raise ValueError(f"the bar on {self.metric} needs `{right}` and no `{wrong}`")
        return self


class Margin(Part):
    """How much worse than the champion a candidate may be."""

    metric: Literal["wer", "cer", "similarity"]
    margin: float = Field(gt=0, description="largest loss that still counts as not worse, in the metric's unit")
    unit: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class GatePolicy(Part):
    """What a candidate must show to replace the champion."""

    bars: tuple[Bar, ...] = Field(min_length=1, description="absolute limits; every one must hold")
    non_inferiority: tuple[Margin, ...] = Field(min_length=1, description="margins against the champion")
    confidence: float = Field(gt=0.5, lt=1, description="level of the one-sided bounds, Holm-corrected over metrics")
    n_resamples: int = Field(ge=1000, description="bootstrap resamples of the prompts")
    seed: int = Field(ge=0, description="seed of the bootstrap")
    min_prompts: int = Field(ge=2, description="fewer scored prompts than this cannot be judged")

    @model_validator(mode="after")
    def _each_metric_once(self) -> GatePolicy:
        for name, parts in (("bars", self.bars), ("non_inferiority", self.non_inferiority)):
            metrics = [part.metric for part in parts]
            if twice := sorted({metric for metric in metrics if metrics.count(metric) > 1}):
                raise ValueError(f"gate.{name} names {', '.join(twice)} more than once; one entry a metric")
        return self


def parse_policy(raw: Any) -> GatePolicy:
    """The policy in the `gate` section of params.yaml. Raises ValueError with every wrong key and the value seen."""
    try:
        return GatePolicy.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"gate.{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            + ("" if fault["type"] == "missing" else f" (seen: {str(fault['input'])[:60]!r})")
            for fault in error.errors()
        )
        raise ValueError(f"params.yaml: {faults}") from error
