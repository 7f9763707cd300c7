"""Simulate pairs of voices with a known true difference, as score tables that the gate reads.

Word errors come in bursts: a prompt has its own difficulty (Beta around its category's), an utterance its own luck
(Beta around the prompt's), and the errors of an utterance are binomial. Both voices of a pair share the prompts and
their difficulty, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from metrics.prompts import load_prompts
from registry.gate.policy import LENGTHS, GatePolicy, parse_policy
from registry.gate.tables import ScoreTable

ROOT = Path(__file__).resolve().parent.parent
FITTED = ROOT / "benchmarks/gate_oc/starter.json"
COLUMNS = ("word_errors", "n_words", "char_errors", "n_chars", "similarity", "failed", "silent")


@dataclass(frozen=True)
class Level:
    """A simulated voice and its judges.

    Attributes:
        params: The file with the policy.
        wer: Word error rate of each category.
        between: Concentration of the prompts' difficulty around their category's WER. Larger is more alike.
        within: Concentration of an utterance's luck around its prompt's.
        clause: Chance that an utterance loses 15 to 60 % of its words in addition.
        failed: Chance of a named failure where half of the words or more are wrong.
        failed_otherwise: The same where fewer words are wrong.
        similarity: Mean speaker similarity.
        similarity_between: Its standard deviation over prompts.
        similarity_within: Its standard deviation over the seeds of a prompt.
        recordings: Pooled figures of the held-out recordings.
    """

    params: str
    wer: dict[str, float]
    between: float
    within: float
    clause: float
    failed: float
    similarity: float
    similarity_between: float
    similarity_within: float
    recordings: dict[str, float]
    failed_otherwise: float = 0.0


LEVELS = {
    # fitted to the sample voice: `python -m benchmarks.gate_oc_fit SCORECARD --write` writes the file
    "starter": Level(params="params.yaml", **json.loads(FITTED.read_text(encoding="utf-8"))["level"]),
    # assumed, because no official weights were available: few errors in bursts, one utterance in 200 loses a clause
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
    """The candidate's true difference to the champion.

    Attributes:
        name: In the tables.
        wer: How much worse the word error rate is, in margins.
        similarity: How much worse the speaker similarity is, in margins.
        in_clauses: Whether all lost words are in swallowed clauses, and none are single words.
    """

    name: str
    wer: float = 0.0
    similarity: float = 0.0
    in_clauses: bool = False


@cache
def policy_of(level: str) -> GatePolicy:
    """Return the policy in the params file of a level."""
    raw = YAML(typ="safe", pure=True).load((ROOT / LEVELS[level].params).read_text(encoding="utf-8"))
    return parse_policy(raw["gate"])


@cache
def prompts(n_prompts: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of words and the categories of English prompts, (n_prompts,) each.

    They are fixed prompts, one of each category in turn, and from the start again where there are not enough.
    """
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
    level: str, truth: Truth, *, n_prompts: int, n_seeds: int, n_pairs: int, generator: np.random.Generator
) -> Iterator[tuple[ScoreTable, ScoreTable]]:
    """Yield candidate and champion of each pair.

    Args:
        level: Key of LEVELS.
        truth: The candidate's true difference to the champion.
        n_prompts: Number of prompts.
        n_seeds: Number of seeds of each prompt.
        n_pairs: Number of pairs.
        generator: Of the random numbers.
    """
    known, margins = LEVELS[level], margins_of(level)
    words, categories = prompts(n_prompts)
    difficulty = difficulties(known, categories, n_pairs, generator)
    similarity = known.similarity + known.similarity_between * generator.standard_normal((n_pairs, n_prompts))
    candidate = (
        *worse_by(level, truth.wer * margins["wer"], truth.in_clauses),
        truth.similarity * margins["similarity"],
    )
    voices = []
    for factor, clause, similarity_loss in (candidate, (1.0, known.clause, 0.0)):
        errors = word_errors(known, difficulty * factor, clause, words, n_seeds, generator)
        noise = known.similarity_within * generator.standard_normal(errors.shape)
        measured = np.clip(similarity[..., None] - similarity_loss + noise, -1, 1)
        failed = named_failures(known, errors, words, generator)
        voices.append((errors, measured, failed))
    ids = tuple(f"p{number:03d}" for number in range(n_prompts))
    labels = {"category": categories, "length": length_of(words), "language": np.full(n_prompts, "en")}
    n_words = np.broadcast_to(words[:, None], (n_prompts, n_seeds)).astype(float)
    silent = np.zeros((n_prompts, n_seeds), dtype=bool)
    for pair in range(n_pairs):
        yield tuple(
            ScoreTable(ids, labels, errors[pair], n_words, errors[pair], n_words, measured[pair], failed[pair], silent)
            for errors, measured, failed in voices
        )


def named_failures(level: Level, errors: np.ndarray, words: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw which utterances have a named failure.

    Args:
        level: The simulated voice.
        errors: Word errors, (n_pairs, n_prompts, n_seeds).
        words: Number of words of each prompt, (n_prompts,).
        generator: Of the random numbers.

    Returns:
        (n_pairs, n_prompts, n_seeds) bool.
    """
    chance = np.where(errors >= 0.5 * words[:, None], level.failed, level.failed_otherwise)
    return generator.random(errors.shape) < chance


def difficulties(level: Level, categories: np.ndarray, n_pairs: int, generator: np.random.Generator) -> np.ndarray:
    """Draw the chance of a wrong word in each prompt.

    Args:
        level: The simulated voice. A category that it does not have is as hard as the mean of all.
        categories: Of the prompts, (n_prompts,) str.
        n_pairs: Number of pairs.
        generator: Of the random numbers.

    Returns:
        (n_pairs, n_prompts) float in (0, 1).
    """
    usual = float(np.mean(list(level.wer.values())))
    mean = np.clip([level.wer.get(category, usual) for category in categories], 1e-4, 1 - 1e-4)
    return generator.beta(mean * level.between, (1 - mean) * level.between, (n_pairs, len(categories)))


def word_errors(
    level: Level, difficulty: np.ndarray, clause: float, words: np.ndarray, n_seeds: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw the word errors of each utterance.

    Args:
        level: The simulated voice.
        difficulty: Chance of a wrong word in each prompt, (n_pairs, n_prompts).
        clause: Chance that an utterance loses a clause in addition.
        words: Number of words of each prompt, (n_prompts,).
        n_seeds: Number of seeds of each prompt.
        generator: Of the random numbers.

    Returns:
        (n_pairs, n_prompts, n_seeds) float.
    """
    shape, within = (*difficulty.shape, n_seeds), level.within
    mean = np.clip(difficulty, 1e-4, 1 - 1e-4)[..., None]
    slips = generator.binomial(words[:, None], generator.beta(mean * within, (1 - mean) * within, shape))
    lost = np.round(generator.uniform(0.15, 0.6, shape) * words[:, None]).astype(int)
    return np.where(generator.random(shape) < clause, np.maximum(slips, lost), slips).astype(float)


def rate(level: str, factor: float, clause: float) -> float:
    """Return the expected pooled word error rate of voices.

    Args:
        level: Key of LEVELS.
        factor: Multiplies the chance of a wrong word.
        clause: Chance that an utterance loses a clause in addition.
    """
    generator = np.random.default_rng(0)  # the same draws for every factor: the rate grows with it
    words, categories = prompts(200)
    difficulty = difficulties(LEVELS[level], categories, 2000, generator)
    errors = word_errors(LEVELS[level], difficulty * factor, clause, words, 1, generator)
    return float(errors.sum() / (words.sum() * len(difficulty)))


@cache
def worse_by(level: str, loss: float, in_clauses: bool = False) -> tuple[float, float]:
    """Return the factor on the chances and the chance of a lost clause that make a voice worse.

    Args:
        level: Key of LEVELS.
        loss: How much worse, in errors per word.
        in_clauses: Whether the loss is in lost clauses alone.
    """
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
    """Return the policy's margins at the champion's true figures."""
    known = LEVELS[level]
    figures = {"wer": rate(level, 1.0, known.clause), "similarity": known.similarity}
    parts = policy_of(level).non_inferiority
    return {part.metric: max(part.margin, part.relative * figures[part.metric]) for part in parts}


def length_of(words: np.ndarray) -> np.ndarray:
    """Return the label of each prompt's length, (n_prompts,) str."""
    limits = [most for _, most in LENGTHS.values() if most is not None]
    return np.array(list(LENGTHS))[np.searchsorted(limits, words)]


def block(scores: ScoreTable, *, n_prompts: int, n_seeds: int) -> ScoreTable:
    """Return the first prompts and seeds of the scores."""
    columns = {name: getattr(scores, name)[:n_prompts, :n_seeds] for name in COLUMNS}
    labels = {by: values[:n_prompts] for by, values in scores.labels.items()}
    return ScoreTable(scores.prompt_ids[:n_prompts], labels, **columns)
