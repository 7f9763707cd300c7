"""Which names of a campaign are said before it is: those first that no dictionary knows, then the most frequent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from campaigns.check.rows import Check
from campaigns.records import Recipient, Reject, RenderedRow
from campaigns.template.spoken import SpokenForms
from gpt_sovits.text.english.phonemes import dictionary

MAX_DISTINCT = 50_000  # names that are counted, of about 100 bytes each; later ones are left out
MAX_NAME_CHARACTERS = 60
MIN_LETTERS = 2
LATIN_WORD = re.compile(r"[A-Za-z']*[A-Za-z][A-Za-z']*")


@dataclass(frozen=True, kw_only=True)
class Name:
    """A name, or another word of a cell, that a campaign says.

    Attributes:
        text: As the template says it.
        language: ISO 639 code of the rows.
        variable: Column that it comes from, the first where several say it.
        n_rows: Accepted rows that say it.
        is_known: Whether a dictionary or a lexicon has its words, so that its phonemes are not a guess.
    """

    text: str
    language: str
    variable: str
    n_rows: int
    is_known: bool


def sample_names(check: Check, entries: Iterable[Recipient | Reject], *, most: int) -> list[Name]:
    """Return the names that are worth hearing. This checks the rows, so `check.report` counts them.

    Args:
        check: Of the campaign.
        entries: Its recipients.
        most: At most so many names.
    """
    counts: Counter[tuple[str, str]] = Counter()
    columns: dict[tuple[str, str], str] = {}
    say = {language: SpokenForms(language).name for language in check.speaker.languages}
    for entry in entries:
        outcome = next(check.rows([entry]))
        if not (isinstance(entry, Recipient) and isinstance(outcome, RenderedRow)):
            continue
        for variable in check.name_variables:
            value = entry.variables.get(variable)
            if value is None or len(value) > MAX_NAME_CHARACTERS or sum(map(str.isalpha, value)) < MIN_LETTERS:
                continue
            key = (outcome.language, say[outcome.language](value))
            if key in counts or len(counts) < MAX_DISTINCT:
                counts[key] += 1
                columns.setdefault(key, variable)
    known = {key: check.is_in_lexicons(key[1], key[0]) or _is_in_dictionary(key[1], key[0]) for key in counts}
    chosen = sorted(counts, key=lambda key: (known[key], -counts[key], key))[:most]
    return [
        Name(text=key[1], language=key[0], variable=columns[key], n_rows=counts[key], is_known=known[key])
        for key in chosen
    ]


def _is_in_dictionary(text: str, language: str) -> bool:
    """Return whether every Latin word of a name is in the English dictionary. Other scripts are read by rule."""
    words = LATIN_WORD.findall(text)
    return all(word.strip("'").lower() in dictionary() for word in words) if words or language == "en" else True
