"""Write the report of benchmarks.gate_oc: RESULTS.md and oc.svg."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.gate_oc_voices import FITTED

COLOURS = {"pass": "#2a7f3f", "inconclusive": "#b58900", "fail": "#b3261e"}


def write_report(results: dict[str, list[dict]], folder: Path) -> None:
    """Write RESULTS.md and oc.svg from the results of benchmarks.gate_oc.run_all."""
    (folder / "RESULTS.md").write_text(_markdown(results), encoding="utf-8")
    _plot(results, folder / "oc.svg")


def _markdown(results: dict[str, list[dict]]) -> str:
    cells = results["cells"]
    n_pairs = min(cell["n_pairs"] for cell in cells)
    parts = [
        _introduction(results, n_pairs),
        "## Outcomes",
        f"{OUTCOMES}\n\n{_kept_promises(cells)}",
        *(_outcome_table(cells, level) for level in dict.fromkeys(cell["level"] for cell in cells)),
        "## At the default number of prompts and seeds",
        _promises(cells, results["clauses"]),
        "## Do the intervals contain the true difference?",
        COVERAGE,
        _coverage_table(cells),
        "## Is the advice worth following?",
        ADVICE,
        _table(
            ("voice", "truth", "added", "inconclusive", "advised", "median advice", "decided after it", "pass in all"),
            [
                (
                    one["level"],
                    one["truth"],
                    one["by"],
                    one["n_inconclusive"],
                    one["n_advised"],
                    f"{one['median']:.0f} {one['by']}",
                    _percent(one["decided"]),
                    _percent(one["passed"]),
                )
                for one in results["advice"]
            ],
        ),
        "## Fewer resamples than the policy's",
        "The same pairs (100 prompts x 3 seeds) with the resamples of the simulation and with those of the policies.",
        _table(
            ("voice", "truth", "resamples", "pass", "inconclusive", "fail"),
            [(one["level"], one["truth"], one["n_resamples"], *_shares(one)) for one in results["resamples"]],
        ),
    ]
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """# How often the gate is right

`python -m benchmarks.gate_oc`: {n_pairs:,} simulated pairs per row, through the code that the gate itself runs, under
the policies of params.yaml (*starter*) and params.official.yaml (*official*) with every rule: thresholds, also those
relative to recordings and those on slices, regressed prompts, and non-inferiority with Holm's correction. Rows of 30
prompts leave out `min_prompts`.

- **starter** is fitted to the sample voice adapted from the starter base ({about};
  `python -m benchmarks.gate_oc_fit SCORECARD` gives the figures again). As measured: {real}. As simulated: {simulated}.
- **official** is assumed, because no official weights were available: WER 0.02, four utterances in five without an
  error, and one in 200 loses a clause.
- Both voices of a pair share the prompts and their difficulty, and nothing else. Prompts are drawn anew for each pair,
  so that no set of prompts is lucky. Champions that miss the thresholds themselves are left out, because they would
  never have become champions.
- *WER worse by the margin*: every chance of an error is raised until the true difference is the margin at the
  champion's true WER: {margins}.

![operating characteristic](oc.svg)"""
OUTCOMES = """\
The promise: of the identical candidates at least 90 % pass and at most 1 % fail. Of those worse by exactly the margin
at most 5 % pass. **Bold** is what misses it.

With few prompts, equal candidates are too often inconclusive, as the power in the verdict tells beforehand. Where the
champion's figure is close to a threshold, few prompts of varying difficulty cross it by chance. One seed cannot tell a
regressed prompt from a bad draw, and a voice with many errors is bound to have one: inconclusive."""
COVERAGE = """\
Each end of an interval is a one-sided bound at 95 %, so it should contain the true difference at least that often. The
table has the least and the mean of the rows above. The bounds are cautious by design (`CAUTION` in
registry/gate/noninferiority.py): where errors come in rare bursts, plain ones let too much through."""
ADVICE = """\
Pairs of 60 prompts x 3 seeds that were inconclusive went through the gate again, with as many more prompts (of the same
sort) or seeds as the verdict advised. Only advice of at most twice what there was is counted. *Pass in all*: at the
first look or at the second, of all pairs. A second look must not let through what is worse by the margin."""


def _introduction(results: dict[str, list[dict]], n_pairs: int) -> str:
    fitted = json.loads(FITTED.read_text(encoding="utf-8"))
    described = {
        side: ", ".join(f"{name} {figure:g}" for name, figure in fitted[side].items()) for side in ("real", "simulated")
    }
    margins = ", ".join(f"{level} {margin:.3f}" for level, margin in _margins(results).items())
    return INTRODUCTION.format(n_pairs=n_pairs, about=fitted["about"], **described, margins=margins)


def _margins(results: dict[str, list[dict]]) -> dict[str, float]:
    return {one["level"]: one["margin"] for one in results["curve"]}


def _kept_promises(cells: Sequence[dict]) -> str:
    """Say in how many rows of how many prompts x seeds the promise is broken."""
    broken = [cell for cell in cells if any("**" in share for share in _marked_shares(cell))]
    too_lenient = [cell for cell in broken if cell["truth"] != "identical"]
    large = [cell for cell in broken if cell["n_prompts"] >= 100 and cell["n_seeds"] >= 3]
    n_large = sum(cell["n_prompts"] >= 100 and cell["n_seeds"] >= 3 for cell in cells)
    return (
        f"{len(broken)} of {len(cells)} rows miss it. {len(too_lenient)} of these let too much through. Of the "
        f"{n_large} rows with 100 prompts x 3 seeds or more, {len(large)} miss it."
    )


def _outcome_table(cells: Sequence[dict], level: str) -> str:
    own = [cell for cell in cells if cell["level"] == level]
    rows = [
        (cell["truth"], cell["n_prompts"], cell["n_seeds"], *_marked_shares(cell), f"{cell['power']:.2f}")
        for cell in own
    ]
    titles = ("truth", "prompts", "seeds", "pass", "inconclusive", "fail", "power")
    return f"### {level}\n\n{_table(titles, rows)}"


def _marked_shares(cell: dict) -> tuple[str, ...]:
    """Return the shares of the outcomes, in bold what misses the promise."""
    shares, shown = cell["shares"], list(_shares(cell))
    if cell["truth"] == "identical":
        missed = (shares["pass"] < 0.9, False, shares["fail"] > 0.01)
    else:
        missed = (shares["pass"] > 0.05, False, False)
    return tuple(f"**{text}**" if bad else text for text, bad in zip(shown, missed, strict=True))


def _promises(cells: Sequence[dict], clauses: Sequence[dict]) -> str:
    default = [cell for cell in cells if (cell["n_prompts"], cell["n_seeds"]) == (100, 3)]
    rows = [(cell["level"], cell["truth"], *_marked_shares(cell)) for cell in (*default, *clauses)]
    return (
        "100 prompts x 3 seeds, and candidates whose whole loss is in swallowed clauses, the hardest to see.\n\n"
        + _table(("voice", "truth", "pass", "inconclusive", "fail"), rows)
    )


def _coverage_table(cells: Sequence[dict]) -> str:
    rows = []
    for level in dict.fromkeys(cell["level"] for cell in cells):
        for n_seeds in dict.fromkeys(cell["n_seeds"] for cell in cells):
            for n_prompts in dict.fromkeys(cell["n_prompts"] for cell in cells):
                size = (level, n_prompts, n_seeds)
                own = [c for c in cells if (c["level"], c["n_prompts"], c["n_seeds"]) == size]
                found = {name: [cell["coverage"][name] for cell in own] for name in own[0]["coverage"]}
                rows.append((*size, *(f"{min(v):.3f}, {sum(v) / len(v):.3f}" for v in found.values())))
    return _table(("voice", "prompts", "seeds", *cells[0]["coverage"]), rows)


def _shares(cell: dict) -> tuple[str, ...]:
    return tuple(_percent(cell["shares"][outcome]) for outcome in COLOURS)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _plot(results: dict[str, list[dict]], path: Path) -> None:
    """Plot the outcomes over the true loss (above), and the passes by prompts and seeds (below)."""
    levels = list(dict.fromkeys(cell["level"] for cell in results["cells"]))
    figure, axes = plt.subplots(2, len(levels), figsize=(10, 7), layout="constrained", squeeze=False)
    for column, level in enumerate(levels):
        curve, above = [one for one in results["curve"] if one["level"] == level], axes[0][column]
        for outcome, colour in COLOURS.items():
            shares = [100 * one["shares"][outcome] for one in curve]
            above.plot([one["loss"] for one in curve], shares, "o-", color=colour, label=outcome)
        above.axvline(1, color="grey", linewidth=0.8)
        above.axhline(5, color="grey", linewidth=0.8, linestyle=":")
        above.set_title(f"{level}: 100 prompts x 3 seeds, margin {curve[0]['margin']:.3f}")
        above.set_xlabel("true loss of WER, in margins")
        above.set_ylabel("% of the candidates")
        above.legend()
        below = axes[1][column]
        for truth, style in (("identical", "o-"), ("WER worse by the margin", "s--")):
            for n_seeds, colour in zip((1, 3, 5), ("#9ecae1", "#4292c6", "#08519c"), strict=True):
                own = [
                    one
                    for one in results["cells"]
                    if (one["level"], one["truth"], one["n_seeds"]) == (level, truth, n_seeds)
                ]
                shares = [100 * one["shares"]["pass"] for one in own]
                label = f"{truth}, {n_seeds} seed{'s' if n_seeds > 1 else ''}"
                below.plot([one["n_prompts"] for one in own], shares, style, color=colour, label=label)
        below.axhline(90, color="grey", linewidth=0.8, linestyle=":")
        below.axhline(5, color="grey", linewidth=0.8, linestyle=":")
        below.set_xlabel("prompts")
        below.set_ylabel("% that pass")
        below.legend(fontsize="x-small")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
