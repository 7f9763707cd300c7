"""Heat maps of the checkpoint pairs: GPT epochs down, SoVITS epochs across, one map per figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from metrics.scores import SMALLER_IS_BETTER, Pair
from registry.report.figures import FIGURES, is_known

PairRow = Mapping[str, float | None]
Key = tuple[int, int]  # GPT epoch, SoVITS epoch
BASE = (0, 0)  # in place of epochs: the base models as they were before the voice was adapted
CELL_WORDS = {"": None, "True": 1.0, "False": 0.0}  # what a field of pairs.csv says apart from numbers


def parse_pairs(text: str) -> list[dict[str, float | None]]:
    """Return the rows of a score folder's pairs.csv. An empty field is None, True is 1 and False is 0."""
    return [
        {key: CELL_WORDS[value] if value in CELL_WORDS else float(value) for key, value in row.items()}
        for row in csv.DictReader(io.StringIO(text))
    ]


def heat_maps(pairs: Sequence[PairRow], chosen: Pair) -> list[dict]:
    """Return one map per figure. A pair that was scored in several rounds counts with its last one.

    Args:
        pairs: Rows with gpt_epoch, sovits_epoch, the pooled figures, and where there are rounds `rung` and `n_prompts`.
        chosen: The pair that was chosen.
    """
    last_rounds: dict[Key, PairRow] = {}
    for row in sorted(pairs, key=lambda row: row.get("rung") or 0):
        if not is_interpolated(row):
            last_rounds[int(row["gpt_epoch"]), int(row["sovits_epoch"])] = row
    base = last_rounds.pop(BASE, {})
    counts = {key: int(row["n_prompts"]) for key, row in last_rounds.items() if is_known(row.get("n_prompts"))}
    shown_counts = counts if len(set(counts.values())) > 1 else {}
    return [
        _map(name, last_rounds, base.get(name), shown_counts, (chosen.gpt_epoch, chosen.sovits_epoch))
        for name in (FIGURES if last_rounds else ())
    ]


def is_interpolated(row: PairRow) -> bool:
    """Return whether the pair's SoVITS lies between base and adapted model. The maps leave such rows out."""
    return (row.get("interpolation_weight") or 1.0) < 1


def _map(name: str, rows: Mapping[Key, PairRow], base: float | None, counts: Mapping[Key, int], chosen: Key) -> dict:
    """Return the heat map of one figure. `counts` are the numbers of prompts to show in the cells."""
    values = {key: row[name] if is_known(row[name]) else None for key, row in rows.items()}
    heats = _heats(values, SMALLER_IS_BETTER[name])
    gpt_epochs, sovits_epochs = (sorted({key[side] for key in rows}) for side in (0, 1))

    def cell(key: Key) -> dict:
        return {
            "there": key in values,
            "value": values.get(key),
            "heat": heats.get(key, 0.0),
            "n_prompts": counts.get(key),
            "chosen": key == chosen,
        }

    return {
        "name": name,
        "title": FIGURES[name].title,
        "technical": FIGURES[name].technical,
        "sovits_epochs": sovits_epochs,
        "rows": [{"gpt_epoch": gpt, "cells": [cell((gpt, sovits)) for sovits in sovits_epochs]} for gpt in gpt_epochs],
        "base": base,
    }


def _heats(values: Mapping[Key, float | None], smaller_is_better: bool) -> dict[Key, float]:
    """Return 0 for the best value and 1 for the worst. A value that could not be measured counts as the worst."""
    known = [value for value in values.values() if is_known(value)]
    span = max(known, default=0.0) - min(known, default=0.0)
    best = min(known, default=0.0) if smaller_is_better else max(known, default=0.0)
    return {
        key: (abs(value - best) / span if span else 0.0) if is_known(value) else 1.0 for key, value in values.items()
    }
