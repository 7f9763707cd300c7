"""Compute from a real scorecard the figures that make a level of the simulation.

    python -m benchmarks.gate_oc_fit SCORECARD.json            # print them, and compare real and simulated utterances
    python -m benchmarks.gate_oc_fit SCORECARD.json --write    # also write benchmarks/gate_oc/starter.json

benchmarks/gate_oc_voices.py reads the file. Run benchmarks/gate_oc.py afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.gate_oc_voices import FITTED, Level, difficulties, named_failures, prompts, word_errors
from metrics.scores import Scorecard, load_scorecard, pooled
from registry.gate.tables import ScoreTable, score_table

N_SIMULATED = 200  # voices, to compare with the real one
UNKNOWN_FAILED = 0.5  # chance of a named failure where no utterance has half of its words wrong, so nobody can count


def fit(card: Scorecard) -> Level:
    """Return the level of a scorecard with several seeds, under the policy of params.yaml.

    Raises:
        ValueError: The scorecard has one seed, which cannot tell a prompt's difficulty from an utterance's luck.
    """
    if len(card.seeds) < 2:
        raise ValueError(f"the scorecard has {len(card.seeds)} seed; score the voice with 2 or more (evaluate.seeds)")
    real = score_table(card.rows, ["category"])
    between, within = _concentrations(real)
    errors, n_words, categories = real.word_errors, real.n_words, real.labels["category"]
    is_bad = errors >= 0.5 * n_words
    variance = real.similarity.var(axis=1, ddof=1).mean()
    return Level(
        params="params.yaml",
        wer={
            str(c): round(float(errors[categories == c].sum() / n_words[categories == c].sum()), 3)
            for c in sorted(set(categories))
        },
        between=round(between, 1),
        within=round(within, 1),
        clause=0.0,
        failed=round(float(real.failed[is_bad].mean()), 3) if is_bad.any() else UNKNOWN_FAILED,
        failed_otherwise=round(float(real.failed[~is_bad].mean()), 4) if (~is_bad).any() else 0.0,
        similarity=round(float(real.similarity.mean()), 3),
        similarity_between=round(
            float(np.sqrt(max(0.0, real.similarity.mean(axis=1).var(ddof=1) - variance / len(card.seeds)))), 3
        ),
        similarity_within=round(float(np.sqrt(variance)), 3),
        recordings={name: round(value, 3) for name, value in pooled(card.held_out).items()},
    )


def _concentrations(real: ScoreTable) -> tuple[float, float]:
    """Return how alike the prompts of a category are, and the utterances of a prompt, by the method of moments."""
    errors, n_words, categories = real.word_errors, real.n_words, real.labels["category"]
    shares, n_seeds = errors / n_words, errors.shape[1]
    spread = between = 0.0
    for category in sorted(set(categories)):
        of_category = shares[categories == category]
        mean = of_category.mean()
        if len(of_category) > 1:
            noise = of_category.var(axis=1, ddof=1).mean() / n_seeds
            between += max(0.0, of_category.mean(axis=1).var(ddof=1) - noise)
        spread += mean * (1 - mean)
    concentration = max(1.0, spread / max(between, 1e-3 * spread) - 1)
    words = float((1 / n_words).mean())
    binomial = spread / len(set(categories)) * concentration / (concentration + 1)
    extra = (shares.var(axis=1, ddof=1).mean() / binomial - words) / (1 - words)
    return concentration, 1 / min(max(extra, 1e-3), 0.9) - 1


DESCRIBED = ("word_errors", "n_words", "failed")


def describe(errors: np.ndarray, n_words: np.ndarray, failed: np.ndarray) -> dict[str, float]:
    """Return what utterances look like.

    Args:
        errors: Word errors, (n_prompts, n_seeds).
        n_words: Words, of the same shape.
        failed: Whether the utterance has a failure of speech, of the same shape.

    Returns:
        Shares and standard deviations, 0 to 1 and more, by name.
    """
    shares = errors / n_words
    figures = {
        "WER": errors.sum() / n_words.sum(),
        "without error": (errors == 0).mean(),
        "half wrong or more": (shares >= 0.5).mean(),
        "deviation between prompts": shares.mean(axis=1).std(),
        "deviation inside a prompt": np.sqrt(shares.var(axis=1, ddof=1).mean()),
        "failed": failed.mean(),
    }
    return {name: round(float(figure), 3) for name, figure in figures.items()}


def describe_simulated(level: Level, n_prompts: int, n_seeds: int) -> dict[str, float]:
    """Return what the simulated utterances of a level look like."""
    generator = np.random.default_rng(0)
    words, categories = prompts(n_prompts)
    difficulty = difficulties(level, categories, N_SIMULATED, generator)
    errors = word_errors(level, difficulty, level.clause, words, n_seeds, generator)
    failed = named_failures(level, errors, words, generator)
    n_words = np.broadcast_to(words[:, None], errors.shape)
    return describe(*(x.reshape(-1, n_seeds) for x in (errors, n_words, failed)))


def fitted(card: Scorecard) -> dict[str, object]:
    """Return the content of benchmarks/gate_oc/starter.json: the level, and how the simulation with it compares."""
    level, real = fit(card), score_table(card.rows, ["category"])
    n_prompts, n_seeds = real.word_errors.shape
    return {
        "about": f"{n_prompts} prompts x {n_seeds} seeds, judges {card.judges.asr} and {card.judges.speaker}",
        "real": describe(*(getattr(real, name) for name in DESCRIBED)),
        "simulated": describe_simulated(level, n_prompts, n_seeds),
        "level": {name: value for name, value in vars(level).items() if name != "params"},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of a scorecard, and write them where that is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_oc_fit", description=__doc__.splitlines()[0])
    parser.add_argument("scorecard", type=Path, help="scorecard.json of a voice scored with several seeds")
    parser.add_argument("--write", action="store_true", help=f"write {FITTED.name}, which the simulation reads")
    options = parser.parse_args(arguments)
    text = json.dumps(fitted(load_scorecard(options.scorecard)), indent=1)
    print(text)
    if options.write:
        FITTED.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
