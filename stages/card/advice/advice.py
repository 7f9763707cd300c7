"""Plain advice on the recordings. Every piece follows from the tables by a rule that is written beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from stages.card.advice.recording_plan import RULE as PLAN_RULE
from stages.card.advice.recording_plan import RecordingPlan
from stages.card.facts.clips import CardClip
from stages.card.facts.inputs import VoiceTables
from stages.card.facts.minutes import Part, total_seconds
from stages.card.facts.speakers import SpeakerGroup
from stages.recordings.findings import (
    CLIPPED_SAMPLES,
    MIN_MUSIC_SECONDS,
    MUSICAL_SHARE,
    NARROW_HZ,
    NOISY_DB,
    REVERBERANT_SECONDS,
)
from stages.tables import Recording

MIN_REFUSED_SHARE = 0.05  # of the recordings, for one reason
FAULTY_SHARE = 0.1  # of the sound
MAX_QUOTED = 60  # characters of a transcript
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
            f"{_list(files)}. Remove those recordings, or set align.other_speakers to exclude.",
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
            f"Correct {_count(len(doubted), 'kept clip')} in which words are not heard, with `vox review "
            f"{findings.tables.voice}`, such as “{place.written}” where “{place.heard}” is heard in "
            f"{worst.recording.path}.",
            "disagreements.jsonl has rows of kept clips.",
        )


class SoundFault(NamedTuple):
    """A fault that recordings may have, by the limits that ingest reports them with.

    Attributes:
        rule_id: short name of the rule.
        size: how bad a recording is, larger is worse, None where it does not have the fault.
        share: advice is given where the recordings with the fault have a larger share of the sound.
        remedy: what to do.
        unit: how the worst recording's figure is written.
        limit: what counts as the fault.
    """

    rule_id: str
    size: Callable[[Recording], float | None]
    share: float
    remedy: str
    unit: str
    limit: str


def _above(value: float | None, limit: float) -> float | None:
    return value if value is not None and value > limit else None


def _below(value: float | None, limit: float) -> float | None:
    return -value if value is not None and value < limit else None


def _music(recording: Recording) -> float | None:
    return _above(recording.music_share, MUSICAL_SHARE) if recording.seconds >= MIN_MUSIC_SECONDS else None


SOUND_FAULTS = (
    SoundFault(
        "noise",
        lambda one: _below(one.snr_db, NOISY_DB),
        FAULTY_SHARE,
        "Record in a quieter room or closer to the microphone",
        "{:.0f} dB above its noise",
        f"an SNR below {NOISY_DB:.0f} dB",
    ),
    SoundFault(
        "clipping",
        lambda one: _above(one.longest_clipping, CLIPPED_SAMPLES),
        0.0,
        "Lower the input gain and record again what is clipped",
        "{:.0f} samples in a row at full scale",
        f"more than {CLIPPED_SAMPLES} clipped samples in a row",
    ),
    SoundFault(
        "bandwidth",
        lambda one: _below(one.bandwidth_hz, NARROW_HZ),
        FAULTY_SHARE,
        "Record with a microphone and a format that keep high frequencies, or the voice will sound dull",
        "no sound above {:.0f} Hz",
        f"no sound above {NARROW_HZ:.0f} Hz",
    ),
    SoundFault(
        "reverberation",
        lambda one: _above(one.reverberation_seconds, REVERBERANT_SECONDS),
        FAULTY_SHARE,
        "Record in a room with curtains, carpets or shelves, or closer to the microphone",
        "a T60 of about {:.1f} s",
        f"a reverberation time above {REVERBERANT_SECONDS:g} s",
    ),
    SoundFault(
        "music",
        _music,
        0.0,
        "Record without music or hum in the background",
        "steady tones in {:.0%} of the time",
        f"steady tones in more than {MUSICAL_SHARE:.0%} of the time",
    ),
)


def _unused_words(findings: Findings) -> Iterator[Advice]:
    unused = [one for one in findings.tables.disagreements if one.outcome == "unused" and one.written]
    if unused:
        longest = max(unused, key=lambda one: (len(one.written), one.recording_id, one.start))
        paths = {recording.recording_id: recording.path for recording in findings.tables.recordings}
        yield Advice(
            "unused_words",
            f"Check the transcripts: {_count(len(unused), 'passage')} that nobody says in the recordings, such as "
            f"“{_shortened(longest.written)}” in {paths[longest.recording_id]}.",
            "disagreements.jsonl has words of a transcript that are in no clip.",
        )


def _sound_faults(findings: Findings) -> Iterator[Advice]:
    recordings = findings.tables.recordings
    total = math.fsum(one.seconds for one in recordings)
    for fault in SOUND_FAULTS:
        faulty = [(size, one) for one in recordings if (size := fault.size(one)) is not None]
        share = math.fsum(one.seconds for _, one in faulty) / total
        if not faulty or share <= fault.share:
            continue
        size, worst = max(faulty, key=lambda pair: (pair[0], pair[1].path))
        files = _count(len(faulty), "recording")
        yield Advice(
            fault.rule_id,
            f"{fault.remedy}: {files} with {share:.0%} of the sound, most of all {worst.path} "
            f"({fault.unit.format(abs(size))}).",
            f"Recordings with {fault.limit} are more than {fault.share:.0%} of the sound.",
        )


def _duplicates(findings: Findings) -> Iterator[Advice]:
    kept = [[one for one in group if one.clip.kept] for group in findings.duplicates]
    repeated = [group for group in kept if len(group) > 1]
    if repeated:
        n, files = sum(len(group) - 1 for group in repeated), sorted({one.recording.path for one in repeated[0]})
        yield Advice(
            "duplicates",
            f"Look at {_count(n, 'kept clip')} with the sound of another, such as in {_list(files)}. Repetition adds "
            "no minutes. To keep the best one of each, set align.duplicates to exclude.",
            "Kept clips hold the same sound as other kept clips.",
        )
    recordings = [one for one in findings.tables.recordings if one.duplicate_of is not None]
    if recordings:
        first = recordings[0]
        yield Advice(
            "duplicate_recordings",
            f"Remove {_count(len(recordings), 'recording')} with the sound of another, or correct the text of one: "
            f"{first.path} holds the same sound as {first.duplicate_of}.",
            "recordings.jsonl names another recording in duplicate_of.",
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
    _unused_words,
    _sound_faults,
    _duplicates,
    _references,
    _more_speech,
)


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" + ("" if n == 1 else "s")


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED].rstrip()} …"


def _list(names: Sequence[str], n: int = 3) -> str:
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more
