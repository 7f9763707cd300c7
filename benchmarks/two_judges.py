"""Compare the ASR judge with the second one on the utterances of a scorecard, as Markdown.

    python -m benchmarks.two_judges data/6_scores/sample/scorecard.json
    python -m benchmarks.two_judges data/6_scores/sample/scorecard.json --audio --second pocketsphinx

Without --audio only those rows count that carry the errors of the second judge (`evaluate.second_asr` hears the first
seed of each prompt). With it, the second judge hears all audio beside the scorecard now.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from gpt_sovits.audio import load_audio, to_mono
from metrics.judges.asr import load_transcriber
from metrics.normalize import normalize_text
from metrics.scores import Scorecard, UtteranceScore, load_scorecard
from metrics.wer import word_errors
from stages.execution.parallel import worker_processes

N_SHOWN = 10
N_RESAMPLES = 2_000


class PromptErrors(NamedTuple):
    """The word errors of one prompt over its seeds.

    Attributes:
        prompt_id: id of the prompt.
        text: what should be said, normalised.
        n_words: words of all its utterances.
        first: errors that the scorecard's judge heard.
        second: errors that the second judge heard.
    """

    prompt_id: str
    text: str
    n_words: int
    first: int
    second: int

    @property
    def rates(self) -> tuple[float, float]:
        """Return both word error rates, 0 and more."""
        return self.first / self.n_words, self.second / self.n_words


def _heard_errors(row: UtteranceScore, folder: Path, judge: str) -> int:
    samples, sample_rate = load_audio(folder / row.audio)
    text = load_transcriber(judge).transcribe(to_mono(samples), sample_rate, row.language)
    return word_errors(row.reference, normalize_text(text, row.language)).errors


def errors_by_prompt(rows: Sequence[UtteranceScore], second: Sequence[int]) -> list[PromptErrors]:
    """Return the errors of each prompt.

    Args:
        rows: of a scorecard.
        second: word errors of the same rows under the second judge.
    """
    found: dict[str, PromptErrors] = {}
    for row, errors in zip(rows, second, strict=True):
        one = found.get(row.prompt_id, PromptErrors(row.prompt_id, row.reference, 0, 0, 0))
        found[row.prompt_id] = one._replace(
            n_words=one.n_words + row.n_words, first=one.first + row.word_errors, second=one.second + errors
        )
    return list(found.values())


def correlation(prompts: Sequence[PromptErrors], kind: str) -> tuple[float, float, float]:
    """Return a correlation of the two word error rates over prompts, and its 95 % interval by bootstrap over prompts.

    Args:
        prompts: the errors of each prompt, at least 3.
        kind: "Pearson" or "Spearman".

    Returns:
        (value, low, high), NaN where one judge has the same rate for all prompts.
    """
    first, second = np.array([one.rates for one in prompts]).T
    value = _coefficient(first, second, kind)
    if math.isnan(value):
        return (math.nan,) * 3
    generator = np.random.default_rng(0)
    draws = generator.integers(0, len(prompts), (N_RESAMPLES, len(prompts)))
    resampled = [_coefficient(first[draw], second[draw], kind) for draw in draws]
    low, high = np.nanpercentile(resampled, (2.5, 97.5))  # NaN: a draw of prompts that are all alike
    return value, float(low), float(high)


def _coefficient(first: np.ndarray, second: np.ndarray, kind: str) -> float:
    if kind == "Spearman":
        first, second = rankdata(first), rankdata(second)
    if first.std() == 0 or second.std() == 0:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def report(rows: Sequence[UtteranceScore], second: Sequence[int], names: tuple[str, str]) -> str:
    """Return both word error rates, their correlation over prompts and the prompts on which they differ most.

    Args:
        rows: of a scorecard.
        second: word errors of the same rows under the second judge.
        names: of the two judges.
    """
    prompts = errors_by_prompt(rows, second)
    n_words = sum(one.n_words for one in prompts)
    lines = [f"{len(rows)} utterances of {len(prompts)} prompts, {n_words} words.", "", "| judge | WER |", "|---|---|"]
    for name, index in zip(names, (3, 4), strict=True):
        lines.append(f"| {name} | {sum(one[index] for one in prompts) / n_words:.3f} |")
    lines += ["", "| correlation over prompts | value | 95 % interval |", "|---|---|---|"]
    for kind in ("Pearson", "Spearman"):
        value, low, high = correlation(prompts, kind)
        lines.append(f"| {kind} | {value:.2f} | {low:.2f} to {high:.2f} |")
    lines += ["", f"| prompt | text | {names[0]} | {names[1]} |", "|---|---|---|---|"]
    most = sorted(prompts, key=lambda one: (-abs(one.rates[0] - one.rates[1]), one.prompt_id))[:N_SHOWN]
    lines += [f"| {one.prompt_id} | {one.text} | {one.rates[0]:.2f} | {one.rates[1]:.2f} |" for one in most]
    return "\n".join(lines)


def _kept_errors(card: Scorecard) -> tuple[list[UtteranceScore], list[int], str]:
    """Return the rows that the second judge heard, the errors that it counted, and its name.

    Raises:
        ValueError: the scorecard has no second judge.
    """
    rows = [row for row in card.rows if row.second_word_errors is not None]
    if not rows:
        raise ValueError(
            "the scorecard has no errors of a second ASR judge; set evaluate.second_asr and run the evaluation again, "
            "or use --audio"
        )
    return rows, [row.second_word_errors for row in rows], card.second_judges.asr


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report on a scorecard."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.two_judges", description=__doc__.splitlines()[0])
    parser.add_argument("scorecard", type=Path, help="scorecard.json of a voice")
    parser.add_argument("--audio", action="store_true", help="let the second judge hear the audio now")
    parser.add_argument("--second", default="pocketsphinx", help="name of the second judge, for --audio")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes, for --audio")
    options = parser.parse_args(arguments)
    card, name = load_scorecard(options.scorecard), options.second
    rows = list(card.rows)
    try:
        if options.audio:
            hear = partial(_heard_errors, folder=options.scorecard.parent, judge=name)
            with worker_processes(options.jobs) as workers:
                errors = list(workers(hear, rows))
        else:
            rows, errors, name = _kept_errors(card)
    except ValueError as error:
        print(f"two_judges: {error}", file=sys.stderr)
        return 2
    print(report(rows, errors, (card.judges.asr, name)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
