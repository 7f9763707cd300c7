"""A text as pieces to speak, and how long the speaker would take for it. This module imports no torch.

A server prices a text with it before any process with the models is asked.
"""

from __future__ import annotations

import re

from gpt_sovits.pausing import pause_point
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.text.frontend import Phonemes, phonemize, split_sentences
from gpt_sovits.text.lexicon import Lexicon
from gpt_sovits.text.sentences import width

CLOSING = " \"'”’)]」』】》）"  # may follow the last punctuation mark
LOOSE = " ,;:，、；：—"  # marks that join clauses
CLAUSE_END = re.compile(r"(?<=[,;:—])(?=\s)|(?<=[，、；：])")  # not the comma of 10,000
# Phonemes of each front end that readers say in a second, see docs/languages.md
PHONEMES_PER_SECOND = {"en": 11.1, "zh": 7.6, "yue": 9.0, "ja": 17.1, "ko": 15.2}
MAX_TEXT_CHARACTERS = 20_000  # about 20 minutes of speech


def preset_in_language(preset: Preset, language: str | None) -> Preset:
    """Return a preset for texts in another language. None: the language of the preset.

    The speaker's pace is that of the preset's language. Phonemes of another front end are longer or shorter, by the
    ratio of what usual readers say in a second.
    """
    if language is None or language == preset.language:
        return preset
    rates = [PHONEMES_PER_SECOND.get(code.removeprefix("all_")) for code in (preset.language, language)]
    factor = rates[0] / rates[1] if None not in rates else 1.0
    seconds = preset.seconds_per_phoneme * factor
    return preset.model_copy(update={"language": language, "seconds_per_phoneme": seconds})


def split_text(text: str, preset: Preset) -> list[str]:
    """Return the pieces of a text that are spoken one by one: sentences, or clauses of long ones.

    Raises:
        ValueError: there is nothing to say in the text.
    """
    most = preset.max_sentence_characters
    return [piece for sentence in _pieces(text) for piece in (clauses(sentence, most) if most else [sentence])]


def read_piece(piece: str, preset: Preset, lexicon: Lexicon | None) -> Phonemes:
    """Return the phonemes of a piece, read as a finished sentence."""
    pause_point()
    return phonemize(add_full_stop(piece), preset.language, lexicon)


def expected_seconds(text: str, preset: Preset, lexicon: Lexicon | None = None) -> float:
    """Return how long the speaker would take for `text` at the preset's speed, by its number of phonemes.

    Args:
        text: the text.
        preset: pace, speed and pauses, in the language of the text.
        lexicon: the voice's own words.

    Raises:
        ValueError: there is nothing to say in the text, or it is too long.
    """
    pieces = split_text(text, preset)
    n_phonemes = sum(len(read_piece(piece, preset, lexicon).ids) for piece in pieces)
    return n_phonemes * preset.seconds_per_phoneme / preset.speed + (len(pieces) - 1) * preset.pause_seconds


def require_speakable_length(text: str) -> None:
    """Refuse a text that is too long for one call.

    Raises:
        ValueError: it has more than MAX_TEXT_CHARACTERS.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ValueError(
            f"the text has {len(text)} characters; at most {MAX_TEXT_CHARACTERS} are spoken in one call: split it"
        )


def has_words(sentence: str) -> bool:
    """Return whether a sentence has a letter or digit. Without one it is left out beside others: an emoji, a line."""
    return any(character.isalnum() for character in sentence)


def add_full_stop(text: str) -> str:
    """Return the text with a full stop added if it ends with a letter or digit.

    The official models were trained on finished sentences. Without a final mark they break off or go on.
    """
    last = text.rstrip(CLOSING)[-1:]
    if not last.isalnum():
        return text
    return text + ("。" if "\u3041" <= last <= "\u9fff" else ".")


def clauses(sentence: str, most: int) -> list[str]:
    """Return a sentence longer than `most` Latin letters as groups of clauses of at most that length each.

    Characters that take longer to say count more, see gpt_sovits.text.sentences.width. A single clause may be longer. A
    group loses the mark at its end and is spoken as a sentence, because `add_full_stop` ends it with a full stop.
    """
    groups = [""]
    for clause in CLAUSE_END.split(sentence) if width(sentence) > most else [sentence]:
        if groups[-1] and width(groups[-1] + clause) > most:
            groups.append("")
        groups[-1] += clause
    spoken = [group.strip(LOOSE) for group in groups if has_words(group)]
    return spoken if len(spoken) > 1 else [sentence]


def _pieces(text: str) -> list[str]:
    """Return the sentences with something to say: a line of dashes between two sentences is not a sentence."""
    pieces = split_sentences(text)
    if not pieces:
        raise ValueError("the text is empty: there is nothing to say; it needs at least one word or number")
    # If none has a letter or digit, the front end refuses the text or reads a lone symbol by its name
    return [piece for piece in pieces if has_words(piece)] or pieces
