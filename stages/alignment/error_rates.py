"""How far the text of a clip is from what was heard. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.normalize import normalize_text, remove_unit_spaces
from metrics.wer import character_errors


def text_error_rate(text: str, spoken: Sequence[str], heard: str, language: str) -> float | None:
    """Return the character error rate of a text, as it is written or as it is spoken, whichever is closer.

    The recogniser may write "three and a half" for 3.5, so a right text may look wrong in one of them.

    Args:
        text: as written.
        spoken: the words that it is spoken as, or none where they are not known.
        heard: what the ASR heard, normalised.
        language: ISO 639 code.

    Returns:
        The rate, or None where the text has no words after normalisation.
    """
    forms = [normalize_text(form, language) for form in (text, " ".join(spoken))]
    if not forms[0]:
        return None
    compared = [remove_unit_spaces(form, language) for form in (*forms, heard)]
    return min(round(character_errors(form, compared[-1]).rate, 6) for form in dict.fromkeys(compared[:-1]) if form)
