"""The pooled figures of a report: candidate, champion and the speaker's recordings side by side."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

from gpt_sovits.text.languages import LANGUAGES
from metrics.normalize import error_unit
from metrics.scores import SMALLER_IS_BETTER, Scorecard, UtteranceScore, mean_similarities, pooled

MAX_REASONS = 4  # shown of a lane that did not pass


class FigureText(NamedTuple):
    """How the page names and explains a figure."""

    title: str
    technical: str  # its short technical name
    meaning: str  # one line for a reader who is new to it, with {unit} for what errors are counted in


FIGURES = {
    "wer": FigureText(
        "Word error rate",
        "WER",
        "Wrong, missing and extra {unit}s that a speech recogniser heard, per {unit} of the text.",
    ),
    "cer": FigureText("Character error rate", "CER", "The same per character, so a nearly right word counts less."),
    "similarity": FigureText(
        "Speaker similarity",
        "cosine similarity",
        "How close the voice sounds to the speaker: 1 is the same voice, 0 is unrelated.",
    ),
    "failed_share": FigureText(
        "Failed utterances", "failed share", "Utterances with a failure of speech, such as a missing end."
    ),
}
FAILURES = {
    "empty": "Nothing was heard.",
    "cut_off": "The end of the sentence is missing.",
    "swallowed_clause": "Several words in a row are missing.",
    "repeated_clause": "Several words in a row are said twice.",
    "runaway": "Far longer than the text needs.",
    "leaked_prompt": "Words of the reference clip are in the speech.",
    "wrong_language": "Words in another language than the text.",
    "noise": "Noise where speech should be.",
}
UNKNOWN = "—"
SPEAKERS = ("voice", "champion", "real", "others")
# mean over utterances -> (title, meaning)
SIMILARITIES = {
    "similarity": ("Similarity to the reference clip", "Mean cosine similarity to the clip that the voice imitates."),
    "similarity_held_out": (
        "Similarity to held-out recordings",
        "Mean cosine similarity to recordings that training never saw.",
    ),
}
# column of an utterance -> (title, meaning, how its median is written)
SOUND = {
    "duration_ratio": ("Length", "Duration divided by what the text needs.", "{:.2f}×"),
    "silence_share": ("Pauses", "Share of the time without speech.", "{:.0%}"),
    "clipped_share": ("Clipping", "Share of samples at full scale.", "{:.2%}"),
    "pitch_range_semitones": (
        "Pitch range",
        "Semitones between the low and the high end. A small range sounds flat.",
        "{:.1f}",
    ),
    "mos": (
        "Predicted opinion score",
        "The mark that listeners would give according to a model, from 1 to 5. The gate does not use it.",
        "{:.2f}",
    ),
}


def key_figures(candidate: Scorecard, champion: Scorecard | None) -> list[dict]:
    """Return the pooled figures, with the length of each bar as a share of the figure's scale."""
    voice, real = candidate.figures(), pooled(candidate.held_out)
    champion_figures = champion.figures() if champion else {}
    figures = []
    for name, (title, technical, meaning) in FIGURES.items():
        values = {"voice": voice[name], "champion": champion_figures.get(name), "real": real[name]}
        known = [value for value in values.values() if is_known(value)]
        scale = max([1.0 if name == "similarity" else 0.05, *(1.1 * value for value in known)])
        figures.append(
            {
                "name": name,
                "title": title,
                "technical": technical,
                "meaning": meaning.format(unit=error_unit(candidate.language)),
                "better": "smaller" if SMALLER_IS_BETTER[name] else "larger",
                **values,
                "shares": {who: _share(value, scale) for who, value in values.items()},
                "note": _note_on_unmeasured(candidate.rows) if name == "similarity" else "",
            }
        )
    return figures


def failures(candidate: Scorecard, champion: Scorecard | None, numbers: dict[str, int]) -> list[dict]:
    """Return every failure that happened, the candidate's most frequent first.

    Args:
        candidate: The scores of the candidate.
        champion: Those of the champion, None without one.
        numbers: The number of each prompt id in the page's table, for links.
    """
    counts, champion_counts, recordings_counts = (
        _count_failures(rows) for rows in (candidate.rows, champion.rows if champion else (), candidate.held_out)
    )
    where: dict[str, set[int]] = {}
    for row in candidate.rows:
        for name in row.failures:
            where.setdefault(name, set()).add(numbers[row.prompt_id])
    return [
        {
            "name": name,
            "meaning": FAILURES.get(name, ""),
            "numbers": sorted(where.get(name, ())),
            "n": counts[name],
            "n_champion": champion_counts[name],
            "n_real": recordings_counts[name],
        }
        for name in sorted(
            counts.keys() | champion_counts.keys() | recordings_counts.keys(),
            key=lambda name: (-counts[name], name),
        )
    ]


def sound_figures(candidate: Scorecard, champion: Scorecard | None) -> list[dict]:
    """Return what a reader wants beside the verdict: similarities, and medians of length, pauses, level and pitch.

    Each entry has a title, what it means, and a value in words for the voice, the champion, the recordings and, where
    it makes sense, other speakers.
    """
    floor = candidate.similarity_floor
    row_sets = (candidate.rows, champion.rows if champion else (), candidate.held_out)
    table = []
    for name, (title, meaning) in SIMILARITIES.items():
        means = [getattr(mean_similarities(rows), name) for rows in row_sets]
        table.append(_sound_row(title, meaning, means, "{:.2f}", others=getattr(floor, name)))
    for name, (title, meaning, form) in SOUND.items():
        medians = [_known_median([getattr(row, name) for row in rows]) for rows in row_sets]
        table.append(_sound_row(title, meaning, medians, form))
    return [row for row in table if row["voice"] != UNKNOWN or row["real"] != UNKNOWN]


def _known_median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _sound_row(
    title: str, meaning: str, values: Sequence[float | None], form: str, others: float | None = None
) -> dict:
    words = [form.format(value) if is_known(value) else UNKNOWN for value in (*values, others)]
    return {"title": title, "meaning": meaning} | dict(zip(SPEAKERS, words, strict=True))


def categories(candidate: Scorecard, champion: Scorecard | None) -> list[dict]:
    """Return the pooled figures of each category of prompts, the candidate's worst word error rate first."""
    table = []
    for name in sorted({row.category for row in candidate.rows}):
        rows, champion_rows = (
            [row for row in card.rows if row.category == name] if card else [] for card in (candidate, champion)
        )
        table.append({"name": name, "n": len(rows), "figures": pooled(rows), "champion": pooled(champion_rows)})
    return sorted(table, key=lambda category: (-category["figures"]["wer"], category["name"]))


def languages(candidate: Scorecard, champion: Scorecard | None) -> list[dict]:
    """Return the pooled figures of each language, the voice's own first. Empty where it said no other language."""
    if not candidate.other_languages:
        return []
    table = []
    for part in (candidate, *candidate.other_languages):
        same = None
        if champion is not None:
            same = champion if part is candidate else champion.in_language(part.language)
        table.append(
            {
                "name": LANGUAGES.get(part.language, part.language),
                "unit": error_unit(part.language),
                "n": len(part.rows),
                "figures": pooled(part.rows),
                "champion": pooled(same.rows if same else ()),
            }
        )
    return table


def lanes(candidate: Scorecard, champion: Scorecard | None, decision: Any) -> list[dict]:
    """Return the pooled figures of each lane, batch first. Empty where the voice spoke in no other lane.

    Args:
        candidate: Scores of the candidate.
        champion: Scores of the champion, or None.
        decision: The gate's, None before the gate. It gives the outcome of each lane, and why it did not pass.
    """
    if not candidate.lanes:
        return []
    judged = {lane.name: lane for lane in decision.lanes} if decision else {}
    table = [("batch", candidate, champion, decision.outcome if decision else "", ())]
    for part in candidate.lanes:
        lane, same = judged.get(part.name), champion.in_lane(part.name) if champion else None
        reasons = lane.reasons[:MAX_REASONS] if lane and lane.outcome != "pass" else ()
        table.append((part.name, part, same, lane.outcome if lane else "", reasons))
    return [
        {
            "name": name,
            "n": len(part.rows),
            "figures": pooled(part.rows),
            "champion": pooled(same.rows if same else ()),
            "outcome": outcome,
            "reasons": [reason.text for reason in reasons],
        }
        for name, part, same, outcome, reasons in table
    ]


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share as percent."""
    return f"{100 * value:.{digits}f}%" if is_known(value) else "not measured"


def show_figure(value: float | None, name: str) -> str:
    """Write a figure as people read it: speaker similarity as a cosine, the others as percent."""
    show: Callable[[float], str] = "{:.2f}".format if name == "similarity" else percent
    return show(value) if is_known(value) else "not measured"


def is_known(value: float | None) -> bool:
    """Return whether a figure could be measured."""
    return value is not None and math.isfinite(value)


def _count_failures(rows: Sequence[UtteranceScore]) -> Counter[str]:
    return Counter(name for row in rows for name in row.failures)


def _note_on_unmeasured(rows: Sequence[UtteranceScore]) -> str:
    """Explain why the mean speaker similarity has no value. Empty where every row has one."""
    known = [row.similarity for row in rows if row.similarity is not None]
    n_unknown = len(rows) - len(known)
    if not n_unknown:
        return ""
    others = f"; the mean of the other {len(known)} is {math.fsum(known) / len(known):.2f}" if known else ""
    return f"It could not be measured in {n_unknown} of {len(rows)}, so there is no figure for all{others}."


def _share(value: float | None, scale: float) -> float:
    return min(1.0, max(0.0, value / scale)) if is_known(value) else 0.0
