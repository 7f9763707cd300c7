"""How often the gate is right: simulated pairs of known truth under the default policies.

    python -m benchmarks.gate_oc    # RESULTS.md and oc.svg in benchmarks/gate_oc, minutes on two cores

The pairs of gate_oc_voices.py go through registry.gate.checks.run_checks, which the gate itself calls.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.gate_oc_report import write_report
from benchmarks.gate_oc_voices import LEVELS, ROOT, Truth, block, margins_of, policy_of, simulate
from metrics.scores import SMALLER_IS_BETTER
from registry.gate.checks import decide_outcome, run_checks
from stages.execution.parallel import Map, worker_processes

N_PROMPTS, N_SEEDS = (30, 60, 100, 200), (1, 3, 5)
OUTCOMES = ("pass", "inconclusive", "fail")
# The policies have 10,000, which costs minutes here and changes the shares by less than chance does (RESULTS.md: both)
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
    """Simulated pairs of one kind.

    Attributes:
        level: Key of LEVELS.
        truth: Name of the candidate's true difference to the champion.
        n_prompts: Number of prompts.
        n_seeds: Number of seeds of each prompt.
        n_pairs: Number of pairs.
        shares: Share of each outcome.
        coverage: How often the interval contains the true difference, by metric and side, such as `wer upper`.
        power: Of the word error rate, as the gate itself gives it, in the mean.
    """

    level: str
    truth: str
    n_prompts: int
    n_seeds: int
    n_pairs: int
    shares: dict[str, float]
    coverage: dict[str, float]
    power: float


def run_cell(
    level: str, truth: Truth, *, n_prompts: int, n_seeds: int, n_pairs: int, n_resamples: int = N_RESAMPLES
) -> Cell:
    """Run the gate on simulated pairs whose champion meets the thresholds, because others never became champions.

    Args:
        level: Key of LEVELS.
        truth: The candidate's true difference to the champion.
        n_prompts: Number of prompts.
        n_seeds: Number of seeds of each prompt.
        n_pairs: Number of pairs.
        n_resamples: Bootstrap resamples, in place of the policy's number.

    Raises:
        ValueError: Where more than one champion in three misses the thresholds: the policy does not fit this level.
    """
    policy = policy_of(level).model_copy(update={"n_resamples": n_resamples})
    recordings, margins = LEVELS[level].recordings, margins_of(level)
    generator = np.random.default_rng([n_prompts, n_seeds])
    outcomes, covered, power = Counter(), Counter(), []
    for candidate, champion in simulate(
        level, truth, n_prompts=n_prompts, n_seeds=n_seeds, n_pairs=n_pairs * 3 // 2, generator=generator
    ):
        if outcomes.total() == n_pairs:
            break
        alone = run_checks(policy, champion, champion=None, recordings=recordings)
        if decide_outcome(alone, has_champion=False, first_release=True) != "pass":
            continue
        checks = run_checks(policy, candidate, champion=champion, recordings=recordings)
        outcomes[decide_outcome(checks, has_champion=True, first_release=False)] += 1
        for one in checks.comparisons:
            sign = 1 if SMALLER_IS_BETTER[one.metric] else -1
            difference = sign * getattr(truth, one.metric) * margins[one.metric]
            covered[f"{one.metric} lower"] += one.low <= difference
            covered[f"{one.metric} upper"] += difference <= one.high
        power.append(checks.comparisons[0].power)
    n_found = outcomes.total()
    if n_found < n_pairs:
        raise ValueError(
            f"only {n_found} of {n_pairs * 3 // 2} champions of the level {level} meet its policy's thresholds"
        )
    return Cell(
        level=level,
        truth=truth.name,
        n_prompts=n_prompts,
        n_seeds=n_seeds,
        n_pairs=n_found,
        shares={outcome: outcomes[outcome] / n_found for outcome in OUTCOMES},
        coverage={name: covered[name] / n_found for name in sorted(covered)},
        power=float(np.mean(power)),
    )


@dataclass(frozen=True)
class AdviceResult:
    """What came of the advice to add prompts, or seeds, where pairs were inconclusive.

    Attributes:
        level: Key of LEVELS.
        truth: Name of the candidate's true difference to the champion.
        by: What was added, prompts or seeds.
        n_inconclusive: Pairs that were inconclusive at first.
        n_advised: Those of them with the advice to add at most twice what there was.
        median: Of the advice.
        decided: Share of those advised that are not inconclusive afterwards.
        passed: Share of all pairs that pass at the first look, or after the advice was followed.
    """

    level: str
    truth: str
    by: str
    n_inconclusive: int
    n_advised: int
    median: float
    decided: float
    passed: float


def follow_advice(level: str, truth: Truth, *, n_prompts: int, n_seeds: int, n_pairs: int) -> list[AdviceResult]:
    """Run the gate on pairs, add to the inconclusive ones what it advises, and run it again.

    Args:
        level: Key of LEVELS.
        truth: The candidate's true difference to the champion.
        n_prompts: Number of prompts at first.
        n_seeds: Number of seeds at first.
        n_pairs: Number of pairs.
    """
    policy, recordings = policy_of(level).model_copy(update={"n_resamples": N_RESAMPLES}), LEVELS[level].recordings
    advice, decided, passed, n_inconclusive = {"prompts": [], "seeds": []}, Counter(), Counter(), 0
    pairs = simulate(
        level,
        truth,
        n_prompts=3 * n_prompts,
        n_seeds=3 * n_seeds,
        n_pairs=n_pairs,
        generator=np.random.default_rng(1),
    )
    for pair in pairs:
        candidate, champion = (block(one, n_prompts=n_prompts, n_seeds=n_seeds) for one in pair)
        first = run_checks(policy, candidate, champion=champion, recordings=recordings)
        outcome = decide_outcome(first, has_champion=True, first_release=False)
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
            size = {"n_prompts": n_prompts, "n_seeds": n_seeds}
            size[f"n_{by}"] += max(wanted)
            candidate, champion = (block(one, **size) for one in pair)
            second = run_checks(policy, candidate, champion=champion, recordings=recordings)
            outcome = decide_outcome(second, has_champion=True, first_release=False)
            advice[by].append(max(wanted))
            decided[by] += outcome != "inconclusive"
            passed[by] += outcome == "pass"
    return [
        AdviceResult(
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
    """Run the simulation from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_oc", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000, help="simulated pairs per cell")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes; the figures do not depend on it")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/gate_oc", help="folder for the results")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    # One thread per process: the products are so small that more threads wait for each other most of the time.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with worker_processes(options.jobs) as workers:
        results = run_all(options.pairs, workers)
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write_report(results, options.out)
    print(f"{options.out}: RESULTS.md, oc.svg, results.json in {time.monotonic() - started:.0f} s")
    return 0


def run_all(n_pairs: int, workers: Map) -> dict[str, list[dict]]:
    """Return every figure of the report, as results.json has it.

    Args:
        n_pairs: Number of pairs per cell.
        workers: Runs the cells, see stages/execution/parallel.py.
    """
    tasks = [
        *(
            _cell("cells", level, truth, n_prompts, n_seeds)
            for level in LEVELS
            for truth in TRUTHS
            for n_seeds in N_SEEDS
            for n_prompts in N_PROMPTS
        ),
        *(_cell("clauses", level, IN_CLAUSES) for level in LEVELS),
        *(
            _cell("resamples", level, truth, n_resamples=n)
            for level in LEVELS
            for truth in TRUTHS[:2]
            for n in (N_RESAMPLES, 10_000)
        ),
        *(_cell("curve", level, Truth("WER", wer=loss), loss=loss) for level in LEVELS for loss in CURVE),
        *(
            _cell("advice", level, truth, 60)
            for level in LEVELS
            for truth in (TRUTHS[0], Truth("WER worse by half the margin", wer=0.5), TRUTHS[1])
        ),
    ]
    results: dict[str, list[dict]] = {task.part: [] for task in tasks}
    for task, found in zip(tasks, workers(partial(_run_task, n_pairs=n_pairs), tasks), strict=True):
        results[task.part] += found
        shares = found[0].get("shares", "") if found else ""
        print(task.part, task.level, task.truth.name, task.n_prompts, task.n_seeds, shares, flush=True)
    return results


@dataclass(frozen=True)
class _Task:
    """One cell of a part of the report, or one row of its advice."""

    part: str
    level: str
    truth: Truth
    n_prompts: int
    n_seeds: int
    n_resamples: int = N_RESAMPLES
    loss: float | None = None


def _cell(part: str, level: str, truth: Truth, n_prompts: int = 100, n_seeds: int = 3, **changes: float) -> _Task:
    return _Task(part, level, truth, n_prompts, n_seeds, **changes)


def _run_task(task: _Task, n_pairs: int) -> list[dict]:
    """Return the rows of results.json that come of a task."""
    size = {"n_prompts": task.n_prompts, "n_seeds": task.n_seeds, "n_pairs": n_pairs}
    if task.part == "advice":
        return [asdict(one) for one in follow_advice(task.level, task.truth, **size)]
    found = asdict(run_cell(task.level, task.truth, **size, n_resamples=task.n_resamples))
    if task.part == "resamples":
        found["n_resamples"] = task.n_resamples
    if task.part == "curve":
        found |= {"loss": task.loss, "margin": margins_of(task.level)["wer"]}
    return [found]


if __name__ == "__main__":
    sys.exit(main())
