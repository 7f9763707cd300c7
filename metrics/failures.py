"""Failures of speech by name: what listeners of GPT-SoVITS complain about, found in a transcript and in the samples.

These are pure functions on normalised text and on figures of the sound. An ASR judge mishears 4-25 % of the words of
good speech, in bursts, but it hears about as many words as were said. So hardly anything here depends on wrong words.
Instead, it looks for stretches where the number of words heard does not fit the text, between stretches that were heard
right.

    empty             nobody is heard speaking: silence, or only noise, hum or music
    cut_off           the end of the text is missing, the speech is far too short for it, or it breaks off in a word
    swallowed_clause  a stretch of the text is missing, and the text goes on after it
    repeated_clause   a stretch was said again
    runaway           the speech is far too long for the text
    leaked_prompt     words of the reference clip's transcript were said
    wrong_language    the text was not heard, and the judge hears another language
    noise             a sound that is not speech: it stays the same for STEADY_SECONDS, or fills the pauses

benchmarks/FAILURES.md says how often each is found and how often it is a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from metrics.sound import Sound
from metrics.wer import word_errors, word_operations

FAILURES = (
    "empty",
    "cut_off",
    "swallowed_clause",
    "repeated_clause",
    "runaway",
    "leaked_prompt",
    "wrong_language",
    "noise",
)

# The constants were chosen for Whisper tiny.en on half of the recordings of benchmarks/failures.py: one reader of
# LJSpeech and three of LibriSpeech. FAILURES.md has the figures of that half and of the other one.
SILENT_DBFS = -60.0  # quieter than the noise floor of a quiet recording: nothing can be heard
MIN_SECONDS = 0.3  # about one syllable, and the least that a speaker judge accepts
MIN_DURATION_RATIO = 0.5  # reading aloud varies by a third at most, so half the time means half the text
MAX_DURATION_RATIO = 2.0  # twice the time means a loop or a long silence; lengths of good readings reach 1.4 times
DURATION_SLACK_SECONDS = 0.5  # pauses before and after are a large part of a one-word prompt
ANCHOR_WORDS = 2  # this many words heard right in a row fix the place in the text; at its end, one does
# Missing or added in one place. In 116 transcripts of good speech Whisper lacked or added 1 word at most, where it took
# a compound for two words or two for one. With 4 and 3, as for pocketsphinx, 2 of 21 cuts of three words were missed.
CLAUSE_WORDS = 3
SHORT_CLAUSE_WORDS = 2  # the same, in a text of which they are a third, or where the audio is short too
PHRASE_WORDS = 3  # shortest phrase that is not repeated by accident
LEAK_WORDS = 4  # this many words in a row of another text are not an accident
REPEATED_SHARE = 1 / 3  # of the added words, in the text or the clip: Whisper mishears some of what is said twice
LOOPS = 3  # repetitions of a word or a short phrase beyond those in the text
# Languages whose normaliser makes every character a word: two characters count as one English word. This follows from
# the lengths of words in those languages and was not measured on speech.
CHARACTER_LANGUAGES = ("zh", "ja", "ko", "yue")
SAME_SPEECH = {"yue": ("yue", "zh"), "zh": ("zh", "yue")}  # recognisers confuse them, and both are called Chinese
FOREIGN_WER = 0.5  # speech of which more than half was heard right is in the right language; a design value
# Level of the last 30 ms against the speech's level: below -31 dB in 116 recordings that fade out. Of 199 clips of
# LibriSpeech, which are cut tightly, it is above -18 in 9 % and above -10 in 2 %. Whisper completes most words that
# break off in the middle, so the limit for a last word that was heard matters most: 10 of 21 of them end above -10.
ABRUPT_END_DB = -18.0  # above it, speech breaks off if the last word was not heard
BROKEN_END_DB = -10.0  # above it, speech breaks off whatever was heard
# Exceeded by none of those 116, 6 of those 199, and 19 of 21 recordings with noise at 10 dB SNR (13 exceed -16).
NOISY_FLOOR_DB = -16.5
STEADIEST_DB = 2.2  # noise, hum and tones vary by up to 2.0 in 0.6 s, speech by 3.5 or more (3 of those 199 by less)


@dataclass(frozen=True)
class Stretch:
    """A part of the text between two anchors, and what was heard there."""

    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    is_tail: bool  # whether no anchor follows


def expected_seconds(n_units: int, seconds_per_unit: float) -> float:
    """Return how long a text takes at the voice's own pace.

    Args:
        n_units: words or phonemes of the text, above 0.
        seconds_per_unit: the pace, above 0.

    Raises:
        ValueError: an argument is not positive.
    """
    if n_units < 1 or not seconds_per_unit > 0:
        raise ValueError(f"{n_units} units at {seconds_per_unit} s each: both must be positive to expect a length")
    return n_units * seconds_per_unit


def unmeasurable_failures(asr: str) -> tuple[str, ...]:
    """Return the names in FAILURES that an ASR judge of this name (metrics/judges/asr.py) cannot detect.

    Rows without these failures prove nothing. A model of one language hears all speech as that language.
    """
    return ("wrong_language",) if asr == "pocketsphinx" or asr.endswith(".en") else ()


def speech_failures(
    reference: str,
    hypothesis: str,
    seconds: float,
    expected_seconds: float,
    sound: Sound,
    *,
    language: str,
    reference_clip_text: str = "",
    spoken_language: str | None = None,
) -> tuple[str, ...]:
    """Find the failures of one utterance.

    Empty speech has no other failure but noise.

    Args:
        reference: what should be said, normalised.
        hypothesis: what the ASR judge heard, normalised.
        seconds: length of the audio.
        expected_seconds: length of the text at the voice's pace, above 0.
        sound: figures of the audio.
        language: ISO 639 code of the text.
        reference_clip_text: normalised transcript of the reference clip, empty for none.
        spoken_language: ISO 639 code of the speech as the judge hears it, None where it cannot tell.

    Returns:
        Names out of FAILURES, in that order. Empty for speech without any.

    Raises:
        ValueError: the reference is empty, or expected_seconds is not positive.
    """
    if not expected_seconds > 0:
        raise ValueError(f"expected_seconds is {expected_seconds}; a text with words takes a positive time")
    word_errors(reference, hypothesis)  # refuses an empty reference
    # `not >=`, so that NaN counts as silence
    if not sound.level_dbfs >= SILENT_DBFS or not seconds >= MIN_SECONDS:
        return ("empty",)
    found = {"noise"} if sound.floor_db > NOISY_FLOOR_DB or sound.steadiest_db < STEADIEST_DB else set()
    if not hypothesis:
        return tuple(name for name in FAILURES if name in found | {"empty"})
    found |= _text_failures(
        reference, hypothesis, reference_clip_text, language=language, is_short=seconds < expected_seconds
    )
    max_end_db = BROKEN_END_DB if _is_last_word_heard(reference, hypothesis) else ABRUPT_END_DB
    if sound.end_db > max_end_db or seconds < MIN_DURATION_RATIO * expected_seconds:
        found.add("cut_off")
    if seconds > MAX_DURATION_RATIO * expected_seconds + DURATION_SLACK_SECONDS:
        found.add("runaway")
    is_foreign = spoken_language is not None and spoken_language not in SAME_SPEECH.get(language, (language,))
    if is_foreign and word_errors(reference, hypothesis).rate >= FOREIGN_WER:
        found.add("wrong_language")
    return tuple(name for name in FAILURES if name in found)


def implied_failures(reference: str, hypothesis: str, duration_ratio: float, *, language: str) -> tuple[str, ...]:
    """Find the failures that the texts and the length of an utterance show, whatever it sounds like.

    `speech_failures` finds all of them too, unless it hears nobody. A `repeated_clause` may be a `leaked_prompt` there,
    where the words are also those of the reference clip.

    Args:
        reference: what should be said, normalised.
        hypothesis: what the ASR judge heard, normalised.
        duration_ratio: length of the audio divided by the length expected for the text.
        language: ISO 639 code of the text.

    Returns:
        Names out of FAILURES, in that order.
    """
    if not hypothesis:
        return ("empty",)
    found = _text_failures(reference, hypothesis, "", language=language, is_short=duration_ratio < 1)
    if duration_ratio < MIN_DURATION_RATIO:
        found.add("cut_off")
    return tuple(name for name in FAILURES if name in found)


def _text_failures(
    reference: str, hypothesis: str, reference_clip_text: str, *, language: str, is_short: bool
) -> set[str]:
    """Find the failures that the words alone show.

    is_short: the audio is shorter than the text would take, which is further evidence.
    """
    text, heard, clip_text = reference.split(), hypothesis.split(), reference_clip_text.split()
    unit = 2 if language in CHARACTER_LANGUAGES else 1
    stretches = _stretches(reference, hypothesis, ANCHOR_WORDS * unit)
    clause, short_clause = CLAUSE_WORDS * unit, SHORT_CLAUSE_WORDS * unit
    if len(text) <= 3 * short_clause:
        clause = short_clause
    tail_clause = short_clause if is_short else clause
    missing = [(len(s.reference) - len(s.hypothesis), s.is_tail) for s in stretches]
    found = set()
    if any(n >= tail_clause for n, is_tail in missing if is_tail):
        found.add("cut_off")
    if any(n >= clause for n, is_tail in missing if not is_tail):
        found.add("swallowed_clause")
    for stretch in stretches:
        found |= _extra_word_failures(stretch, text, clip_text, unit)
    if _has_loop(text, heard, PHRASE_WORDS * unit) or _has_repeated_phrase(text, heard, PHRASE_WORDS * unit):
        found.add("repeated_clause")
    if _longest_leak(text, heard, clip_text, PHRASE_WORDS * unit) >= LEAK_WORDS * unit:
        found.add("leaked_prompt")
    return found


def _is_last_word_heard(reference: str, hypothesis: str) -> bool:
    return [o.op for o in word_operations(reference, hypothesis) if o.reference][-1] == "equal"


def _stretches(reference: str, hypothesis: str, anchor_words: int) -> list[Stretch]:
    """Return the parts of the text in which fewer than `anchor_words` words in a row were heard right."""
    operations = word_operations(reference, hypothesis)
    stretches: list[Stretch] = []
    said: list[str] = []
    heard: list[str] = []
    for is_equal, group in groupby(operations, key=lambda operation: operation.op == "equal"):
        run = list(group)
        if is_equal and len(run) >= anchor_words:
            if said or heard:
                stretches.append(Stretch(tuple(said), tuple(heard), is_tail=False))
            said, heard = [], []
        else:
            said += [operation.reference for operation in run if operation.reference]
            heard += [operation.hypothesis for operation in run if operation.hypothesis]
    if said or heard:
        # the last word heard right shows that the text went on, although one word is not an anchor elsewhere
        ends_right = operations[-1].op == "equal"
        stretches.append(Stretch(tuple(said), tuple(heard), is_tail=not ends_right))
    return stretches


def _matching_words(words: Sequence[str], text: Sequence[str], unit: int) -> int:
    """Count the `words` that are also in `text`, in order and with a neighbour: "of the" counts, "the" does not."""
    blocks = SequenceMatcher(None, words, text, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size > unit)


def _extra_word_failures(stretch: Stretch, text: Sequence[str], clip_text: Sequence[str], unit: int) -> set[str]:
    """Tell what the extra words of a stretch are: the reference clip's, the text's own again, or only misheard."""
    n_extra = len(stretch.hypothesis) - len(stretch.reference)
    if n_extra < min(CLAUSE_WORDS * unit, max(2, len(text))):
        return set()
    n_text, n_clip = (_matching_words(stretch.hypothesis, words, unit) for words in (text, clip_text))
    enough = n_extra * REPEATED_SHARE if n_extra >= CLAUSE_WORDS * unit else n_extra
    if max(n_text, n_clip) < enough:
        return set()
    return {"leaked_prompt"} if n_clip > n_text else {"repeated_clause"}


def _phrases(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _has_repeated_phrase(text: Sequence[str], heard: Sequence[str], phrase_words: int) -> bool:
    """Return whether a phrase of the text was heard more often than it is written."""
    written, spoken = _phrases(text, phrase_words), _phrases(heard, phrase_words)
    return any(spoken.count(phrase) > written.count(phrase) for phrase in set(written))


def _has_loop(text: Sequence[str], heard: Sequence[str], phrase_words: int) -> bool:
    """Return whether a word or a short phrase was heard LOOPS times more in a row than anything in the text is."""
    return any(
        _longest_loop(heard, n_words) - _longest_loop(text, n_words) >= LOOPS for n_words in range(1, phrase_words + 1)
    )


def _longest_loop(words: Sequence[str], n_words: int) -> int:
    """Return how often in a row a phrase of `n_words` words is repeated at most: 0 where no phrase is."""
    longest = same = 0
    for word, earlier in zip(words[n_words:], words, strict=False):
        same = same + 1 if word == earlier else 0
        longest = max(longest, same)
    return longest // n_words


def _longest_leak(text: Sequence[str], heard: Sequence[str], clip_text: Sequence[str], phrase_words: int) -> int:
    """Return the length in words of the longest phrase of the reference clip that was heard and is not in the text."""
    in_text = set(_phrases(text, phrase_words))
    longest = 0
    for block in SequenceMatcher(None, heard, clip_text, autojunk=False).get_matching_blocks():
        phrase = heard[block.a : block.a + block.size]
        if not any(part in in_text for part in _phrases(phrase, phrase_words)):
            longest = max(longest, block.size)
    return longest
