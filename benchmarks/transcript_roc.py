"""How the character error rate and the doubt of align separate right transcripts from wrong ones: tables and a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.clip_results import ClipResult
from metrics.wer import character_errors

CER_LEVELS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
DOUBT_LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0)


def cer_of_texts(results: Sequence[ClipResult]) -> dict[str, np.ndarray]:
    """Return the character error rates of texts against what is heard, by the kind of text.

    Args:
        results: clips of one speaker, of which those without a planted fault are used.
    """
    clean = [one for one in results if one.fault == "none" and one.true_text]
    rates: dict[str, list[float]] = {
        "right": [],
        "first quarter missing": [],
        "half of the next clip's": [],
        "the next clip's": [],
    }
    for one, following in zip(clean, [*clean[1:], *clean[:1]], strict=True):
        words, others = one.true_text.split(), following.true_text.split()
        texts = {
            "right": words,
            "first quarter missing": words[len(words) // 4 :],
            "half of the next clip's": words[: len(words) // 2] + others[len(others) // 2 :],
            "the next clip's": others,
        }
        for kind, text in texts.items():
            rates[kind].append(character_errors(" ".join(text), one.row.asr_text).rate)
    return {kind: np.array(values) for kind, values in rates.items()}


def cer_table(results: Sequence[ClipResult]) -> str:
    """Return a Markdown table: the share of the texts of each kind that a level of max_cer rejects."""
    return _table("max_cer", CER_LEVELS, cer_of_texts(results))


def doubts(results: Sequence[ClipResult]) -> dict[str, np.ndarray]:
    """Return the largest doubt of each clip, by what is wrong with its text. Without a disagreement it is 0."""
    kept = [one for one in results if one.doubts is not None]
    kinds: dict[str, Callable[[ClipResult], bool]] = {
        "right": lambda one: one.n_wrong == 0,
        "1 wrong word": lambda one: one.n_wrong == 1,
        "2 or more wrong words": lambda one: one.n_wrong >= 2,
    }
    return {
        kind: np.array([max(one.doubts or (), default=0.0) for one in kept if belongs(one)])
        for kind, belongs in kinds.items()
    }


def doubt_table(results: Sequence[ClipResult]) -> str:
    """Return a Markdown table: the share of the clips that a level of min_doubt reports."""
    return _table("min_doubt", DOUBT_LEVELS, doubts(results))


def _table(title: str, levels: Sequence[float], values: dict[str, np.ndarray]) -> str:
    names = [f"{kind} ({len(value)})" for kind, value in values.items()]
    lines = [f"| {title} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for level in levels:
        shares = [f"{np.mean(value > level):.1%}" if len(value) else "-" for value in values.values()]
        lines.append(f"| {level:g} | {' | '.join(shares)} |")
    return "\n".join(lines) + "\n"


def write_roc(path: Path, results: Sequence[ClipResult]) -> None:
    """Write an SVG with two ROC curves: wrong texts found by CER, and clips with wrong words found by doubt."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "transcript_roc"  # the same bytes on every run
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4), sharey=True)
    for axis, title, values in zip(
        axes, ("character error rate", "doubt"), (cer_of_texts(results), doubts(results)), strict=True
    ):
        right = values["right"]
        for kind, wrong in values.items():
            if kind == "right" or not len(wrong) or not len(right):
                continue
            levels = np.unique(np.concatenate([right, wrong, [-1.0]]))
            axis.plot([np.mean(right > one) for one in levels], [np.mean(wrong > one) for one in levels], label=kind)
        axis.set(title=title, xlabel="right texts above the level", xlim=(-0.02, 0.5), ylim=(0, 1.02))
        axis.legend(loc="lower right", fontsize=8)
    axes[0].set_ylabel("wrong texts above the level")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
