"""Stage align: the text of every clip with word times, checked against what an ASR hears; clips held out of training.

python -m stages.align --clips data/2_clips/V --manifest data/1_manifests/V --out data/3_aligned/V
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import chain, groupby
from pathlib import Path

from metrics.normalize import normalize_text, without_unit_spaces
from metrics.wer import character_errors
from stages.alignment.clip_texts import ALIGNMENT_FAILED, ClipText, clip_texts
from stages.alignment.matching import held_out
from stages.alignment.transcribe import hear
from stages.params import Align, load_params
from stages.profiles import PROFILES
from stages.running.outputs import run_stage, stage_output
from stages.running.parallel import Map, call, worker_processes
from stages.running.progress import counted
from stages.tables import AlignedClip, Clip, Recording, read_table, write_table


def align(clips_dir: Path, manifest_dir: Path, out_dir: Path, params: Align, asr: str) -> None:
    """Write clips.jsonl, kept and rejected, in the order of the clip table. asr: name of the transcriber.

    Raises ValueError where more than params.max_rejected_share of the clips are rejected.
    """
    clips = read_table(clips_dir / "clips.jsonl", Clip)
    recordings = {row.recording_id: row for row in read_table(manifest_dir / "recordings.jsonl", Recording)}
    if unknown := sorted({clip.recording_id for clip in clips} - set(recordings)):
        raise ValueError(f"{clips_dir} has clips of {unknown[0]}, which {manifest_dir} lacks; run segment again")
    with worker_processes(params.n_jobs) as workers:
        heard = transcribe(clips_dir, clips, asr, params.language, workers)
        texts = find_texts(clips_dir, clips, heard, recordings, params.language, workers)
    rows = [
        judge(clip, text, recordings[clip.recording_id].transcript is not None, asr_text, params)
        for clip, text, asr_text in zip(clips, texts, heard, strict=True)
    ]
    kept_ids = [row.clip_id for row in rows if row.kept]
    check_rejected_share(rows, params.max_rejected_share)
    chosen = held_out(kept_ids, params.held_out_share)
    rows = [row.model_copy(update={"split": "held_out"}) if row.clip_id in chosen else row for row in rows]
    write_table(out_dir / "clips.jsonl", rows)
    print(f"align {clips_dir.name}: kept {len(kept_ids)}/{len(rows)} clips, {len(chosen)} held out", flush=True)


def transcribe(clips_dir: Path, clips: Sequence[Clip], asr: str, language: str, workers: Map) -> list[str]:
    """What the ASR hears in each clip, in order, whatever the number of workers."""
    heard = workers(partial(hear, asr=asr, language=language), [clips_dir / clip.path for clip in clips])
    return list(counted(heard, len(clips), f"align {clips_dir.name}: transcribed {{}} clips"))


def find_texts(
    clips_dir: Path,
    clips: Sequence[Clip],
    heard: Sequence[str],
    recordings: dict[str, Recording],
    language: str,
    workers: Map,
) -> list[ClipText]:
    """The text of each clip, in order; the clips of a recording are neighbours and are looked at together."""
    groups = [list(group) for _, group in groupby(zip(clips, heard, strict=True), lambda pair: pair[0].recording_id)]
    calls = [
        partial(
            clip_texts,
            [clips_dir / clip.path for clip, _ in group],
            [clip.seconds for clip, _ in group],
            [text for _, text in group],
            recordings[group[0][0].recording_id].transcript,
            language,
        )
        for group in groups
    ]
    return list(chain.from_iterable(workers(call, calls)))


def judge(clip: Clip, found: ClipText, given: bool, heard: str, params: Align) -> AlignedClip:
    """The row of one clip: kept, or with the first reason why not. given: the text is the transcript's."""
    reference, asr_text = (normalize_text(said, params.language) for said in (found.text, heard))
    compared = [without_unit_spaces(text, params.language) for text in (reference, asr_text)]
    cer = round(character_errors(*compared).rate, 6) if given and reference else None
    if not asr_text:
        reason = "the ASR heard no word"
    elif found.fault and found.fault != ALIGNMENT_FAILED:
        reason = found.fault
    elif not reference and not found.fault:
        reason = "no word of the transcript falls into the clip"
    elif cer is not None and cer > params.max_cer:  # tells more than that the words do not fit
        reason = f"character error rate above align.max_cer = {params.max_cer}: {cer:.2f}"
    else:
        reason = found.fault
    return AlignedClip(
        clip_id=clip.clip_id,
        path=clip.path,
        seconds=clip.seconds,
        text=found.text,
        text_source="given" if given else "asr",
        asr_text=asr_text,
        cer=cer,
        words=tuple((word, *(min(round(time, 3), clip.seconds) for time in span)) for word, *span in found.times),
        kept=not reason,
        reason=reason,
        split="train",
    )


def check_rejected_share(rows: Sequence[AlignedClip], limit: float) -> None:
    """Raise ValueError naming the most common reason where too many clips are rejected, or all of them."""
    reasons = Counter(row.reason.partition(":")[0] for row in rows if not row.kept)
    n_rejected = reasons.total()
    if n_rejected and (n_rejected > limit * len(rows) or n_rejected == len(rows)):
        reason, count = min(reasons.items(), key=lambda item: (-item[1], item[0]))
        example = next(row for row in rows if row.reason.partition(":")[0] == reason)
        raise ValueError(
            f"{n_rejected} of {len(rows)} clips rejected (align.max_rejected_share = {limit}), most often ({count}): "
            f"{reason}, such as {example.clip_id} with the text {example.text[:60]!r} where the ASR heard "
            f"{example.asr_text[:60]!r}; check that the transcripts belong to the recordings"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.align", description="give every clip its checked text")
    parser.add_argument("--clips", type=Path, required=True, help="data/2_clips/VOICE")
    parser.add_argument("--manifest", type=Path, required=True, help="data/1_manifests/VOICE")
    parser.add_argument("--out", type=Path, required=True, help="data/3_aligned/VOICE")
    arguments = parser.parse_args()
    params = load_params()
    with stage_output(arguments.out, "align", arguments.clips.name) as folder:
        align(arguments.clips, arguments.manifest, folder, params.align, PROFILES[params.profile].asr)


if __name__ == "__main__":
    run_stage(main)
