"""The Markdown tables of benchmarks/failures.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from scipy.stats import binomtest

from benchmarks.failure_damages import DAMAGES, UNDAMAGED
from metrics.failures import FAILURES, unmeasurable_failures

WORD_FAILURES = ("swallowed_clause", "repeated_clause", "leaked_prompt")  # found in words alone


class Result(NamedTuple):
    """The failures found in one recording.

    Attributes:
        set_name: name of the set of the recording.
        is_tuning: whether the constants were chosen on it.
        has_text: whether the text is known, and not heard by a judge.
        failures: by damage, with those of the undamaged recording under UNDAMAGED.
    """

    set_name: str
    is_tuning: bool
    has_text: bool
    failures: dict[str, tuple[str, ...]]


class SoundResult(NamedTuple):
    """The failures found in a sound without speech.

    Attributes:
        kind: of the sound.
        has_words: whether the judge invented words.
        failures: names out of FAILURES.
    """

    kind: str
    has_words: bool
    failures: tuple[str, ...]


def share_with_interval(k: int, n: int) -> str:
    """Return k of n with Wilson's 95 % interval."""
    if n == 0:
        return "-"
    bounds = binomtest(k, n).proportion_ci(0.95, method="wilson")
    return f"{k}/{n} = {k / n:.0%} ({bounds.low:.0%}-{bounds.high:.0%})"


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def false_alarms(asr: str, results: Sequence[Result]) -> str:
    """Return how often undamaged recordings have a failure, by detector and set."""
    names = list(dict.fromkeys(result.set_name for result in results))
    rows = []
    for failure in (*FAILURES, "any"):
        cells = []
        for name in names:
            own = [result for result in results if result.set_name == name]
            found = [result.failures[UNDAMAGED] for result in own]
            k = sum(bool(one) if failure == "any" else failure in one for one in found)
            is_known = own[0].has_text or failure not in WORD_FAILURES
            cells.append(share_with_interval(k, len(own)) if is_known else "text unknown")
        if failure in unmeasurable_failures(asr):
            cells = [f"not measurable with {asr}"] * len(names)
        rows.append((failure, *cells))
    return _table(("detector", *names), rows)


def hits(results: Sequence[Result]) -> str:
    """Return how often each damage is found, on both halves of the speakers."""
    rows = []
    for damage, (name, _) in DAMAGES.items():
        halves = [
            [r.failures[damage] for r in results if r.is_tuning is half and damage in r.failures]
            for half in (True, False)
        ]
        if not any(halves):
            continue
        others = [other for one in halves[1] for other in one if other != name]
        listed = ", ".join(f"{other} {others.count(other)}" for other in FAILURES if other in others)
        cells = [share_with_interval(sum(name in one for one in half), len(half)) for half in halves]
        named = share_with_interval(sum(map(bool, halves[1])), len(halves[1]))
        rows.append((damage, name, *cells, named, listed or "-"))
    titles = ("damage", "detector", "found, half of the choice", "found, other half", "any failure named, other half")
    return _table((*titles, "other names, other half"), rows)


def hits_by_set(results: Sequence[Result]) -> str:
    """Return how often each damage is found, by set."""
    names = list(dict.fromkeys(result.set_name for result in results))
    rows = []
    for damage, (failure, _) in DAMAGES.items():
        by_set = [
            [r.failures[damage] for r in results if r.set_name == name and damage in r.failures] for name in names
        ]
        if any(by_set):
            rows.append((damage, *(f"{sum(failure in one for one in found)}/{len(found)}" for found in by_set)))
    return _table(("damage", *names), rows)


def without_speech(results: Sequence[SoundResult]) -> str:
    """Return what is named in sounds without speech, by kind."""
    rows = []
    for kind in (*dict.fromkeys(result.kind for result in results), "all"):
        own = [result for result in results if kind in ("all", result.kind)]
        counts = [
            sum(result.has_words for result in own),
            sum("empty" in result.failures for result in own),
            sum("noise" in result.failures for result in own),
        ]
        rows.append((kind, len(own), *counts, share_with_interval(sum(bool(r.failures) for r in own), len(own))))
    return _table(("sound", "clips", "words invented", "empty", "noise", "any failure named"), rows)


def all_tables(asr: str, results: Sequence[Result], sounds: Sequence[SoundResult]) -> str:
    """Return the tables under their headings, with what a reader must know about them."""
    tuning = list(dict.fromkeys(result.set_name for result in results if result.is_tuning))
    chosen_on = " and ".join(tuning) or "none of these sets"
    parts = (
        f"{ABOUT}The constants of metrics/failures.py were chosen on {chosen_on}. No speaker is in both halves.",
        "## False alarms in undamaged recordings",
        false_alarms(asr, results),
        "## Damage that is found",
        hits(results),
        "By set, found of all:",
        hits_by_set(results),
        "## Nobody speaks",
        SOUNDS,
        without_speech(sounds),
        NOTES,
    )
    return "\n\n".join(parts) + "\n"


ABOUT = """\
Wilson's 95 % intervals are in brackets. LJSpeech is one reader, LibriSpeech a and b are three each (test-other, the
harder recordings, cut tightly), and sample is the sample voice's synthesiser. LibriSpeech has no transcripts here, so
its text is what the judge hears in the undamaged recording: false alarms by words are unknown there, and hits are
slightly too high. The undamaged recordings of sample were seen when the constants were chosen, its damaged ones
were not. """
SOUNDS = """\
The clips of benchmarks/nonspeech.py, from -60 to -10 dBFS, each scored as if it should say a prompt. A clip at -60 dBFS
is `empty` by its level. Quiet or changing sounds are not named `noise`, but
`empty`."""
NOTES = """\
## What each judge detects

`empty`, `cut_off`, `swallowed_clause`, `repeated_clause`, `runaway` and `leaked_prompt` need the words, so a judge that
mishears more finds fewer of them. `noise` and the abrupt ends among `cut_off` are found in the samples, whichever judge
is used. `wrong_language` needs a judge of many languages (whisper, faster-whisper). A judge of English alone hears
English in everything, and the stage evaluate then reports this failure as not measurable. Speech in another language
still raises the word error rate, because hardly a word of it is right.

Whisper is poor at two damages. It completes a word that breaks off in the middle, so only the loudness of the end shows
it. And it tidies up: a word said six times is often written once, and a clause said twice now and then. Neither is seen
in the length, which varies more between good readings. A loop at the end that lasts is named `repeated_clause` where
the audio is not twice as long as the text would take.
"""
