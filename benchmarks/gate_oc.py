"""How often the gate is right: simulated pairs of known truth under the default policies.

    python -m benchmarks.gate_oc                         # RESULTS.md and oc.svg in benchmarks/gate_oc, some minutes
    python -m benchmarks.gate_oc --fit SCORECARD.json    # the figures of a real scorecard that a level is made of

The pairs go through registry.gate.check, which the gate itself calls. Word errors come in bursts: a prompt has its own
difficulty (Beta around its category's), an utterance its own luck (Beta around the prompt's), the words of an utterance
are binomial. Both voices of a pair share the prompts and their difficulty, nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from benchmarks.gate_oc_report import write_report
from metrics.prompts import load_prompts
from metrics.scores import SMALLER_IS_BETTER, load_scorecard, pooled
from registry.gate import check
from registry.gate.reasons import outcome_of
from registry.gate.tables import ScoreTable, table
from registry.policy import LENGTHS, GatePolicy, parse_policy

ROOT = Path(__file__).resolve().parent.parent
N_PROMPTS, N_SEEDS = (30, 60, 100, 200), (1, 3, 5)
OUTCOMES = ("pass", "inconclusive", "fail")
# The policies say 10,000, which costs minutes here and moves the shares by less than chance does (RESULTS.md has both)
N_RESAMPLES = 2_000
COLUMNS = ("word_errors", "n_words", "char_errors", "n_chars", "similarity", "failed", "silent")


@dataclass(frozen=True)
class Level:
    """A voice under its judges: what the simulation knows of it."""

    params: str  # the file whose policy is asked
    wer: dict[str, float]  # of each category
    between: float  # concentration of the prompts' difficulty around their category's WER: larger, more alike
    within: float  # concentration of an utterance's luck around its prompt's
    clause: float  # chance of an utterance that loses 15 to 60 % of its words besides
    failed: float  # chance of a named failure where half of the words or more are wrong
    similarity: float
    similarity_between: float  # standard deviation over prompts
    similarity_within: float  # and over the seeds of a prompt
    recordings: dict[str, float]  # figures of the held-out recordings


LEVELS = {
    # fitted (--fit) to the sample voice adapted from the starter base: 72 prompts x 4 seeds under the offline judges
    "starter": Level(
        params="params.yaml",
        wer={
            "domain_terms": 0.293,
            "everyday": 0.178,
            "long": 0.296,
            "names": 0.417,
            "numbers_and_dates": 0.231,
            "questions": 0.253,
            "short": 0.128,
            "tongue_twisters": 0.573,
        },
        between=8.6,
        within=11.5,
        clause=0.0,
        failed=0.068,
        similarity=0.864,
        similarity_between=0.056,
        similarity_within=0.027,
        recordings={"wer": 0.038, "cer": 0.021, "similarity": 0.913, "failed_share": 0.0},
    ),
    # assumed, for no official weights were at hand: few errors, in bursts, and one utterance in 200 loses a clause
    "official": Level(
        params="params.official.yaml",
        wer={
            "domain_terms": 0.020,
            "everyday": 0.012,
            "long": 0.020,
            "names": 0.028,
            "numbers_and_dates": 0.015,
            "questions": 0.017,
            "short": 0.009,
            "tongue_twisters": 0.038,
        },
        between=100.0,
        within=40.0,
        clause=0.005,
        failed=0.5,
        similarity=0.70,
        similarity_between=0.05,
        similarity_within=0.03,
        recordings={"wer": 0.02, "cer": 0.01, "similarity": 0.75, "failed_share": 0.0},
    ),
}


@dataclass(frozen=True)
class Truth:
    """What the candidate is in truth, against the champion."""

    name: str
    wer: float = 0.0  # worse by so many margins
    similarity: float = 0.0
    in_clauses: bool = False  # all of the loss of words in clauses that are swallowed, none in single words


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


@cache
def policy_of(level: str) -> GatePolicy:
    raw = YAML(typ="safe", pure=True).load((ROOT / LEVELS[level].params).read_text(encoding="utf-8"))
    return parse_policy(raw["gate"])


@cache
def prompts(n_prompts: int) -> tuple[np.ndarray, np.ndarray]:
    """Words and categories of n_prompts English prompts, (n_prompts,) each: of the fixed ones, one of each category in
    turn, from the start again where there are not so many."""
    by_category: dict[str, list[int]] = {}
    for prompt in load_prompts(ROOT / "benchmarks/prompts/en.yaml").prompts:
        by_category.setdefault(prompt.category, []).append(len(prompt.normalized.split()))
    names = sorted(by_category)
    categories = [names[index % len(names)] for index in range(n_prompts)]
    words = [
        by_category[names[i % len(names)]][i // len(names) % len(by_category[names[i % len(names)]])]
        for i in range(n_prompts)
    ]
    return np.array(words), np.array(categories)


def simulate(
    level: str, truth: Truth, n_prompts: int, n_seeds: int, n_pairs: int, generator: np.random.Generator
) -> Iterator[tuple[ScoreTable, ScoreTable]]:
    """Candidate and champion of each pair."""
    known, margins = LEVELS[level], margins_of(level)
    words, categories = prompts(n_prompts)
    difficulty = difficulties(level, categories, n_pairs, generator)
    likeness = known.similarity + known.similarity_between * generator.standard_normal((n_pairs, n_prompts))
    candidate = (
        *worse_by(level, truth.wer * margins["wer"], truth.in_clauses),
        truth.similarity * margins["similarity"],
    )
    voices = []
    for factor, clause, less_like in (candidate, (1.0, known.clause, 0.0)):
        errors = word_errors(level, difficulty * factor, clause, words, n_seeds, generator)
        noise = known.similarity_within * generator.standard_normal(errors.shape)
        heard = np.clip(likeness[..., None] - less_like + noise, -1, 1)
        failed = (errors >= 0.5 * words[:, None]) & (generator.random(errors.shape) < known.failed)
        voices.append((errors, heard, failed))
    ids = tuple(f"p{number:03d}" for number in range(n_prompts))
    labels = {"category": categories, "length": length_of(words), "language": np.full(n_prompts, "en")}
    n_words = np.broadcast_to(words[:, None], (n_prompts, n_seeds)).astype(float)
    silent = np.zeros((n_prompts, n_seeds), dtype=bool)
    for pair in range(n_pairs):
        yield tuple(
            ScoreTable(ids, labels, errors[pair], n_words, errors[pair], n_words, heard[pair], failed[pair], silent)
            for errors, heard, failed in voices
        )


def difficulties(level: str, categories: np.ndarray, n_pairs: int, generator: np.random.Generator) -> np.ndarray:
    """The chance of a wrong word in each prompt, (n_pairs, n_prompts). A category not measured is as hard as all."""
    known = LEVELS[level]
    usual = float(np.mean(list(known.wer.values())))
    mean = np.array([known.wer.get(category, usual) for category in categories])
    return generator.beta(mean * known.between, (1 - mean) * known.between, (n_pairs, len(categories)))


def word_errors(
    level: str, difficulty: np.ndarray, clause: float, words: np.ndarray, n_seeds: int, generator: np.random.Generator
) -> np.ndarray:
    """Word errors of each utterance, (n_pairs, n_prompts, n_seeds) float."""
    shape, within = (*difficulty.shape, n_seeds), LEVELS[level].within
    mean = np.clip(difficulty, 1e-4, 1 - 1e-4)[..., None]
    slips = generator.binomial(words[:, None], generator.beta(mean * within, (1 - mean) * within, shape))
    lost = np.round(generator.uniform(0.15, 0.6, shape) * words[:, None]).astype(int)
    return np.where(generator.random(shape) < clause, np.maximum(slips, lost), slips).astype(float)


def rate(level: str, factor: float, clause: float) -> float:
    """The pooled WER that is expected of voices with so many times the chance of a wrong word."""
    generator = np.random.default_rng(0)  # the same draws for every factor: the rate grows with it
    words, categories = prompts(200)
    difficulty = difficulties(level, categories, 2000, generator)
    errors = word_errors(level, difficulty * factor, clause, words, 1, generator)
    return float(errors.sum() / (words.sum() * len(difficulty)))


@cache
def worse_by(level: str, loss: float, in_clauses: bool = False) -> tuple[float, float]:
    """What makes a voice worse by `loss` errors per word: a factor on the chances, and the chance of a lost clause."""
    clause = LEVELS[level].clause
    if loss == 0:
        return 1.0, clause
    wanted = rate(level, 1.0, clause) + loss
    low, high = (clause, 1.0) if in_clauses else (0.0, 20.0)
    for _ in range(14):
        middle = (low + high) / 2
        seen = rate(level, 1.0, middle) if in_clauses else rate(level, middle, clause * middle)
        low, high = (middle, high) if seen < wanted else (low, middle)
    return (1.0, high) if in_clauses else (high, clause * high)


@cache
def margins_of(level: str) -> dict[str, float]:
    """The policy's margins at the champion's true figures."""
    known = LEVELS[level]
    figures = {"wer": rate(level, 1.0, known.clause), "similarity": known.similarity}
    parts = policy_of(level).non_inferiority
    return {part.metric: max(part.margin, part.relative * figures[part.metric]) for part in parts}


def length_of(words: np.ndarray) -> np.ndarray:
    """The label of each prompt's length, (n_prompts,) str."""
    limits = [most for _, most in LENGTHS.values() if most is not None]
    return np.array(list(LENGTHS))[np.searchsorted(limits, words)]


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


def block(scores: ScoreTable, n_prompts: int, n_seeds: int) -> ScoreTable:
    """The first prompts and seeds of the scores."""
    columns = {name: getattr(scores, name)[:n_prompts, :n_seeds] for name in COLUMNS}
    labels = {by: values[:n_prompts] for by, values in scores.labels.items()}
    return ScoreTable(scores.prompt_ids[:n_prompts], labels, **columns)


def fit(path: Path) -> str:
    """The figures of a real scorecard with several seeds that make a Level, beside what the simulation makes of it."""
    card = load_scorecard(path)
    real = table(card.rows, ["category"])
    errors, n_words, categories = real.word_errors, real.n_words, real.labels["category"]
    shares, n_seeds = errors / n_words, errors.shape[1]
    spread = between = 0.0
    for category in sorted(set(categories)):
        own = shares[categories == category]
        mean = own.mean()
        between += max(0.0, own.mean(axis=1).var(ddof=1) - own.var(axis=1, ddof=1).mean() / n_seeds)
        spread += mean * (1 - mean)
    concentration = spread / between - 1
    words = float((1 / n_words).mean())
    binomial = spread / len(set(categories)) * concentration / (concentration + 1)
    extra = (shares.var(axis=1, ddof=1).mean() / binomial - words) / (1 - words)
    within = real.similarity.var(axis=1, ddof=1).mean()
    bad = shares >= 0.5
    wer = {
        str(c): round(float(errors[categories == c].sum() / n_words[categories == c].sum()), 3)
        for c in sorted(set(categories))
    }
    lines = [
        f"wer={wer},",
        f"between={concentration:.1f},",
        f"within={1 / extra - 1:.1f},",
        f"failed={real.failed.sum() / bad.sum():.3f},",
        f"similarity={real.similarity.mean():.3f},",
        f"similarity_between={np.sqrt(real.similarity.mean(axis=1).var(ddof=1) - within / n_seeds):.3f},",
        f"similarity_within={np.sqrt(within):.3f},",
        f"recordings={ {name: round(value, 3) for name, value in pooled(card.held_out).items()} },",
        "",
        "real utterances: " + describe(errors, n_words, real.failed),
    ]
    for level in LEVELS:
        pairs = simulate(level, TRUTHS[0], len(errors), n_seeds, 200, np.random.default_rng(0))
        found = [candidate for candidate, _ in pairs]
        simulated = [np.concatenate([getattr(one, name) for one in found]) for name in DESCRIBED]
        lines.append(f"simulated, {level}: " + describe(*simulated))
    return "\n".join(lines)


DESCRIBED = ("word_errors", "n_words", "failed")


def describe(errors: np.ndarray, n_words: np.ndarray, failed: np.ndarray) -> str:
    """What utterances (n_prompts, n_seeds) look like."""
    shares = errors / n_words
    return (
        f"WER {errors.sum() / n_words.sum():.3f}, without error {(errors == 0).mean():.3f}, half wrong or more "
        f"{(shares >= 0.5).mean():.3f}, deviation between prompts {shares.mean(axis=1).std():.3f}, inside a prompt "
        f"{np.sqrt(shares.var(axis=1, ddof=1).mean()):.3f}, failed {failed.mean():.3f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_oc", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000, help="simulated pairs of each cell")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/gate_oc", help="where the results go")
    parser.add_argument("--fit", type=Path, metavar="SCORECARD", help="say what a level made of this scorecard is")
    options = parser.parse_args(arguments)
    if options.fit:
        print(fit(options.fit))
        return 0
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
