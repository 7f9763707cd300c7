"""Stage align: give every clip its text with word times, checked against an ASR, and hold some clips out of training.

python -m stages.align --clips data/2_clips/V --manifest data/1_manifests/V --out data/3_aligned/V
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from metrics.judges.transcriber import Transcription
from metrics.normalize import normalize_text
from stages.alignment.clip_texts import ClipText, clip_texts
from stages.alignment.cross_attention import NOT_ALIGNED
from stages.alignment.error_rates import text_error_rate
from stages.alignment.outcomes import (
    CER_REASON,
    disagreement_rows,
    doubts_left,
    doubts_of_clips,
    reject_doubted,
    repair_clips,
    unused_rows,
)
from stages.alignment.transcribe import judge_version, transcribe
from stages.corrections.decisions import DROPPED, ClipDecision
from stages.corrections.file import read_decisions
from stages.corrections.obeying import (
    confirmed_clips,
    correct_texts,
    decisions_by_clip,
    dropped_clips,
    is_corrected,
    obey,
)
from stages.execution.cache import NO_CACHE, ResultCache, open_cache
from stages.execution.cached_calls import cached_map
from stages.execution.one_version import with_one_version
from stages.execution.outputs import stage_output
from stages.execution.parallel import Map, call, worker_processes
from stages.execution.program import run_stage
from stages.execution.progress import report_progress
from stages.params import load_params
from stages.profiles import PROFILES, require_heard
from stages.sections.data import Align
from stages.speakers.hearing import hearing_workers
from stages.speakers.screening import hold_out_clips, screen_clips, screening_findings
from stages.tables import AlignedClip, Clip, Disagreement, Recording, read_table, shared_language, write_table

NO_WORDS = "its text has no words after normalisation"


def align(
    clips_dir: Path,
    manifest_dir: Path,
    out_dir: Path,
    params: Align,
    asr: str,
    speaker: str | None = None,
    cache: ResultCache = NO_CACHE,
) -> None:
    """Write clips.jsonl with kept and rejected clips, in the order of the clip table, and disagreements.jsonl.

    Args:
        clips_dir: output of the stage segment.
        manifest_dir: output of the stage ingest.
        out_dir: gets the two tables.
        params: the section `align` of params.yaml.
        asr: name of the ASR judge.
        speaker: name of the speaker judge. None: the clips are not compared with each other.
        cache: holds what earlier runs found in the same clips.

    Raises:
        ValueError: the tables do not fit each other, or more than params.max_rejected_share of the clips are rejected.
    """
    clips, recordings = read_clips(clips_dir, manifest_dir)
    language = shared_language(recordings.values(), manifest_dir / "recordings.jsonl")
    require_heard(asr, language)
    decisions = decisions_on(clips, recordings, manifest_dir)
    with worker_processes(params.n_jobs) as processes:
        asr_version, workers = with_one_version(processes, partial(judge_version, asr))
        workers = cached_map(workers, cache, same={"asr": asr_version})
        heard = transcribe_clips(clips_dir, clips, asr, language, workers)
        asr_texts = [h.text for h in heard]
        texts, unsaid = find_texts(clips_dir, clips, asr_texts, recordings, language, asr, workers)
        texts = correct_texts(clips_dir, clips, asr_texts, texts, decisions, language, asr, workers)
        rows = [
            align_clip(
                clip,
                text,
                is_given=recordings[clip.recording_id].transcript is not None,
                is_corrected=is_corrected(decisions, clip.clip_id),
                heard=heard_in_it,
                language=language,
                params=params,
            )
            for clip, text, heard_in_it in zip(clips, texts, heard, strict=True)
        ]
        doubts = doubts_of_clips(rows, clips_dir, asr, language, params, workers)
        rows, repaired = repair_clips(rows, doubts, decisions.keys(), clips_dir, out_dir, asr, params, workers)
        left = {row.clip_id: doubts_left(row, doubts, repaired) for row in rows}
        rows = [reject_doubted(row, left[row.clip_id], language, params) for row in rows]
        dropped, rows = dropped_clips(rows, decisions), obey(rows, decisions)
        check_rejected_share(rows, params.max_rejected_share)
        if speaker is not None:
            hearers = hearing_workers(speaker, processes, cache)
            rows = screen_clips(rows, clips_dir, out_dir, params, speaker, hearers, confirmed_clips(decisions), dropped)
    rows = hold_out_clips(rows, clips, params)
    write_table(out_dir / "clips.jsonl", rows)
    write_table(out_dir / "disagreements.jsonl", [*disagreement_rows(rows, clips, doubts, repaired, language), *unsaid])
    print_findings(clips_dir.name, rows, {key for key, some in left.items() if some}, len(unsaid), recordings)


def read_clips(clips_dir: Path, manifest_dir: Path) -> tuple[list[Clip], dict[str, Recording]]:
    """Return the clip table, and the manifest by recording id.

    Raises:
        ValueError: a clip's recording is not in the manifest.
    """
    clips = read_table(clips_dir / "clips.jsonl", Clip)
    recordings = {row.recording_id: row for row in read_table(manifest_dir / "recordings.jsonl", Recording)}
    if unknown := sorted({clip.recording_id for clip in clips} - set(recordings)):
        raise ValueError(f"{clips_dir} has clips of {unknown[0]}, which {manifest_dir} lacks; run segment again")
    return clips, recordings


def decisions_on(
    clips: Sequence[Clip], recordings: Mapping[str, Recording], manifest_dir: Path
) -> dict[str, ClipDecision]:
    """Return what a person decided, by clip id, and print the decisions that apply to no clip."""
    decisions, unused = decisions_by_clip(clips, read_decisions(manifest_dir))
    for one in unused:
        place = f"{recordings[one.recording_id].path} {one.start:.2f}-{one.end:.2f} s"
        print(
            f"align {manifest_dir.name}: a correction applies to no clip: {place}, by {one.by} {one.when}", flush=True
        )
    return decisions


def print_findings(
    voice: str,
    rows: Sequence[AlignedClip],
    doubted: Collection[str],
    n_unsaid: int,
    recordings: Mapping[str, Recording],
) -> None:
    """Print what a newcomer should know about the clips.

    Args:
        voice: name of the voice.
        rows: all clips.
        doubted: ids of clips with words that are not heard.
        n_unsaid: number of passages of transcripts that are in no clip.
        recordings: the manifest by recording id.
    """
    kept_ids = [row.clip_id for row in rows if row.kept]
    n_held_out = sum(row.kept and row.split == "held_out" for row in rows)
    print(f"align {voice}: kept {len(kept_ids)}/{len(rows)} clips, {n_held_out} held out", flush=True)
    where = f"see data/3_aligned/{voice}/disagreements.jsonl"
    if n_doubted := len(set(kept_ids).intersection(doubted)):
        print(f"align {voice}: {n_doubted} kept clips have words that are not heard, {where}", flush=True)
    if n_repaired := sum(row.kept and bool(row.repair) for row in rows):
        print(f"align {voice}: {n_repaired} clips repaired, {where}", flush=True)
    if n_unsaid:
        print(f"align {voice}: {n_unsaid} passages of transcripts are in no clip, {where}", flush=True)
    for finding in screening_findings(rows, {key: row.path for key, row in recordings.items()}):
        print(f"align {voice}: {finding}", flush=True)


def transcribe_clips(
    clips_dir: Path, clips: Sequence[Clip], asr: str, language: str, workers: Map
) -> list[Transcription]:
    """Transcribe every clip with the ASR judge `asr`, in order.

    The result does not depend on the number of workers.
    """
    texts = workers(partial(transcribe, asr=asr, language=language), [clips_dir / clip.path for clip in clips])
    return list(report_progress(texts, len(clips), f"align {clips_dir.name}: transcribed {{}} clips"))


def find_texts(
    clips_dir: Path,
    clips: Sequence[Clip],
    asr_texts: Sequence[str],
    recordings: dict[str, Recording],
    language: str,
    asr: str,
    workers: Map,
) -> tuple[list[ClipText], list[Disagreement]]:
    """Find the text of each clip, in order, and the passages of transcripts that belong to no clip.

    The clips of a recording are neighbours in the table. They are handled together where they share a transcript, else
    one by one, so that only changed ones are handled again.

    Args:
        clips_dir: output of the stage segment.
        clips: the clip table.
        asr_texts: what the ASR heard in each clip.
        recordings: the manifest by recording id.
        language: ISO 639 code of the recordings.
        asr: name of the ASR judge.
        workers: runs the alignment, see stages/execution/parallel.py.
    """

    def shared_transcript(pair: tuple[Clip, str]) -> str:
        clip, _ = pair
        return clip.clip_id if recordings[clip.recording_id].transcript is None else clip.recording_id

    groups = [list(group) for _, group in groupby(zip(clips, asr_texts, strict=True), shared_transcript)]
    calls = [
        partial(
            clip_texts,
            [clips_dir / clip.path for clip, _ in group],
            [clip.seconds for clip, _ in group],
            [text for _, text in group],
            recordings[group[0][0].recording_id].transcript,
            language,
            asr,
        )
        for group in groups
    ]
    texts: list[ClipText] = []
    unused: list[Disagreement] = []
    for group, found in zip(groups, workers(call, calls), strict=True):
        own = [clip for clip, _ in group]
        texts += found.clips
        unused += unused_rows(found.unused, own, recordings[own[0].recording_id], language)
    return texts, unused


def align_clip(
    clip: Clip,
    found: ClipText,
    *,
    is_given: bool,
    heard: Transcription,
    language: str,
    params: Align,
    is_corrected: bool = False,
) -> AlignedClip:
    """Make the row of one clip: kept, or rejected with the first reason that applies.

    Args:
        clip: its row in the clip table.
        found: its text with word times, or why it has none.
        is_given: whether the text comes from a transcript.
        heard: what the ASR heard, not normalised, or why it heard no word.
        language: ISO 639 code of the clip.
        params: the section `align` of params.yaml.
        is_corrected: whether a person heard the clip and wrote the text, which then only has to align.
    """
    reference, asr_text = (normalize_text(text, language) for text in (found.text, heard.text))
    spoken = [word for word, *_ in found.times]
    cer = text_error_rate(found.text, spoken, asr_text, language) if is_given or is_corrected else None
    if found.text.strip() and not reference:
        reason = NO_WORDS
    elif is_corrected:
        reason = found.fault
    elif heard.no_words_because:
        reason = f"nobody speaks in it: {heard.no_words_because}"
    elif not asr_text:
        reason = "the ASR heard no word"
    elif found.fault and not found.fault.startswith(NOT_ALIGNED):
        reason = found.fault
    elif not reference and not found.fault:
        reason = "no word of the transcript falls into the clip"
    elif cer is not None and cer > params.max_cer:  # says more than that the words do not fit the audio
        reason = f"{CER_REASON} = {params.max_cer}: {cer:.2f}"
    else:
        reason = found.fault
    return AlignedClip(
        clip_id=clip.clip_id,
        path=clip.path,
        seconds=clip.seconds,
        text=found.text,
        text_source="corrected" if is_corrected else "given" if is_given else "asr",
        asr_text=asr_text,
        cer=cer,
        words=tuple((word, *(min(round(time, 3), clip.seconds) for time in span)) for word, *span in found.times),
        kept=not reason,
        reason=reason,
        split="train",
        language=language,
    )


def check_rejected_share(rows: Sequence[AlignedClip], max_share: float) -> None:
    """Raise ValueError with the most common reason where too many clips are rejected, or all of them.

    Args:
        rows: all clips.
        max_share: largest share of rejected clips, 0 to 1.
    """
    if rows and all(row.reason.startswith(DROPPED) for row in rows):
        raise ValueError(f"all {len(rows)} clips were dropped by review; restore some of them with vox review")
    rows = [row for row in rows if not row.reason.startswith(DROPPED)]
    reasons = Counter(row.reason.partition(":")[0] for row in rows if not row.kept)
    n_rejected = reasons.total()
    if n_rejected and (n_rejected > max_share * len(rows) or n_rejected == len(rows)):
        reason, count = min(reasons.items(), key=lambda item: (-item[1], item[0]))
        example = next(row for row in rows if row.reason.partition(":")[0] == reason)
        raise ValueError(
            f"{n_rejected} of {len(rows)} clips rejected (align.max_rejected_share = {max_share}), most often "
            f"({count}): {reason}, such as {example.clip_id} with the text {example.text[:60]!r} where the ASR heard "
            f"{example.asr_text[:60]!r}; check that the transcripts belong to the recordings"
        )


def main() -> None:
    """Run the stage with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.align", description="give every clip its checked text")
    parser.add_argument("--clips", type=Path, required=True, help="data/2_clips/VOICE")
    parser.add_argument("--manifest", type=Path, required=True, help="data/1_manifests/VOICE")
    parser.add_argument("--out", type=Path, required=True, help="data/3_aligned/VOICE")
    arguments = parser.parse_args()
    with stage_output(arguments.out, "align", arguments.clips.name) as folder:
        params = load_params()
        profile = PROFILES[params.profile]
        align(arguments.clips, arguments.manifest, folder, params.align, profile.asr, profile.speaker, open_cache())


if __name__ == "__main__":
    run_stage(main)
