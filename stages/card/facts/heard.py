"""What the recogniser heard beside a clip's text, word by word, without differences of spelling alone.

The normaliser of the scores would do for English too, but its import takes longer than all the rest of the card.
"""

from __future__ import annotations

import re

from gpt_sovits.text.english.normalization import spoken_form
from gpt_sovits.text.english.phonemes import pronounce
from metrics.normalize import normalize_text
from registry.report.comparison import Word, compare_words
from stages.tables import AlignedClip

ENGLISH_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


def heard_words(clip: AlignedClip) -> list[Word]:
    """Return the words of a clip's text beside those that were heard. Empty where both are the same."""
    if not clip.asr_text or not clip.text.strip():
        return []
    if clip.language == "en":
        written, heard = (ENGLISH_WORD.findall(spoken_form(text).lower()) for text in (clip.text, clip.asr_text))
        sounds = {_sound(word): word for word in written}
        heard = [sounds.get(_sound(word), word) for word in heard]  # neighbors as neighbours
    else:
        written, heard = normalize_text(clip.text, clip.language).split(), clip.asr_text.split()
    if not written or written == heard:
        return []
    return compare_words(" ".join(written), " ".join(heard))


def _sound(word: str) -> tuple[str, ...]:
    return tuple(phone.rstrip("012") for phone in pronounce(word))
