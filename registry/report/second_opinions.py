"""The second opinions of a report: what other judges than the gate's make of the same speech."""

from __future__ import annotations

from typing import Any

from metrics.scores import Scorecard
from metrics.second_opinions import MAX_DISAGREEMENT, disagreement, second_opinion
from registry.report.figures import is_known, percent, show_figure


def second_opinions(card: Scorecard, numbers: dict[str, int]) -> dict[str, Any] | None:
    """Return what the page shows of the second opinions, None where there are none and nothing was left out.

    Args:
        card: The scores of the candidate.
        numbers: The number of each prompt id in the page's table, for links.

    Returns:
        A table with the figures of both judges on the same speech, the note of the judges, and a warning where the two
        ASR judges disagree.
    """
    judges = card.second_judges
    if not judges.asr and not judges.speaker:
        return None
    prompts, real = second_opinion(card.rows), second_opinion(card.held_out)
    found = disagreement(card.rows, card.held_out)
    table = [
        _row("Word error rate", "wer", (card.judges.asr, judges.asr), (prompts, real)),
        _row("Similarity to held-out recordings", "similarity", (card.judges.speaker, judges.speaker), (prompts, real)),
    ]
    return {
        "judges": judges,
        "n": prompts.n,
        "table": [row for row in table if row is not None],
        "warning": found.is_too_large,
        "excess": f"{100 * abs(found.excess):.0f}" if is_known(found.excess) else "",
        "limit": percent(MAX_DISAGREEMENT, 0),
        "doubter": judges.asr if found.excess > 0 else card.judges.asr,
        "numbers": [numbers[name] for name in found.prompt_ids],
    }


def _row(title: str, name: str, judges: tuple[str, str], opinions: tuple[Any, Any]) -> dict[str, Any] | None:
    """Return the figures of the first and the second judge on prompts and recordings, None without a second judge."""
    if not judges[1]:
        return None
    cells = [
        (show_figure(getattr(one, name), name), show_figure(getattr(one, f"second_{name}"), name)) for one in opinions
    ]
    return {"title": title, "judges": judges, "cells": cells}
