"""The table of the people whom the base never heard, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MET_RANK = 8  # registry.gate.reasons.codes.Rank.MET: from here on, a reason does not explain a failure
PEOPLE_HEAD = """# People whom the base never heard

`python -m starter.people` made this table. Word error rates and similarities are of the first seed of each prompt:
before adaptation, after it, and in brackets those of the person's own held-out recordings. The texts of LibriSpeech's
recordings are Whisper's own, so its word error rate of them says nothing. A similarity is the cosine to the person's
training clips by ecapa_small, and the first figure is that of other speakers. Failed utterances are those of all seeds.

"""
COLUMNS = ("voice", "minutes", "WER by Whisper", "WER by pocketsphinx", "similarity", "failed", "verdict")
NONE = "-"


def _figure(value: float | None) -> str:
    return NONE if value is None or not np.isfinite(value) else f"{value:.3f}"


def _change(row: Mapping[str, Any], key: str) -> str:
    before, after, recordings = (_figure(row[part][key]) for part in ("before", "after", "recordings"))
    return f"{before} to {after} ({recordings})"


def _cells(row: Mapping[str, Any]) -> list[str]:
    if "refused" in row:
        return [row["name"], f"{row['minutes']:.1f}", *[NONE] * 4, "refused"]
    similarity = f"{_figure(row['others'])}, {_change(row, 'similarity')}"
    failed = f"{row['n_failed']} of {row['n_utterances']}"
    name = f"[{row['name']}]({row['page']})"
    verdict = f"[{row['outcome']}]({row['report']})"
    words = [_change(row, key) for key in ("wer", "wer_pocketsphinx")]
    return [name, f"{row['minutes']:.1f}", *words, similarity, failed, verdict]


def _mean_cells(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    parts = {
        part: {key: _mean([row[part][key] for row in rows]) for key in rows[0][part]}
        for part in ("before", "after", "recordings")
    }
    means = {**parts, "others": _mean([row["others"] for row in rows])}
    words = [_change(means, key) for key in ("wer", "wer_pocketsphinx")]
    failed = f"{sum(row['n_failed'] for row in rows)} of {sum(row['n_utterances'] for row in rows)}"
    passed = f"{sum(row['outcome'] == 'pass' for row in rows)} of {len(rows)} pass"
    return [
        f"mean of {len(rows)}",
        f"{_mean([row['minutes'] for row in rows]):.1f}",
        *words,
        f"{_figure(means['others'])}, {_change(means, 'similarity')}",
        failed,
        passed,
    ]


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def format_people(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table, with a mean, and below it why each voice did not pass.

    Args:
        rows: The results of people.measure.
    """
    measured = [row for row in rows if "refused" not in row]
    cells = [_cells(row) for row in rows] + ([_mean_cells(measured)] if len(measured) > 1 else [])
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in cells]
    reasons = [f"- {row['name']}: {'. '.join(row_reasons)}" for row in rows if (row_reasons := _reasons(row))]
    return "\n".join([*lines, *(["", *reasons] if reasons else [])])


def _reasons(row: Mapping[str, Any]) -> list[str]:
    if "refused" in row:
        return [f"the pipeline refused the recordings: {row['refused']}"]
    return [reason["text"] for reason in row["reasons"] if reason["rank"] < MET_RANK]
