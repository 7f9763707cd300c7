"""Plain advice on the recordings. Every piece follows from the tables by a rule that is written beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from stages.card.clips import CardClip
from stages.card.distributions import Distribution
from stages.card.inputs import VoiceTables
from stages.card.minutes import Part, total_seconds
from stages.card.recording_plan import RULE as PLAN_RULE
from stages.card.recording_plan import RecordingPlan
from stages.card.speakers import SpeakerGroup

MIN_REFUSED_SHARE = 0.05  # of the recordings, for one reason
CLEAN_SNR_DB = 20.0
MAX_NOISY_SHARE = 0.1  # of the sound
MAX_CLIPPED_SHARE = 0.0005  # of a recording's samples
FULL_BANDWIDTH_KHZ = 10.0  # what a voice at 32 kHz needs to sound open
MIN_REFERENCES = 3  # clips that could be the reference of the voice


class Advice(NamedTuple):
    """One thing to do.

    Attributes:
        rule_id: short name of the rule.
        text: what to do and why, with the measured values.
        rule: when this advice is given.
    """

    rule_id: str
    text: str
    rule: str


class Findings(NamedTuple):
    """What the rules look at."""

    tables: VoiceTables
    parts: Sequence[Part]
    clips: Sequence[CardClip]
    distributions: Sequence[Distribution]
    speakers: Sequence[SpeakerGroup]
    duplicates: Sequence[Sequence[CardClip]]
    plan: RecordingPlan | None
    reference_seconds: tuple[float, float]  # shortest and longest clip that may be the reference


Rule = Callable[[Findings], Iterator[Advice]]


def advise(findings: Findings) -> list[Advice]:
    """Return the advice of all rules, in the order in which it is best followed: faults first, then more speech."""
    return [advice for rule in RULES for advice in rule(findings)]


def _other_speakers(findings: Findings) -> Iterator[Advice]:
    others = [group for group in findings.speakers if group.number and group.n_kept]
    if others:
        n, seconds = sum(group.n_kept for group in others), math.fsum(group.seconds for group in others)
        files = sorted({path for group in others for path in group.recordings})
        yield Advice(
            "other_speakers",
            f"Listen to {_count(n, 'kept clip')} ({seconds:.0f} s) that another speaker seems to say, in "
            f"{_list(files)}. Remove those recordings, or exclude other speakers in params.yaml.",
            "Kept clips are in another group of speakers than most of the sound.",
        )


def _given_texts(findings: Findings) -> Iterator[Advice]:
    heard = [one for one in findings.clips if one.clip.kept and one.clip.text_source == "asr"]
    if heard:
        seconds = math.fsum(one.clip.seconds for one in heard)
        files = sorted({one.recording.path for one in heard})
        yield Advice(
            "texts",
            f"Write down what is said in {_list(files)}: {_count(len(heard), 'kept clip')} ({seconds:.0f} s) have the "
            "text that the recogniser heard, with its mistakes.",
            "Kept clips have no text of yours.",
        )


def _refused(findings: Findings) -> Iterator[Advice]:
    total = total_seconds(findings.parts)
    for part in findings.parts:
        if part.fate == "refused" and total and part.seconds > MIN_REFUSED_SHARE * total:
            yield Advice(
                "refused",
                f"Look at why {part.stage} refused {part.seconds:.0f} s ({part.seconds / total:.0%}): {part.reason}, "
                f"such as {part.example}.",
                f"One reason took more than {MIN_REFUSED_SHARE:.0%} of the recordings.",
            )


def _doubted_words(findings: Findings) -> Iterator[Advice]:
    doubted = [one for one in findings.clips if one.clip.kept and one.disagreements]
    if doubted:
        worst = max(doubted, key=lambda one: (one.doubt, one.clip.clip_id))
        place = max(worst.disagreements, key=lambda one: one.doubt or 0.0)
        yield Advice(
            "doubted_words",
            f"Correct the texts of {_count(len(doubted), 'kept clip')} in which words are not heard, such as "
            f"“{place.written}” where “{place.heard}” is heard in {worst.recording.path}.",
            "disagreements.jsonl has rows of kept clips.",
        )


def _noise(findings: Findings) -> Iterator[Advice]:
    recordings = findings.tables.recordings
    known = [one for one in recordings if one.snr_db is not None]
    noisy = [one for one in known if one.snr_db < CLEAN_SNR_DB]
    share = _share(noisy, known)
    if share > MAX_NOISY_SHARE:
        worst = min(noisy, key=lambda one: (one.snr_db, one.path))
        yield Advice(
            "noise",
            f"Record in a quieter room or closer to the microphone: {share:.0%} of the sound is less than "
            f"{CLEAN_SNR_DB:.0f} dB above the noise, {worst.path} only {worst.snr_db:.0f} dB.",
            f"More than {MAX_NOISY_SHARE:.0%} of the sound has an SNR below {CLEAN_SNR_DB:.0f} dB.",
        )


def _clipping(findings: Findings) -> Iterator[Advice]:
    clipped = [one for one in findings.tables.recordings if one.clipped_share > MAX_CLIPPED_SHARE]
    if clipped:
        worst = max(clipped, key=lambda one: (one.clipped_share, one.path))
        yield Advice(
            "clipping",
            f"Lower the input gain and record {_list(sorted(one.path for one in clipped))} again: "
            f"{worst.clipped_share:.2%} of the samples of {worst.path} are at full scale.",
            f"More than {MAX_CLIPPED_SHARE:.2%} of a recording's samples are at full scale.",
        )


def _bandwidth(findings: Findings) -> Iterator[Advice]:
    for one in findings.distributions:
        if one.axis.name == "bandwidth_khz" and one.median < FULL_BANDWIDTH_KHZ:
            yield Advice(
                "bandwidth",
                f"Record with a microphone and a format that keep high frequencies: half of the sound ends at "
                f"{one.median:.1f} kHz, as on a telephone or in a strongly compressed file. The voice will sound dull.",
                f"The median bandwidth is below {FULL_BANDWIDTH_KHZ:.0f} kHz.",
            )


def _duplicates(findings: Findings) -> Iterator[Advice]:
    if findings.duplicates:
        n = sum(len(group) - 1 for group in findings.duplicates)
        first = findings.duplicates[0]
        yield Advice(
            "duplicates",
            f"Remove {_count(n, 'clip')} that is there more than once, such as "
            f"{_list(sorted({one.recording.path for one in first}))}. Repetition adds no minutes.",
            "Clips sound the same as others.",
        )


def _references(findings: Findings) -> Iterator[Advice]:
    shortest, longest = findings.reference_seconds
    training = findings.tables.training
    fitting = [clip for clip in training if shortest <= clip.seconds <= longest]
    if training and len(fitting) < MIN_REFERENCES:
        yield Advice(
            "reference",
            f"Record a few sentences of {shortest:g} to {longest:g} s: only {len(fitting)} of {len(training)} training "
            "clips can be the reference of the voice.",
            f"Fewer than {MIN_REFERENCES} training clips are as long as a reference "
            "(features.reference_min_seconds, features.reference_max_seconds).",
        )


def _more_speech(findings: Findings) -> Iterator[Advice]:
    if findings.plan and (text := findings.plan.text()):
        yield Advice("record", text, PLAN_RULE)


RULES: tuple[Rule, ...] = (
    _other_speakers,
    _refused,
    _given_texts,
    _doubted_words,
    _noise,
    _clipping,
    _bandwidth,
    _duplicates,
    _references,
    _more_speech,
)


def _share(some: Sequence, of: Sequence) -> float:
    """Return the share of the sound of some recordings."""
    total = math.fsum(one.seconds for one in of)
    return math.fsum(one.seconds for one in some) / total if total else 0.0


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" + ("" if n == 1 else "s")


def _list(names: Sequence[str], n: int = 3) -> str:
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more
