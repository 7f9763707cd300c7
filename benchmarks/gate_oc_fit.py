"""Compute from a real scorecard the figures that make a level of the simulation.

python -m benchmarks.gate_oc_fit SCORECARD.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.gate_oc_voices import LEVELS, Truth, simulate
from metrics.scores import load_scorecard, pooled
from registry.gate.tables import score_table


def fit(path: Path) -> str:
    """Return the figures of a real scorecard with several seeds, and how the simulation with them compares."""
    card = load_scorecard(path)
    real = score_table(card.rows, ["category"])
    errors, n_words, categories = real.word_errors, real.n_words, real.labels["category"]
    shares, n_seeds = errors / n_words, errors.shape[1]
    spread = between = 0.0
    for category in sorted(set(categories)):
        of_category = shares[categories == category]
        mean = of_category.mean()
        between += max(0.0, of_category.mean(axis=1).var(ddof=1) - of_category.var(axis=1, ddof=1).mean() / n_seeds)
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
        pairs = simulate(
            level,
            Truth("identical"),
            n_prompts=len(errors),
            n_seeds=n_seeds,
            n_pairs=200,
            generator=np.random.default_rng(0),
        )
        found = [candidate for candidate, _ in pairs]
        simulated = [np.concatenate([getattr(one, name) for one in found]) for name in DESCRIBED]
        lines.append(f"simulated, {level}: " + describe(*simulated))
    return "\n".join(lines)


DESCRIBED = ("word_errors", "n_words", "failed")


def describe(errors: np.ndarray, n_words: np.ndarray, failed: np.ndarray) -> str:
    """Return in words what utterances look like.

    Args:
        errors: Word errors, (n_prompts, n_seeds).
        n_words: Words, of the same shape.
        failed: Whether the utterance has a failure of speech, of the same shape.
    """
    shares = errors / n_words
    return (
        f"WER {errors.sum() / n_words.sum():.3f}, without error {(errors == 0).mean():.3f}, half wrong or more "
        f"{(shares >= 0.5).mean():.3f}, deviation between prompts {shares.mean(axis=1).std():.3f}, inside a prompt "
        f"{np.sqrt(shares.var(axis=1, ddof=1).mean()):.3f}, failed {failed.mean():.3f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of a scorecard."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_oc_fit", description=__doc__.splitlines()[0])
    parser.add_argument("scorecard", type=Path, help="scorecard.json of a voice scored with several seeds")
    print(fit(parser.parse_args(arguments).scorecard))
    return 0


if __name__ == "__main__":
    sys.exit(main())
