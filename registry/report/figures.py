"""The pooled figures of a report: candidate, champion and the speaker's own recordings side by side."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median

from metrics.scores import SMALLER_IS_BETTER, Scorecard, UtteranceScore, mean_similarities, pooled

# figure -> (what a newcomer calls it, its technical name, what it means)
FIGURES = {
    "wer": ("Word mistakes", "WER", "Wrong, missing and extra words, for each word that was to be said."),
    "cer": ("Letter mistakes", "CER", "The same by letters: a word that is nearly right counts less."),
    "similarity": (
        "Likeness",
        "cosine similarity",
        "How close the voice is to the speaker's: 1 is the same, 0 unrelated.",
    ),
    "failed_share": ("Failed utterances", "failed share", "Utterances with at least one failure of speech."),
}
FAILURES = {
    "empty": "Nothing was heard.",
    "cut_off": "The end of the sentence is missing.",
    "swallowed_clause": "Several words in a row are missing.",
    "repeated_clause": "Several words in a row are said twice.",
    "runaway": "Far longer than the text needs.",
    "leaked_prompt": "Words of the reference clip are in the speech.",
    "wrong_language": "Words of another language than the text's.",
    "noise": "Noise where speech should be.",
}
UNKNOWN = "—"
SPEAKERS = ("voice", "champion", "real", "others")
# of utterances -> (title, meaning)
LIKENESS = {
    "similarity": ("Likeness to the reference", "Mean cosine to the clip that the voice speaks after."),
    "similarity_held_out": ("Likeness to unheard recordings", "Mean cosine to recordings that training never saw."),
}
# column of an utterance -> (title, meaning, how its median is written)
SOUND = {
    "duration_ratio": ("Length", "Against what the text needs.", "{:.2f}×"),
    "silence_share": ("Pauses", "Share of the time.", "{:.0%}"),
    "clipped_share": ("Clipping", "Share of samples at full scale.", "{:.2%}"),
    "pitch_range_semitones": ("Pitch range", "Semitones from the low to the high end: a small one is flat.", "{:.1f}"),
    "mos": ("Predicted opinion", "What a predictor says that listeners would give, from 1 to 5; not gated.", "{:.2f}"),
}


def key_figures(candidate: Scorecard, champion: Scorecard | None) -> list[dict]:
    """The pooled figures, with lengths of their bars as shares of one scale a figure."""
    voice, real = candidate.figures(), pooled(candidate.held_out)
    before = champion.figures() if champion else {}
    figures = []
    for name, (title, technical, meaning) in FIGURES.items():
        values = {"voice": voice[name], "champion": before.get(name), "real": real[name]}
        known = [value for value in values.values() if is_known(value)]
        scale = max([1.0 if name == "similarity" else 0.05, *(1.1 * value for value in known)])
        figures.append(
            {
                "name": name,
                "title": title,
                "technical": technical,
                "meaning": meaning,
                "better": "smaller" if SMALLER_IS_BETTER[name] else "larger",
                **values,
                "shares": {who: _share(value, scale) for who, value in values.items()},
                "note": _unmeasured(candidate.rows) if name == "similarity" else "",
            }
        )
    return figures


def failures(candidate: Scorecard, champion: Scorecard | None, numbers: dict[str, int]) -> list[dict]:
    """Every failure that happened, the candidate's most frequent first.

    numbers: prompt id -> its number in the page's table, for links
    """
    ours, theirs, real = (
        _count(rows) for rows in (candidate.rows, champion.rows if champion else (), candidate.held_out)
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
            "n": ours[name],
            "n_champion": theirs[name],
            "n_real": real[name],
        }
        for name in sorted(ours.keys() | theirs.keys() | real.keys(), key=lambda name: (-ours[name], name))
    ]


def sound_figures(candidate: Scorecard, champion: Scorecard | None) -> list[dict]:
    """What a reader wants beside the verdict: likeness with its floor, medians of length, pauses, level and pitch.

    Each entry has a title, what it means, and a value in words for the voice, the champion, the speaker and, where it
    makes sense, other speakers.
    """
    floor = candidate.similarity_floor
    found = []
    for name, (title, meaning) in LIKENESS.items():
        means = [mean_similarities(rows) for rows in _of_all(candidate, champion)]
        values = [getattr(mean, name) for mean in means]
        found.append(_sound_row(title, meaning, values, "{:.2f}", others=getattr(floor, name)))
    for name, (title, meaning, form) in SOUND.items():
        medians = [_known_median([getattr(row, name) for row in rows]) for rows in _of_all(candidate, champion)]
        found.append(_sound_row(title, meaning, medians, form))
    return [row for row in found if row["voice"] != UNKNOWN or row["real"] != UNKNOWN]


def _of_all(candidate: Scorecard, champion: Scorecard | None) -> list[Sequence[UtteranceScore]]:
    return [candidate.rows, champion.rows if champion else (), candidate.held_out]


def _known_median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _sound_row(
    title: str, meaning: str, values: Sequence[float | None], form: str, others: float | None = None
) -> dict:
    words = [form.format(value) if is_known(value) else UNKNOWN for value in (*values, others)]
    return {"title": title, "meaning": meaning} | dict(zip(SPEAKERS, words, strict=True))


def categories(candidate: Scorecard, champion: Scorecard | None) -> list[dict]:
    """Pooled figures of each kind of prompt, the candidate's worst WER first."""
    found = []
    for name in sorted({row.category for row in candidate.rows}):
        ours, theirs = (
            [row for row in card.rows if row.category == name] if card else [] for card in (candidate, champion)
        )
        found.append({"name": name, "n": len(ours), "figures": pooled(ours), "champion": pooled(theirs)})
    return sorted(found, key=lambda kind: (-kind["figures"]["wer"], kind["name"]))


def percent(value: float | None, digits: int = 1) -> str:
    """A share as percent."""
    return f"{100 * value:.{digits}f}%" if is_known(value) else "not measured"


def show_figure(value: float | None, name: str) -> str:
    """A figure in the form in which people read it: likeness as a cosine, the others as percent."""
    show: Callable[[float], str] = "{:.2f}".format if name == "similarity" else percent
    return show(value) if is_known(value) else "not measured"


def is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _count(rows: Sequence[UtteranceScore]) -> Counter[str]:
    return Counter(name for row in rows for name in row.failures)


def _unmeasured(rows: Sequence[UtteranceScore]) -> str:
    """Why the likeness of all has no value, and what that of the others is; empty where every row has one."""
    known = [row.similarity for row in rows if row.similarity is not None]
    n_unknown = len(rows) - len(known)
    if not n_unknown:
        return ""
    others = f"; the mean of the other {len(known)} is {math.fsum(known) / len(known):.2f}" if known else ""
    return f"Could not be measured in {n_unknown} of {len(rows)}, so there is no figure for all{others}."


def _share(value: float | None, scale: float) -> float:
    return min(1.0, max(0.0, value / scale)) if is_known(value) else 0.0
