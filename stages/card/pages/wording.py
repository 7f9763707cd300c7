"""The sentences of the card that its page, its Markdown and the terminal share."""

from __future__ import annotations

import re

from gpt_sovits.text.languages import LANGUAGES
from stages.card.advice.curves import Forecast
from stages.card.card import DataCard

NO_CURVES = "No curve has been measured, so this card does not say what more minutes would bring."
COMMAND = re.compile(r"`(vox [^`]+)`")


def with_commands(text: str) -> list[tuple[str, bool]]:
    """Return the pieces of a sentence, and whether each is a command to type."""
    return [(piece, number % 2 == 1) for number, piece in enumerate(COMMAND.split(text)) if piece]


def headline(card: DataCard) -> str:
    """Return the most important fact in one sentence."""
    recorded, kept = card.minutes() * 60, card.minutes("kept") * 60
    name = f"the voice “{card.tables.voice}”"
    if card.tables.aligned is None:
        return f"{length(recorded).capitalize()} recorded for {name}, and it is not known yet what can be used"
    if not kept:
        return f"None of the {length(recorded)} recorded for {name} can be used"
    return f"{length(kept)} of the {length(recorded)} recorded for {name} can be used"


def summary_sentence(card: DataCard) -> str:
    """Return what there is in one or two sentences."""
    tables = card.tables
    language = LANGUAGES.get(tables.language, tables.language)
    n_files = len(tables.recordings)
    text = f"{n_files} recording{'' if n_files == 1 else 's'} in {language}"
    if tables.clips is not None:
        text += f", cut into {len(tables.clips)} clip{'' if len(tables.clips) == 1 else 's'}"
    if tables.aligned is not None:
        n_training, minutes = len(tables.training), length(card.training_minutes * 60)
        text += (
            f". {len(tables.kept)} were kept: {n_training} to train on ({minutes}), "
            f"{len(tables.kept) - n_training} held out to measure with"
        )
    return text + "."


def length(seconds: float) -> str:
    """Write a length as people say it: 42 s, 5.8 minutes, 2.1 hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def forecast_sentence(forecast: Forecast) -> str:
    """Return what doubling the minutes brought a measured voice, or why that is not known, with every caveat."""
    who = f"“{forecast.voice}” ({'a speech synthesiser' if forecast.speaker == 'synthetic' else 'a person'})"
    first, last = forecast.measured
    text = ""
    if not forecast.is_ahead:
        text = (
            f"What twice as many minutes would bring is not known: {who} was measured with {first:g} to {last:g} "
            f"minutes, and twice those of this voice are {2 * forecast.minutes:.1f}. "
        )
    if forecast.doubling and forecast.wer and forecast.similarity:
        (before, after), wers, similarities = forecast.doubling, forecast.wer, forecast.similarity
        text += (
            f"From {before:.1f} to {after:.1f} minutes, the word error rate of {who} went from {wers[0]:.0%} to "
            f"{wers[1]:.0%} ({_certainty(forecast.wer_is_clear)}), its similarity to the recordings from "
            f"{similarities[0]:.2f} to {similarities[1]:.2f} ({_certainty(forecast.similarity_is_clear)}). "
        )
    return (text + (f"Beware: {'; '.join(forecast.caveats)}." if forecast.caveats else "")).strip()


def _certainty(is_clear: bool) -> str:
    return "more than the uncertainty" if is_clear else "within the uncertainty"
