"""What a judge heard in the place of a name, as words and as phonemes.

Names have many spellings, so a judge that writes Jon for John has heard the right name. Both are compared as phonemes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz.distance import Levenshtein

from campaigns.pronunciation.prompts import Prompt
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import Lexicon
from gpt_sovits.text.symbols import PUNCTUATION
from metrics.normalize import error_unit, normalize_text

MAX_PHONEME_ERRORS = 0.25  # of the phonemes of a name: one of four or five may differ and it still sounds alike
STRESS = re.compile(r"\d$")


class Match(StrEnum):
    """How what was heard compares with a name."""

    WRITTEN = "written"  # the judge wrote the name
    SOUNDS_ALIKE = "sounds_alike"  # it wrote something with the same phonemes
    OTHER = "other"


@dataclass(frozen=True)
class Hearing:
    """What a judge heard in the place of a name.

    Attributes:
        heard: The words, normalised. Empty where it heard nothing there.
        match: How they compare with the name.
    """

    heard: str
    match: Match


def compare(name: str, heard: str, prompt: Prompt, language: str, lexicon: Lexicon | None) -> Hearing:
    """Return what was heard in the place of a name.

    Args:
        name: The name.
        heard: What a judge heard of the whole sentence.
        prompt: The sentence around the name.
        language: ISO 639 code.
        lexicon: Pronunciations with which the name was said.
    """
    parts = [_units(part, language) for part in (prompt.before, name, prompt.after)]
    units = replaced_part(parts, _units(heard, language))
    joined = (" " if error_unit(language) == "word" else "").join(units)
    if "".join(units) == "".join(parts[1]):
        return Hearing(joined, Match.WRITTEN)
    expected, actual = _phonemes(name, language, lexicon), _phonemes(joined, language, None)
    n_errors = Levenshtein.distance(expected, actual)
    is_alike = bool(expected) and n_errors <= MAX_PHONEME_ERRORS * len(expected)
    return Hearing(joined, Match.SOUNDS_ALIKE if is_alike else Match.OTHER)


def replaced_part(parts: Sequence[Sequence[str]], heard: Sequence[str]) -> list[str]:
    """Return the units that were heard where the middle one of three parts was said."""
    before, name, after = parts
    begin, end = len(before), len(before) + len(name)
    found: list[str] = []
    for step in Levenshtein.opcodes([*before, *name, *after], heard):
        # An insertion at the edges of the name belongs to it: the carrier's words are common and heard well
        is_insertion = step.src_start == step.src_end
        touches = begin <= step.src_start <= end if is_insertion else step.src_start < end and step.src_end > begin
        if not touches:
            continue
        if step.tag == "equal" or step.src_end - step.src_start == step.dest_end - step.dest_start:
            first, last = max(step.src_start, begin), min(step.src_end, end)
            found += heard[step.dest_start + first - step.src_start : step.dest_start + last - step.src_start]
        else:
            found += heard[step.dest_start : step.dest_end]
    return found


def _units(text: str, language: str) -> list[str]:
    normalized = normalize_text(text, language)
    return normalized.split() if error_unit(language) == "word" else list(normalized.replace(" ", ""))


def _phonemes(text: str, language: str, lexicon: Lexicon | None) -> list[str]:
    """Return the phonemes of a text without stress, tone and pauses. Nothing where it cannot be read."""
    try:
        symbols = phonemize(text, language, lexicon).symbols
    except ValueError:
        return []
    return [STRESS.sub("", symbol) for symbol in symbols if symbol not in PUNCTUATION]
