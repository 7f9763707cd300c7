"""What becomes of clips whose sound speaks against their text, and the rows of disagreements.jsonl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from metrics.normalize import normalize_text
from stages.alignment.clip_texts import Passage
from stages.alignment.disagreements import Doubt, find_disagreements, wrong_units
from stages.execution.parallel import Map, call
from stages.sections.data import Align
from stages.tables import AlignedClip, Clip, Disagreement, Recording

WRONG_SHARE_REASON = "share of wrong words above align.max_wrong_share"


def doubts_of_clips(
    rows: Sequence[AlignedClip], clips_dir: Path, asr: str, language: str, params: Align, workers: Map
) -> dict[str, list[Doubt]]:
    """Find the words of given texts that the sound speaks against, by clip id.

    Args:
        rows: all clips.
        clips_dir: output of the stage segment.
        asr: name of the ASR judge.
        language: ISO 639 code of the clips.
        params: the section `align` of params.yaml.
        workers: runs the judge, see stages/execution/parallel.py.

    Returns:
        The doubts of at least params.min_doubt, for the clips that have one.
    """
    checked = {row.clip_id: row for row in rows if row.kept and row.cer}
    calls = [partial(find_disagreements, clips_dir / row.path, row, asr, language) for row in checked.values()]
    found = {
        clip_id: [one for one in result if one.doubt >= params.min_doubt]
        for clip_id, result in zip(checked, workers(call, calls), strict=True)
    }
    return {clip_id: doubts for clip_id, doubts in found.items() if doubts}


def reject_doubted(row: AlignedClip, doubts: Sequence[Doubt], language: str, params: Align) -> AlignedClip:
    """Reject a clip where a larger share of its words than params.max_wrong_share disagrees with the sound."""
    n_units = len(normalize_text(row.text, language).split())
    n_wrong = wrong_units(doubts)
    if row.text_source == "corrected" or not n_wrong or n_wrong <= params.max_wrong_share * n_units:
        return row
    worst = max(doubts, key=lambda one: one.doubt)
    reason = (
        f"{WRONG_SHARE_REASON} = {params.max_wrong_share}: {n_wrong} of {n_units}, such as "
        f"{worst.written!r} where {worst.heard!r} is heard"
    )
    return row.model_copy(update={"kept": False, "reason": reason})


def unused_rows(
    passages: Sequence[Passage], clips: Sequence[Clip], recording: Recording, language: str
) -> list[Disagreement]:
    """Return a row per passage of a transcript that is said in no clip.

    Args:
        passages: of one recording.
        clips: of that recording, in order.
        recording: its row in the manifest.
        language: ISO 639 code.
    """
    table = []
    for passage in passages:
        start = clips[passage.before].end if passage.before is not None else 0.0
        end = clips[passage.after].start if passage.after is not None else recording.seconds
        if written := normalize_text(passage.text, language):
            table.append(
                Disagreement(
                    recording_id=recording.recording_id,
                    clip_id="",
                    start=round(start, 3),
                    end=round(max(start, end), 3),
                    written=written,
                    heard="",
                    doubt=None,
                    outcome="unused",
                )
            )
    return table


def disagreement_rows(
    rows: Sequence[AlignedClip], clips: Sequence[Clip], doubts: Mapping[str, Sequence[Doubt]], language: str
) -> list[Disagreement]:
    """Return a row per doubt, and one for each clip with a given text that is rejected as a whole.

    Args:
        rows: all clips.
        clips: their rows in the table of segment.
        doubts: of `doubts_of_clips`.
        language: ISO 639 code of the clips.
    """
    table = []
    for row, clip in zip(rows, clips, strict=True):
        outcome = "kept" if row.kept else "rejected"
        place = {"recording_id": clip.recording_id, "clip_id": row.clip_id, "outcome": outcome}
        for one in doubts.get(row.clip_id, ()):
            start, end = (round(clip.start + time, 3) for time in (one.start, one.end))
            table.append(
                Disagreement(
                    **place, start=start, end=end, written=one.written, heard=one.heard, doubt=one.doubt
                )
            )  # fmt: skip
        written = normalize_text(row.text, language)
        if not row.kept and row.text_source == "given" and not doubts.get(row.clip_id) and written != row.asr_text:
            table.append(
                Disagreement(
                    **place,
                    start=round(clip.start, 3),
                    end=round(clip.end, 3),
                    written=written,
                    heard=row.asr_text,
                    doubt=None,
                )
            )
    return table
