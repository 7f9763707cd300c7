"""How often the gate is right: simulated pairs of known truth under the default policies.

    python -m benchmarks.gate_oc    # RESULTS.md and oc.svg in benchmarks/gate_oc, some minutes

The pairs of gate_oc_voices.py go through registry.gate.check, which the gate itself calls.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.gate_oc_report import write_report
from benchmarks.gate_oc_voices import LEVELS, ROOT, Truth, block, margins_of, policy_of, simulate
from metrics.scores import SMALLER_IS_BETTER
from registry.gate import check
from registry.gate.reasons import outcome_of

N_PROMPTS, N_SEEDS = (30, 60, 100, 200), (1, 3, 5)
OUTCOMES = ("pass", "inconclusive", "fail")
# The policies say 10,000, which costs minutes here and moves the shares by less than chance does (RESULTS.md has both)
N_RESAMPLES = 2_000
TRUTHS = (
    Truth("identical"),
    Truth("WER worse by the margin", wer=1.0),
    Truth("similarity worse by the margin", similarity=1.0),
)


IN_CLAUSES = Truth("WER worse by the margin, in swallowed clauses", wer=1.0, in_clauses=True)
CURVE = (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # true losses, in margins


@dataclass(frozen=True)
class Cell:
    """Simulated pairs of one kind: shares of the outcomes, and how often the intervals hold the truth."""

    level: str
    truth: str
    n_prompts: int
    n_seeds: int
    n_pairs: int
    shares: dict[str, float]
    coverage: dict[str, float]  # by metric and side, such as `wer upper`
    power: float  # of WER, as the gate itself tells it, in the mean


def run_cell(
    level: str, truth: Truth, n_prompts: int, n_seeds: int, n_pairs: int, n_resamples: int = N_RESAMPLES
) -> Cell:
    """The gate's outcomes over `n_pairs` simulated pairs whose champion meets the bars: others never became champions.

    Raises ValueError where more than one champion in three misses them: the policy is not made for this level.
    """
    policy = policy_of(level).model_copy(update={"n_resamples": n_resamples})
    recordings, margins = LEVELS[level].recordings, margins_of(level)
    generator = np.random.default_rng([n_prompts, n_seeds])
    outcomes, held, power = Counter(), Counter(), []
    for candidate, champion in simulate(level, truth, n_prompts, n_seeds, n_pairs * 3 // 2, generator):
        if outcomes.total() == n_pairs:
            break
        if outcome_of(check(policy, champion, None, recordings), has_champion=False, first_release=True) != "pass":
            continue
        checks = check(policy, candidate, champion, recordings)
        outcomes[outcome_of(checks, has_champion=True, first_release=False)] += 1
        for one in checks.comparisons:
            sign = 1 if SMALLER_IS_BETTER[one.metric] else -1
            difference = sign * getattr(truth, one.metric) * margins[one.metric]
            held[f"{one.metric} lower"] += one.low <= difference
            held[f"{one.metric} upper"] += difference <= one.high
        power.append(checks.comparisons[0].power)
    n_judged = outcomes.total()
    if n_judged < n_pairs:
        raise ValueError(f"only {n_judged} of {n_pairs * 3 // 2} champions of the level {level} meet its policy's bars")
    return Cell(
        level=level,
        truth=truth.name,
        n_prompts=n_prompts,
        n_seeds=n_seeds,
        n_pairs=n_judged,
        shares={outcome: outcomes[outcome] / n_judged for outcome in OUTCOMES},
        coverage={name: held[name] / n_judged for name in sorted(held)},
        power=float(np.mean(power)),
    )


@dataclass(frozen=True)
class Followed:
    """What came of the advice to add prompts, or seeds, where pairs were inconclusive."""

    level: str
    truth: str
    by: str  # prompts or seeds
    n_inconclusive: int
    n_advised: int  # with an advice of at most three times what there was
    median: float  # of the advice
    decided: float  # share of those advised
    passed: float  # share of all pairs that pass at the first look, or after the advice was followed


def follow_advice(level: str, truth: Truth, n_prompts: int, n_seeds: int, n_pairs: int) -> list[Followed]:
    """Judge pairs, add to the inconclusive ones what the gate advises, and judge again."""
    policy, recordings = policy_of(level).model_copy(update={"n_resamples": N_RESAMPLES}), LEVELS[level].recordings
    advice, decided, passed, n_inconclusive = {"prompts": [], "seeds": []}, Counter(), Counter(), 0
    for pair in simulate(level, truth, 3 * n_prompts, 3 * n_seeds, n_pairs, np.random.default_rng(1)):
        first = check(policy, *(block(one, n_prompts, n_seeds) for one in pair), recordings)
        outcome = outcome_of(first, has_champion=True, first_release=False)
        passed["at once"] += outcome == "pass"
        if outcome != "inconclusive":
            continue
        n_inconclusive += 1
        unclear = [one for one in first.comparisons if one.outcome == "unclear"]
        for by, wanted in (
            ("prompts", [one.more_prompts for one in unclear]),
            ("seeds", [one.more_seeds for one in unclear]),
        ):
            if not wanted or None in wanted or max(wanted) > 2 * (n_prompts if by == "prompts" else n_seeds):
                continue
            size = (n_prompts + max(wanted), n_seeds) if by == "prompts" else (n_prompts, n_seeds + max(wanted))
            again = check(policy, *(block(one, *size) for one in pair), recordings)
            outcome = outcome_of(again, has_champion=True, first_release=False)
            advice[by].append(max(wanted))
            decided[by] += outcome != "inconclusive"
            passed[by] += outcome == "pass"
    return [
        Followed(
            level=level,
            truth=truth.name,
            by=by,
            n_inconclusive=n_inconclusive,
            n_advised=len(found),
            median=float(np.median(found)),
            decided=decided[by] / len(found),
            passed=(passed["at once"] + passed[by]) / n_pairs,
        )
        for by, found in advice.items()
        if found
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_oc", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000, help="simulated pairs of each cell")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/gate_oc", help="where the results go")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    results = run_all(options.pairs)
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write_report(results, options.out)
    print(f"{options.out}: RESULTS.md, oc.svg, results.json in {time.monotonic() - started:.0f} s")
    return 0


def run_all(n_pairs: int) -> dict[str, list[dict]]:
    """Every figure of the report, as JSON holds it."""

    def cell(level: str, truth: Truth, n_prompts: int, n_seeds: int, **changes: int) -> dict:
        found = asdict(run_cell(level, truth, n_prompts, n_seeds, n_pairs, **changes))
        print(level, truth.name, n_prompts, n_seeds, found["shares"], flush=True)
        return found

    return {
        "cells": [
            cell(level, truth, n_prompts, n_seeds)
            for level in LEVELS
            for truth in TRUTHS
            for n_seeds in N_SEEDS
            for n_prompts in N_PROMPTS
        ],
        "clauses": [cell(level, IN_CLAUSES, 100, 3) for level in LEVELS],
        "resamples": [
            cell(level, truth, 100, 3, n_resamples=n) | {"n_resamples": n}
            for level in LEVELS
            for truth in TRUTHS[:2]
            for n in (N_RESAMPLES, 10_000)
        ],
        "curve": [
            cell(level, Truth("WER", wer=loss), 100, 3) | {"loss": loss, "margin": margins_of(level)["wer"]}
            for level in LEVELS
            for loss in CURVE
        ],
        "advice": [
            asdict(one)
            for level in LEVELS
            for truth in (TRUTHS[0], Truth("WER worse by half the margin", wer=0.5), TRUTHS[1])
            for one in follow_advice(level, truth, 60, 3, n_pairs)
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
