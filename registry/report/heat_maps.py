"""Heat maps of the checkpoint pairs: GPT epochs down, SoVITS epochs across, one map a figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from metrics.scores import SMALLER_IS_BETTER, Pair
from registry.report.figures import FIGURES, is_known

PairRow = Mapping[str, float | None]
BASE = (0, 0)  # in place of epochs: the base models as they were before the voice was adapted
WORDS = {"": None, "True": 1.0, "False": 0.0}


def parse_pairs(text: str) -> list[dict[str, float | None]]:
    """The rows of a score folder's pairs.csv; an empty field could not be measured, True is 1."""
    return [
        {key: WORDS[value] if value in WORDS else float(value) for key, value in row.items()}
        for row in csv.DictReader(io.StringIO(text))
    ]


def heat_maps(pairs: Sequence[PairRow], chosen: Pair) -> list[dict]:
    """What the page shows of the pairs; a pair that was scored in several rounds counts with its last one.

    pairs: gpt_epoch, sovits_epoch, the pooled figures, and where there are rounds `rung` and `n_prompts`
    """
    last: dict[tuple[int, int], PairRow] = {}
    for row in sorted(pairs, key=lambda row: row.get("rung") or 0):
        if is_drawn_back(row):
            continue
        last[int(row["gpt_epoch"]), int(row["sovits_epoch"])] = row
    base = last.pop(BASE, {})
    counts = {key: int(row["n_prompts"]) for key, row in last.items() if is_known(row.get("n_prompts"))}
    notes = counts if len(set(counts.values())) > 1 else {}
    gpt_epochs, sovits_epochs = (sorted({key[side] for key in last}) for side in (0, 1))
    maps = []
    for name in FIGURES if last else ():
        values = {key: row[name] if is_known(row[name]) else None for key, row in last.items()}
        heats = _heats(values, SMALLER_IS_BETTER[name])

        def cell(key: tuple[int, int], values: dict = values, heats: dict = heats) -> dict:
            return {
                "there": key in values,
                "value": values.get(key),
                "heat": heats.get(key, 0.0),
                "n_prompts": notes.get(key),
                "chosen": key == (chosen.gpt_epoch, chosen.sovits_epoch),
            }

        title, technical, _ = FIGURES[name]
        rows = [{"gpt_epoch": gpt, "cells": [cell((gpt, sovits)) for sovits in sovits_epochs]} for gpt in gpt_epochs]
        maps.append(
            {
                "name": name,
                "title": title,
                "technical": technical,
                "sovits_epochs": sovits_epochs,
                "rows": rows,
                "base": base.get(name),
            }
        )
    return maps


def is_drawn_back(row: PairRow) -> bool:
    """Whether only a share of its SoVITS is adapted; the page names such rows apart from the maps."""
    return (row.get("interpolation_weight") or 1.0) < 1


def _heats(values: Mapping[tuple[int, int], float | None], smaller_is_better: bool) -> dict[tuple[int, int], float]:
    """From 0 for the best value to 1 for the worst; what could not be measured is the worst."""
    known = [value for value in values.values() if is_known(value)]
    span = max(known, default=0.0) - min(known, default=0.0)
    best = min(known, default=0.0) if smaller_is_better else max(known, default=0.0)
    return {
        key: (abs(value - best) / span if span else 0.0) if is_known(value) else 1.0 for key, value in values.items()
    }
