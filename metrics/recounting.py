"""Whether the numbers of a scorecard follow from its own texts, so that nobody needs to believe them.

A scorecard holds what should be said, what was heard, and the errors between the two. The first two prove the third,
and they show most failures of speech.
What they do not prove is that the judge heard that text in that audio: `vox rescore` shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metrics.failures import implied_failures
from metrics.normalize import normalize_text, normalizer_of, remove_unit_spaces
from metrics.prompts import PromptSet
from metrics.scores import Scorecard, UtteranceScore
from metrics.wer import character_errors, word_errors

MAX_ROWS = 5  # named in one fault


def find_miscounts(card: Scorecard) -> list[str]:
    """Return the rows whose errors or failures do not follow from their texts, in words. Empty where all do."""
    rows = (*card.prompt_rows, *card.held_out, *card.resynthesis)
    wrong = [f"{_name(row)} ({fault})" for row in rows if (fault := _miscount(row))]
    return [f"{_list(wrong)} do not follow from the texts"] if wrong else []


def find_other_texts(card: Scorecard, prompt_sets: Iterable[PromptSet]) -> list[str]:
    """Return what was scored against another text than the locked prompts give, in words. Empty where nothing was.

    Args:
        card: The scores.
        prompt_sets: The locked prompts in each of its languages.
    """
    by_language = {prompts.language: prompts for prompts in prompt_sets}
    faults = []
    for part, normalizer, version in (
        (card, card.judges.normalizer, card.judges.normalizer_version),
        *((other, other.normalizer, other.normalizer_version) for other in card.other_languages),
    ):
        prompts = by_language.get(part.language)
        if prompts is None:
            continue
        known = normalizer_of(part.language)
        if (normalizer, version) != (known.name, known.version):
            faults.append(
                f"the texts in {part.language} were normalised by {normalizer} {version}, and this installation has "
                f"{known.name} {known.version}; score them again"
            )
            continue
        faults += _other_texts(part.rows, prompts)
        if part is card:
            in_own_language = (*card.presets, *card.lanes)
            faults += [fault for each in in_own_language for fault in _other_texts(each.rows, prompts)]
    return faults


def _other_texts(rows: Sequence[UtteranceScore], prompts: PromptSet) -> list[str]:
    language = prompts.language
    expected = {prompt.id: (prompt.category, normalize_text(prompt.normalized, language)) for prompt in prompts.prompts}
    wrong = [_name(row) for row in rows if expected.get(row.prompt_id) != (row.category, row.reference)]
    return [f"{_list(wrong)} in {language} have another text or category than the locked prompt"] if wrong else []


def _miscount(row: UtteranceScore) -> str:
    """Return what is wrong with the counts of a row, or an empty text."""
    words = word_errors(row.reference, row.hypothesis)
    characters = character_errors(*(remove_unit_spaces(text, row.language) for text in (row.reference, row.hypothesis)))
    counts = {
        "word_errors": (row.word_errors, words.errors),
        "n_words": (row.n_words, words.n_reference),
        "char_errors": (row.char_errors, characters.errors),
        "n_chars": (row.n_chars, characters.n_reference),
    }
    if row.second_word_errors is not None or row.second_hypothesis is not None:
        heard = row.second_hypothesis
        right = None if heard is None else word_errors(row.reference, heard).errors
        counts["second_word_errors"] = (row.second_word_errors, right)
    faults = [f"{name} {seen}, not {right}" for name, (seen, right) in counts.items() if seen != right]
    if not faults and (missing := _hidden_failures(row)):
        faults.append(f"no {' and no '.join(missing)} among its failures")
    return ", ".join(faults)


def _hidden_failures(row: UtteranceScore) -> list[str]:
    """Return the failures that the texts and the length show and the row does not name."""
    if "empty" in row.failures:  # nobody was heard, so nothing else was looked for
        return []
    implied = implied_failures(row.reference, row.hypothesis, row.duration_ratio, language=row.language)
    named = {*row.failures, *(["repeated_clause"] if "leaked_prompt" in row.failures else [])}
    return [name for name in implied if name not in named]


def _name(row: UtteranceScore) -> str:
    return f"{row.prompt_id} seed {row.seed}"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_ROWS])
    return shown if len(names) <= MAX_ROWS else f"{shown} and {len(names) - MAX_ROWS} more"
