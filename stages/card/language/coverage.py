"""Which sounds of the language the training clips have, how often, and how often the prompts need them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from gpt_sovits.text.frontend import MAX_CHARACTERS, Phonemes, phonemize
from gpt_sovits.text.lexicon import Lexicon
from gpt_sovits.text.symbols import (
    CANTONESE_INITIALS,
    CANTONESE_TONELESS,
    MANDARIN_FINALS,
    MANDARIN_INITIALS,
    PAD,
    PAUSES,
    PUNCTUATION,
    UNKNOWN,
)
from stages.card.language.inventory import Sound, sounds_of

ENOUGH = 10  # a sound that the clips have less often is rare
SILENT = {*PUNCTUATION, *PAUSES, PAD, UNKNOWN, "[", "]", "空", "停"}  # pauses, borders, and the pitch marks of Japanese

State = Literal["missing", "rare", "enough"]


class Coverage(NamedTuple):
    """One sound of the language.

    Attributes:
        kind: vowel, consonant, initial, final or tone.
        name: how it is written.
        example: a word that has it, empty where none is known.
        n: how often the training clips have it.
        n_prompts: how often the prompts that the voice will be scored on have it.
    """

    kind: str
    name: str
    example: str
    n: int
    n_prompts: int

    @property
    def state(self) -> State:
        """Return whether the clips have the sound at all, rarely, or at least ENOUGH times."""
        return "enough" if self.n >= ENOUGH else "rare" if self.n else "missing"


class TextSounds(NamedTuple):
    """What a text sounds like: its sounds in its own language, and the number of all phonemes."""

    sounds: Counter[Sound]
    n_phonemes: int


def text_sounds(text: str, language: str, lexicon: Lexicon | None = None) -> TextSounds | None:
    """Return the sounds of a text, or None where the front end cannot read it.

    Words in another language count as phonemes, but not as sounds of this one.

    Args:
        text: what is said.
        language: ISO 639 code.
        lexicon: the voice's own pronunciations.
    """
    try:
        phonemes = phonemize(text[:MAX_CHARACTERS], language, lexicon)
    except ValueError:
        return None
    return TextSounds(Counter(_sounds(phonemes, language)), sum(symbol not in SILENT for symbol in phonemes.symbols))


def coverage(language: str, clips: Iterable[TextSounds], prompts: Sequence[str]) -> list[Coverage]:
    """Return every sound of a language, those first that the clips lack and the prompts need most.

    Args:
        language: ISO 639 code.
        clips: the sounds of the training clips.
        prompts: the texts that the voice will be scored on, none where there are no prompts in its language.
    """
    counts: Counter[Sound] = Counter()
    for one in clips:
        counts.update(one.sounds)
    needed: Counter[Sound] = Counter()
    examples: dict[Sound, str] = {}
    for text in prompts:
        if spoken := text_sounds(text, language):
            needed.update(spoken.sounds)
            examples |= {sound: word for sound, word in _example_words(text, language) if sound not in examples}
    rows = [
        Coverage(sound.kind, name, word or examples.get(sound, ""), counts[sound], needed[sound])
        for sound, (name, word) in sounds_of(language).items()
    ]
    order = {"missing": 0, "rare": 1, "enough": 2}
    return sorted(rows, key=lambda row: (order[row.state], -row.n_prompts, row.n, row.kind, row.name))


def _sounds(phonemes: Phonemes, language: str) -> Iterator[Sound]:
    for segment in phonemes.segments:
        if segment.language == language:
            yield from _READERS[language]([symbol for symbol in segment.symbols if symbol not in SILENT])


def _example_words(text: str, language: str) -> Iterator[tuple[Sound, str]]:
    """Yield the characters of a Mandarin or Cantonese text with the sounds of each."""
    if language not in ("zh", "yue"):
        return
    for segment in phonemize(text, language).segments:
        if segment.language != language or segment.word2ph is None:
            continue
        symbols = iter(segment.symbols)
        for character, n in zip(segment.normalized_text, segment.word2ph, strict=True):
            own = list(itertools.islice(symbols, n))
            if n == 2:  # a syllable, not a pause or a word of a lexicon
                yield from ((sound, character) for sound in _READERS[language](own))


def _read_english(symbols: Sequence[str]) -> Iterator[Sound]:
    for symbol in symbols:
        name = symbol.rstrip("012")
        yield Sound("vowel" if name != symbol else "consonant", name)


def _read_mandarin(symbols: Sequence[str]) -> Iterator[Sound]:
    for symbol in symbols:
        if symbol in MANDARIN_INITIALS:
            yield Sound("initial", symbol)
        elif symbol[:-1] in MANDARIN_FINALS:
            yield Sound("final", symbol[:-1])
            yield Sound("tone", symbol[-1])


def _read_cantonese(symbols: Sequence[str]) -> Iterator[Sound]:
    """Yield the sounds of pairs of symbols, see gpt_sovits/text/chinese/jyutping_symbols.py."""
    for first, second in itertools.pairwise(symbols):
        onset, rest, tone = first.removeprefix("Y"), second[1:-1], second[-1]
        if first[-1].isdigit() or not tone.isdigit():
            continue  # the second symbol of a syllable, and the first of the next
        yield Sound("tone", tone)
        if onset in CANTONESE_TONELESS:  # a vowel without an initial is cut after that vowel
            yield Sound("final", onset if onset.endswith(rest) else onset + rest)
        elif (onset, rest) in {("m", "m"), ("h", "m")}:
            yield Sound("final", "m")
        elif (onset, rest) == ("ng", "g"):
            yield Sound("final", "ng")
        elif onset in CANTONESE_INITIALS:
            yield Sound("initial", onset)
            yield Sound("final", rest)


def _read_japanese(symbols: Sequence[str]) -> Iterator[Sound]:
    for symbol in symbols:
        vowel = symbol.lower() if symbol in "IU" else symbol
        yield Sound("vowel" if vowel in "aiueo" else "consonant", vowel)


def _read_korean(symbols: Sequence[str]) -> Iterator[Sound]:
    for symbol in symbols:
        yield Sound("vowel" if "ㅏ" <= symbol <= "ㅣ" else "consonant", symbol)


_READERS = {
    "en": _read_english,
    "zh": _read_mandarin,
    "yue": _read_cantonese,
    "ja": _read_japanese,
    "ko": _read_korean,
}
