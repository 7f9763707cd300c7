"""What becomes of clips whose sound speaks against their text, and the rows of disagreements.jsonl."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from gpt_sovits.audio import load_audio, save_flac, to_mono
from metrics.normalize import normalize_text
from stages.alignment.clip_texts import Passage
from stages.alignment.disagreements import Doubt, Run, find_disagreements, wrong_units
from stages.alignment.repairs import Repair, repair_clip
from stages.clip_audio import TRIMMED
from stages.execution.parallel import Map, call
from stages.sections.data import Align
from stages.tables import AlignedClip, Clip, Disagreement, Recording

CER_REASON = "character error rate above align.max_cer"
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
        The doubts of at least params.min_doubt, for the clips that have one. Clips with too high a character error
        rate have some only where they may be trimmed.
    """
    checked = {
        row.clip_id: row
        for row in rows
        if row.cer and (row.kept or ("trim" in params.repair and row.reason.startswith(CER_REASON)))
    }
    calls = [
        partial(find_disagreements, clips_dir / row.path, _without_name(row), asr, language) for row in checked.values()
    ]
    found = {
        clip_id: [one for one in result if one.doubt >= params.min_doubt]
        for clip_id, result in zip(checked, workers(call, calls), strict=True)
    }
    return {clip_id: doubts for clip_id, doubts in found.items() if doubts}


def repair_clips(
    rows: Sequence[AlignedClip],
    doubts: Mapping[str, Sequence[Doubt]],
    decided: Collection[str],
    clips_dir: Path,
    out_dir: Path,
    asr: str,
    params: Align,
    workers: Map,
) -> tuple[list[AlignedClip], dict[str, tuple[Run, ...]]]:
    """Repair the clips with doubts as params.repair says, and write the sound of those that are cut.

    A clip that a person decided on stays as it is.

    Args:
        rows: all clips.
        doubts: of `doubts_of_clips`.
        decided: ids of the clips that a person decided on.
        clips_dir: output of the stage segment.
        out_dir: gets trimmed/CLIP_ID.flac.
        asr: name of the ASR judge.
        params: the section `align` of params.yaml.
        workers: runs the judge, see stages/execution/parallel.py.

    Returns:
        All clips, and the runs that are no longer in a clip, by its id.
    """
    if not params.repair:
        return list(rows), {}
    repaired = [
        row for row in rows if row.clip_id in doubts and row.clip_id not in decided and row.text_source == "given"
    ]
    calls = [
        partial(repair_clip, clips_dir / row.path, _without_name(row), doubts[row.clip_id], asr, params)
        for row in repaired
    ]
    repairs = {row.clip_id: _named(repair, row) for row, repair in zip(repaired, workers(call, calls), strict=True)}
    for row in repaired:
        if span := repairs[row.clip_id].span:
            samples, sample_rate = load_audio(clips_dir / row.path)
            (out_dir / TRIMMED).mkdir(exist_ok=True)
            save_flac(out_dir / repairs[row.clip_id].row.path, to_mono(samples)[span[0] : span[1]], sample_rate)
    new = [repairs[row.clip_id].row if row.clip_id in repairs else row for row in rows]
    return new, {clip_id: repair.runs for clip_id, repair in repairs.items() if repair.runs}


def _without_name(row: AlignedClip) -> AlignedClip:
    """Return a clip as workers see it: what they find is kept, and found again for the clip under another name."""
    return row.model_copy(update={"clip_id": "", "path": ""})


def _named(repair: Repair, row: AlignedClip) -> Repair:
    """Return the repair of a clip without a name as that of `row`."""
    path = f"{TRIMMED}/{row.clip_id}.flac" if repair.span else row.path
    return replace(repair, row=repair.row.model_copy(update={"clip_id": row.clip_id, "path": path}))


def doubts_left(
    row: AlignedClip, doubts: Mapping[str, Sequence[Doubt]], repaired: Mapping[str, Sequence[Run]]
) -> list[Doubt]:
    """Return the doubts that are still in a clip after `repair_clips`."""
    return [one for one in doubts.get(row.clip_id, ()) if one.run not in repaired.get(row.clip_id, ())]


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
    rows: Sequence[AlignedClip],
    clips: Sequence[Clip],
    doubts: Mapping[str, Sequence[Doubt]],
    repaired: Mapping[str, Sequence[Run]],
    language: str,
) -> list[Disagreement]:
    """Return a row per doubt, and one for each clip with a given text that is rejected as a whole.

    Args:
        rows: all clips.
        clips: their rows in the table of segment.
        doubts: of `doubts_of_clips`.
        repaired: of `repair_clips`.
        language: ISO 639 code of the clips.
    """
    table = []
    for row, clip in zip(rows, clips, strict=True):
        own = [
            (one.start, one.end, one.written, one.heard, one.doubt, one.run in repaired.get(row.clip_id, ()))
            for one in doubts.get(row.clip_id, ())
        ]
        written = normalize_text(row.text, language)
        if not row.kept and row.text_source == "given" and not own and written != row.asr_text:
            own = [(0.0, clip.end - clip.start, written, row.asr_text, None, False)]
        table += [
            Disagreement(
                recording_id=clip.recording_id,
                clip_id=row.clip_id,
                start=round(clip.start + start, 3),
                end=round(clip.start + end, 3),
                written=written,
                heard=heard,
                doubt=doubt,
                outcome="rejected" if not row.kept else "repaired" if is_repaired else "kept",
            )
            for start, end, written, heard, doubt, is_repaired in own
        ]
    return table
