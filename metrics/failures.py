"""Failures of speech by name: what listeners of GPT-SoVITS complain about, told from a transcript and the samples.

Pure functions on normalised text and on figures of the sound. A judge mishears 10-25 % of the words of good speech, in
bursts, but hears about as many words as were said. So hardly anything here looks at wrong words: it looks for stretches
where the number of words heard does not fit the text, between stretches that were heard right.

    empty             no words heard, or no sound
    cut_off           the end of the text is missing, the speech is far too short for it, or it breaks off in a word
    swallowed_clause  a stretch of the text is missing, the text goes on after it
    repeated_clause   a stretch was said again
    runaway           far too long for the text
    leaked_prompt     words of the reference clip's transcript were said
    wrong_language    not the text, and the judge takes it for another language
    noise             a sound that is no speech: it stays the same for STEADY_SECONDS, or fills the pauses

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

SILENT_DBFS = -60.0  # quieter than the noise floor of a quiet recording: nothing to hear
MIN_SECONDS = 0.3  # about one syllable; also the least that a speaker judge hears
MIN_DURATION_RATIO = 0.5  # reading aloud varies by a third at most; half the time means half the text
MAX_DURATION_RATIO = 2.0  # twice the time: looping, or a long silence
DURATION_SLACK_SECONDS = 0.5  # pauses before and after weigh much in a one-word prompt
ANCHOR_WORDS = 2  # this many words in a row heard right are taken for the place in the text
CLAUSE_WORDS = 4  # missing in one place; of 279 pocketsphinx hearings of good speech (WER 20-25 %) none lacked over 2
SHORT_CLAUSE_WORDS = 3  # the same, where they are a third of the text
PHRASE_WORDS = 3  # shortest phrase that is no accident when it comes back
LEAK_WORDS = 4  # as many words in a row of another text are no accident
STUTTERS = 3  # one word this many times more in a row than in the text
# Languages whose normaliser makes every character a word: two of them weigh as much as a word of English. From the
# lengths of words in those languages; not measured on speech.
CHARACTER_LANGUAGES = ("zh", "ja", "yue")
SAME_SPEECH = {"yue": ("yue", "zh"), "zh": ("zh", "yue")}  # recognisers mix them up, and both are called Chinese
FOREIGN_WER = 0.5  # speech of which half was heard right is in the right language
# The last 30 ms against the speech's level: below -31 dB in 188 recordings and syntheses that fade out; above -15 in 12
# and above -6 in 2 of 259 clips of LibriSpeech, which are cut tightly; above -15 in 60-73 % and above -6 in 28-47 % of
# the same cut at any instant
ABRUPT_END_DB = -15.0  # the speech may break off: it does where the last word was not heard
BROKEN_END_DB = -6.0  # it does, whatever was heard
NOISY_FLOOR_DB = -16.0  # exceeded by none of those 188, 5 of those 259, and all of them with noise at 6 dB SNR
STEADIEST_DB = 2.2  # noise, hum and tones vary by up to 2.0 in 0.6 s, speech by 3.5 and more


@dataclass(frozen=True)
class Stretch:
    """A part of the text between two anchors, and what was heard there. is_tail: nothing was heard right after it."""

    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    is_tail: bool


def expected_seconds(n_units: int, seconds_per_unit: float) -> float:
    """How long a text of n_units words or phonemes takes at the voice's own pace. Both must be positive."""
    if n_units < 1 or not seconds_per_unit > 0:
        raise ValueError(f"{n_units} units at {seconds_per_unit} s each: both must be positive to expect a length")
    return n_units * seconds_per_unit


def unmeasurable_failures(asr: str) -> tuple[str, ...]:
    """Return the names in FAILURES that a recogniser of this name (metrics/judges/asr.py) cannot see.

    Rows without them prove nothing: a model of one language takes all speech for that language.
    """
    return ("wrong_language",) if asr == "pocketsphinx" or asr.endswith(".en") else ()


def speech_failures(
    reference: str,
    hypothesis: str,
    seconds: float,
    expected_seconds: float,
    sound: Sound,
    prompt_text: str = "",
    *,
    language: str,
    heard_language: str | None = None,
) -> tuple[str, ...]:
    """Names out of FAILURES, in that order; () for speech without any. Empty speech has no other failure but noise.

    reference, hypothesis: what was to be said and what the judge heard, both normalised
    seconds: length of the audio; expected_seconds: of the text at the voice's pace
    sound: figures of the audio; prompt_text: normalised transcript of the reference clip, "" for none
    language: of the text; heard_language: of the speech, as the judge hears it, None where it cannot tell
    Raises ValueError when the reference is empty or expected_seconds is not positive.
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
    found |= _failures_of_text(reference, hypothesis, prompt_text, language, is_short=seconds < expected_seconds)
    end_needed = BROKEN_END_DB if _last_word_is_heard(reference, hypothesis) else ABRUPT_END_DB
    if sound.end_db > end_needed or seconds < MIN_DURATION_RATIO * expected_seconds:
        found.add("cut_off")
    if seconds > MAX_DURATION_RATIO * expected_seconds + DURATION_SLACK_SECONDS:
        found.add("runaway")
    is_foreign = heard_language is not None and heard_language not in SAME_SPEECH.get(language, (language,))
    if is_foreign and word_errors(reference, hypothesis).rate >= FOREIGN_WER:
        found.add("wrong_language")
    return tuple(name for name in FAILURES if name in found)


def _failures_of_text(reference: str, hypothesis: str, prompt_text: str, language: str, is_short: bool) -> set[str]:
    """What the words alone tell. is_short: the audio is shorter than the text would take, which is further evidence."""
    said, heard, prompt = reference.split(), hypothesis.split(), prompt_text.split()
    unit = 2 if language in CHARACTER_LANGUAGES else 1
    stretches = _stretches(reference, hypothesis, ANCHOR_WORDS * unit)
    clause, short_clause = CLAUSE_WORDS * unit, SHORT_CLAUSE_WORDS * unit
    if len(said) <= 3 * short_clause:
        clause = short_clause
    tail_clause = short_clause if is_short else clause
    lost = [(len(s.reference) - len(s.hypothesis), s.is_tail) for s in stretches]
    found = set()
    if any(n >= tail_clause for n, is_tail in lost if is_tail):
        found.add("cut_off")
    if any(n >= clause for n, is_tail in lost if not is_tail):
        found.add("swallowed_clause")
    for stretch in stretches:
        found |= _kind_of_extra(stretch, said, prompt, unit)
    if _stutters(said, heard) or _said_again(said, heard, PHRASE_WORDS * unit):
        found.add("repeated_clause")
    if _longest_leak(said, heard, prompt, PHRASE_WORDS * unit) >= LEAK_WORDS * unit:
        found.add("leaked_prompt")
    return found


def _last_word_is_heard(reference: str, hypothesis: str) -> bool:
    return [o.op for o in word_operations(reference, hypothesis) if o.reference][-1] == "equal"


def _stretches(reference: str, hypothesis: str, anchor_words: int) -> list[Stretch]:
    """The parts of the text that were not heard as `anchor_words` or more right words in a row."""
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
        stretches.append(Stretch(tuple(said), tuple(heard), is_tail=True))
    return stretches


def _in_pieces(words: Sequence[str], text: Sequence[str], unit: int) -> int:
    """How many of `words` stand in `text` too, in that order and with a neighbour: "of the" counts, "the" does not."""
    blocks = SequenceMatcher(None, words, text, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size > unit)


def _kind_of_extra(stretch: Stretch, said: Sequence[str], prompt: Sequence[str], unit: int) -> set[str]:
    """What the extra words of a stretch are: the prompt's, or the text's own again, or only misheard."""
    n_extra = len(stretch.hypothesis) - len(stretch.reference)
    if n_extra < min(SHORT_CLAUSE_WORDS * unit, max(2, len(said))):
        return set()
    of_text, of_prompt = (_in_pieces(stretch.hypothesis, text, unit) for text in (said, prompt))
    enough = n_extra / 2 if n_extra >= CLAUSE_WORDS * unit else n_extra
    if max(of_text, of_prompt) < enough:
        return set()
    return {"leaked_prompt"} if of_prompt > of_text else {"repeated_clause"}


def _phrases(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _said_again(said: Sequence[str], heard: Sequence[str], phrase_words: int) -> bool:
    """Whether a phrase of the text was heard more often than it is written."""
    written, spoken = _phrases(said, phrase_words), _phrases(heard, phrase_words)
    return any(spoken.count(phrase) > written.count(phrase) for phrase in set(written))


def _stutters(said: Sequence[str], heard: Sequence[str]) -> bool:
    """Whether one word was heard STUTTERS times more in a row than any word of the text is."""
    longest = [max((len(list(run)) for _, run in groupby(words)), default=0) for words in (said, heard)]
    return longest[1] - longest[0] >= STUTTERS


def _longest_leak(said: Sequence[str], heard: Sequence[str], prompt: Sequence[str], phrase_words: int) -> int:
    """The longest phrase of the prompt that was heard and is not in the text, in words."""
    in_text = set(_phrases(said, phrase_words))
    longest = 0
    for block in SequenceMatcher(None, heard, prompt, autojunk=False).get_matching_blocks():
        phrase = heard[block.a : block.a + block.size]
        if not any(part in in_text for part in _phrases(phrase, phrase_words)):
            longest = max(longest, block.size)
    return longest
