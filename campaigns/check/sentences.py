"""What the text front end makes of a sentence. The rows of a campaign share most sentences, so results are kept."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass

from campaigns.check.speaker import Speaker
from campaigns.records import RejectReason
from campaigns.template.rendering import RowError
from gpt_sovits.synthesis.pieces import preset_in_language, read_piece, split_text
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.text.cleaning import clean
from gpt_sovits.text.encodings import SCRIPTS
from gpt_sovits.text.frontend import MAX_CHARACTERS
from gpt_sovits.text.languages import LANGUAGES, language_name
from gpt_sovits.text.lexicon import WordEntry, read_words, with_words
from gpt_sovits.text.scripts import join_names

MOST_KEPT = 20_000  # sentences, of about 0.5 kB each


@dataclass(frozen=True)
class ReadSentence:
    """A sentence that can be spoken.

    Attributes:
        seconds: Expected length of its speech, in seconds.
        words: Entries of the campaign's lexicon that are in it.
        digest: Of the language and the phonemes.
    """

    seconds: float
    words: tuple[WordEntry, ...]
    digest: bytes


class FrontEnd:
    """Reads the texts of a campaign as the speaker would."""

    def __init__(self, speaker: Speaker, words: tuple[WordEntry, ...]) -> None:
        """Prepare.

        Args:
            speaker: Who speaks.
            words: The campaign's lexicon.

        Raises:
            ValueError: An entry of the lexicon cannot be read.
        """
        self._own, self._combined = read_words(words), with_words(speaker.lexicon, words)
        self._word_of = {id(self._own.entries[word[0]][_written(word)]): word for word in words}
        self._speaker = speaker
        self._presets: dict[str, Preset] = {}
        self._read_kept = functools.lru_cache(MOST_KEPT)(self._read)

    def preset(self, language: str) -> Preset:
        """Return the preset for texts in a language."""
        if language not in self._presets:
            self._presets[language] = preset_in_language(self._speaker.preset, language)
        return self._presets[language]

    def split(self, text: str, language: str) -> tuple[str, ...]:
        """Return the sentences of a text. Raises RowError where there is nothing to say."""
        try:
            return tuple(split_text(text, self.preset(language)))
        except ValueError as error:
            raise RowError(RejectReason.UNSPEAKABLE_TEXT, " ".join(str(error).split())) from None

    def read(self, sentence: str, language: str) -> ReadSentence:
        """Return what is known of a sentence. Raises RowError where it cannot be spoken."""
        found = self._read_kept(sentence, language)
        if isinstance(found, RowError):
            raise RowError(found.reason, str(found))  # a new one: each raise would lengthen the traceback of a kept one
        return found

    def is_in_lexicons(self, text: str, language: str) -> bool:
        """Return whether the lexicons of campaign and voice have every word of a text."""
        marked = text if self._combined is None else self._combined.mark_words(clean(text), language)[0]
        return not any(map(str.isalpha, marked))

    def _read(self, sentence: str, language: str) -> ReadSentence | RowError:
        if len(sentence) > MAX_CHARACTERS:
            return RowError(RejectReason.TEXT_TOO_LONG, f"a sentence has more than {MAX_CHARACTERS} characters")
        preset = self.preset(language)
        try:
            phonemes = read_piece(sentence, preset, self._combined)
        except ValueError as error:
            return _fault(sentence, language, error)
        seconds = len(phonemes.ids) * preset.seconds_per_phoneme / preset.speed
        digest = hashlib.blake2b(f"{language} {' '.join(phonemes.symbols)}".encode(), digest_size=16).digest()
        return ReadSentence(seconds, self._words(sentence, language), digest)

    def _words(self, sentence: str, language: str) -> tuple[WordEntry, ...]:
        _, placeholders = self._own.mark_words(join_names(clean(sentence), language), language)
        return tuple(sorted(self._word_of[id(entry)] for entry in placeholders.values()))


def has_foreign_letters_only(text: str, language: str) -> bool:
    """Return whether a text has letters, and none of the scripts of its language. Latin ones are those of English."""
    return any(map(str.isalpha, text)) and _own_letter(language).search(text) is None


def _fault(sentence: str, language: str, error: ValueError) -> RowError:
    """Return why a sentence cannot be spoken: letters of another language, or something else."""
    foreign = [letter for letter in sentence if letter.isalpha() and not _letter(language).match(letter)]
    if foreign:
        shown = "".join(foreign[:10])
        return RowError(RejectReason.WRONG_LANGUAGE, f"{shown!a} is not written in {language_name(language)}")
    return RowError(RejectReason.UNSPEAKABLE_TEXT, " ".join(str(error).split()))


@functools.lru_cache(len(LANGUAGES))
def _letter(language: str) -> re.Pattern[str]:
    return re.compile(f"[{SCRIPTS[language]}]")


@functools.lru_cache(len(LANGUAGES))
def _own_letter(language: str) -> re.Pattern[str]:
    ranges = SCRIPTS[language] if language == "en" else SCRIPTS[language].replace(SCRIPTS["en"], "")
    return re.compile(f"[{ranges}]")


def _written(word: WordEntry) -> str:
    """Return the word of an entry as the lexicon keeps it."""
    return next(iter(read_words([word]).entries[word[0]]))
