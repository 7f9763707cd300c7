"""The part of the stage align that compares the clips of a voice with each other, before some are held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from stages.alignment.matching import held_out_clips
from stages.clip_audio import clip_file
from stages.corrections.decisions import DROPPED
from stages.execution.parallel import Map
from stages.execution.progress import report_progress
from stages.sections.data import Align
from stages.speakers.clip_twins import find_twin_clips, surplus_clips, twin_groups
from stages.speakers.hearing import ClipSound, hear_clip
from stages.speakers.voices import find_speakers, speaker_limit
from stages.tables import AlignedClip, Clip

OTHER_SPEAKER = "another speaker"  # what reasons begin with
SAME_SOUND = "the same sound as another clip"
TEXT_SOURCES = ("corrected", "given", "asr")  # from the most to the least trusted
N_NAMED = 3


def screen_clips(
    rows: Sequence[AlignedClip],
    clips_dir: Path,
    aligned_dir: Path,
    params: Align,
    speaker: str,
    workers: Map,
    confirmed: Collection[str] = (),
    dropped: Collection[str] = (),
) -> list[AlignedClip]:
    """Name the speaker of each kept clip and its twins, and reject what the configuration excludes.

    Args:
        rows: all clips.
        clips_dir: output of the stage segment.
        aligned_dir: holds the clips that align trimmed.
        params: the section `align` of params.yaml.
        speaker: name of the speaker judge.
        workers: runs the judge, see stages/execution/parallel.py.
        confirmed: ids of clips that a person wants to keep, whatever is found.
        dropped: ids of clips that are rejected only because a person dropped them.

    Returns:
        All clips. The columns speaker, speaker_similarity and duplicate_group of the kept ones are filled. Where
        duplicates are excluded, so is duplicate_group of the dropped ones.

    Raises:
        ValueError: no clip is left.
    """
    compared = [row for row in rows if row.kept or (params.duplicates == "exclude" and row.clip_id in dropped)]
    sounds = workers(partial(hear_clip, speaker=speaker), [clip_file(row, clips_dir, aligned_dir) for row in compared])
    heard = list(report_progress(sounds, len(compared), f"align {clips_dir.name}: compared {{}} clips", every=100))
    screened = mark_speakers(compared, heard, params, confirmed)
    screened = mark_twins(screened, heard, params, confirmed, dropped)
    if any(row.kept for row in rows) and not any(row.kept for row in screened):
        first = next(row for row, before in zip(screened, compared, strict=True) if before.kept)
        raise ValueError(
            f"no clip is left, the first: {first.clip_id}: {first.reason}; check that the recordings are "
            f"of one speaker, or set align.other_speakers to report"
        )
    by_id = {row.clip_id: row for row in screened}
    return [by_id.get(row.clip_id, row) for row in rows]


def mark_speakers(
    rows: Sequence[AlignedClip], heard: Sequence[ClipSound], params: Align, confirmed: Collection[str] = ()
) -> list[AlignedClip]:
    """Fill the columns speaker and speaker_similarity, and reject clips of others where they are excluded.

    A clip in which no speaker can be heard keeps both columns empty. So does a rejected clip, which does not count for
    the voice.
    """
    known = [index for index, one in enumerate(heard) if one.embedding is not None and rows[index].kept]
    if not known:
        return list(rows)
    found = find_speakers(
        np.stack([heard[index].embedding for index in known]),
        [rows[index].seconds for index in known],
        params.min_speaker_similarity,
    )
    marked = list(rows)
    for index, similarity, label in zip(known, found.similarities.tolist(), found.labels.tolist(), strict=True):
        changes: dict[str, object] = {"speaker": label, "speaker_similarity": similarity}
        if label and params.other_speakers == "exclude" and rows[index].clip_id not in confirmed:
            limit = float(speaker_limit(rows[index].seconds, params.min_speaker_similarity))
            changes |= {
                "kept": False,
                "reason": f"{OTHER_SPEAKER}: speaker {label}, cosine {similarity:.2f} to the voice; a clip of "
                f"{rows[index].seconds:.1f} s needs {limit:.2f} (align.min_speaker_similarity = "
                f"{params.min_speaker_similarity})",
            }
        marked[index] = rows[index].model_copy(update=changes)
    return marked


def mark_twins(
    rows: Sequence[AlignedClip],
    heard: Sequence[ClipSound],
    params: Align,
    confirmed: Collection[str] = (),
    dropped: Collection[str] = (),
) -> list[AlignedClip]:
    """Fill the column duplicate_group, and keep one of the clips with the same sound where duplicates are excluded.

    A clip that a person confirmed is the best, then one with a corrected text, one with a given text, and the longer
    one. Where duplicates are excluded, the clips in `dropped` are compared as if they were kept. So a clip goes on
    keeping its copies out after a person dropped it.
    """
    dropped = dropped if params.duplicates == "exclude" else ()
    compared = [index for index, row in enumerate(rows) if row.kept or row.clip_id in dropped]
    twins = find_twin_clips([heard[index].fingerprint for index in compared])

    def preference(position: int) -> tuple[bool, int, float, str]:
        row = rows[compared[position]]
        return (row.clip_id not in confirmed, TEXT_SOURCES.index(row.text_source), -row.seconds, row.clip_id)

    marked = list(rows)
    for group in twin_groups(twins):
        best = rows[compared[min(group, key=preference)]].clip_id
        for position in group:
            marked[compared[position]] = marked[compared[position]].model_copy(update={"duplicate_group": best})
    if params.duplicates == "exclude":
        for position, better in surplus_clips(twins, preference).items():
            row, other = marked[compared[position]], rows[compared[better]]
            if row.kept:
                reason = f"{SAME_SOUND}: {other.clip_id}{'' if other.kept else f', which was {DROPPED}'}"
                marked[compared[position]] = row.model_copy(update={"kept": False, "reason": reason})
    return marked


def hold_out_clips(rows: Sequence[AlignedClip], clips: Sequence[Clip], params: Align) -> list[AlignedClip]:
    """Fill the column split of the kept clips. Where duplicates are kept, none in training repeats a held-out one.

    The split of a clip follows from its own place, see held_out_clips. Moving twins together would move them whenever
    another comes or goes, so the twins of held-out clips are rejected instead.

    Args:
        rows: all clips.
        clips: their rows in the table of segment.
        params: the section `align` of params.yaml.
    """
    kept = {row.clip_id for row in rows if row.kept}
    held_out_ids = held_out_clips([clip for clip in clips if clip.clip_id in kept], params.held_out_share)
    held_out_of: dict[str, str] = {}
    if params.duplicates == "report":
        for row in rows:
            if row.clip_id in held_out_ids and row.duplicate_group is not None:
                held_out_of.setdefault(row.duplicate_group, row.clip_id)
    split = []
    for row in rows:
        if row.clip_id in held_out_ids:
            split.append(row.model_copy(update={"split": "held_out"}))
        elif row.kept and row.duplicate_group in held_out_of:
            reason = f"{SAME_SOUND}: {held_out_of[row.duplicate_group]}, which is held out"
            split.append(row.model_copy(update={"kept": False, "reason": reason}))
        else:
            split.append(row)
    return split


def screening_findings(rows: Sequence[AlignedClip], recording_paths: Mapping[str, str]) -> list[str]:
    """Return sentences about other speakers and duplicates, for the last lines that align prints.

    Args:
        rows: all clips.
        recording_paths: path of each recording by the id that its clips' ids begin with.
    """
    sentences = []
    if others := [row for row in rows if row.speaker]:
        sizes = Counter(row.speaker for row in others)
        who = f"{len(sizes)} other speakers" if len(sizes) > 1 else "another speaker"
        subject, verb = ("1 clip sounds", "is") if len(others) == 1 else (f"{len(others)} clips sound", "are")
        outcome = "excluded" if not any(row.kept for row in others) else "kept (align.other_speakers: report)"
        sentences.append(
            f"{subject} like {who} and {verb} {outcome}: {_recordings(others, recording_paths)}; listen to them, "
            "and see the column speaker of clips.jsonl"
        )
    if twins := [row for row in rows if row.duplicate_group is not None]:
        gone = [row for row in twins if row.reason.startswith(SAME_SOUND)]
        sentences.append(
            f"{len(twins)} clips hold the same sound as others, {len(gone)} of them left out: "
            f"{_recordings(gone or twins, recording_paths)}"
        )
    return sentences


def _recordings(rows: Sequence[AlignedClip], recording_paths: Mapping[str, str]) -> str:
    counts = Counter(recording_paths[row.clip_id.rpartition("-")[0]] for row in rows)
    named = [f"{path} ({count})" if count > 1 else path for path, count in sorted(counts.items())]
    rest = f" and {len(named) - N_NAMED} more recordings" if len(named) > N_NAMED else ""
    return f"{', '.join(named[:N_NAMED])}{rest}"
