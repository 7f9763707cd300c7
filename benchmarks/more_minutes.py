"""What more minutes of recordings bring: the base is adapted on parts of a voice's clips, and each result is scored.

    python -m benchmarks.more_minutes --voice sample --minutes 0 0.5 1 2 4       # adds to curves.csv
    python -m benchmarks.more_minutes --voice ljspeech --minutes 0 0.5 1 2       # a real reader, from ../shared

A smaller part lies within every larger one, and the clips that are held out are the same for all. Each point runs the
adaptation stages of params.yaml unchanged, and says the same prompts with the same seed. The adapted weights are kept
whole: evaluate would interpolate them with the base's by figures of a few prompts, and a weight that changes from point
to point hides what the minutes did. 0 minutes is the base with a reference clip. What is done is kept in --work, so a
run can be stopped and resumed. The stage data_card reads the table.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from gpt_sovits.determinism import deterministic
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_gpt, load_sovits
from metrics.prompts import selection_subset
from metrics.scores import UtteranceScore, mean_similarities, pooled
from stages.align import align
from stages.card.advice.curves import CURVES, MeasuredPoint, base_sha256, curves_text, read_curves
from stages.evaluation.inputs import VoiceFolders, load_scoring_inputs, load_synthesis_inputs
from stages.evaluation.scoring import ScoringContext, embed_voice, score_utterances
from stages.evaluation.trials import CheckpointTrials, PromptScorer, checkpoint_pairs, choose_checkpoints
from stages.evaluation.utterances import held_out_utterances
from stages.execution.outputs import stage_output, write_atomically
from stages.execution.parallel import worker_processes
from stages.features import choose_reference, features
from stages.ingest import ingest
from stages.params import Params, load_params
from stages.profiles import PROFILES
from stages.segment import segment
from stages.tables import AlignedClip, FeatureClip, read_table, write_json, write_table

ROOT = Path(__file__).resolve().parents[1]
CONSENT_DAY = date(2026, 1, 1)
N_SELECTION_PROMPTS = 8
N_RESAMPLES = 2000
RESULTS_HEAD = """# What more minutes of recordings bring

`python -m benchmarks.more_minutes` adapts the base model on parts of a voice's clips and scores each result. A smaller
part lies within every larger one, the clips that are held out are the same for all, and each part has its own reference
clip. The stages of adaptation are those of a run. Their weights are kept whole, while evaluate may interpolate them
with the base's, which gives fewer word errors and less similarity. Of several saved epochs, 8 prompts choose. Each
prompt is said once, with the first seed. 0 minutes is the base model with a reference clip. Brackets hold 95 %
intervals from a bootstrap over prompts. The similarity is that to held-out recordings.

One part of each length and one seed were measured, so the intervals do not contain how much parts of one length
differ. The table is `curves.csv`, which the [data card](../../docs/pipeline/data_card.md) reads.
"""
READER = """\
name: ljspeech
language: en
consent:
  speaker: Linda Johnson (LJSpeech, public domain)
  kind: synthetic
  purposes: [research]
  scope: {languages: null, territories: null, commercial: false}
  granted_on: 2026-01-01
  valid_until: null
  evidence: null
  evidence_sha256: null
  revoked_on: null
"""


def recordings_of(voice: str, work: Path) -> Path:
    """Return the folder with the recordings of a voice of the project, or of the real reader in ../shared.

    Raises:
        SystemExit: the voice is unknown.
    """
    own = ROOT / "data/1_recordings" / voice
    if own.is_dir():
        return own
    shared = Path(os.environ.get("VOXFOUNDRY_SHARED", ROOT.parent / "shared")) / "data" / voice
    if not shared.is_dir():
        raise SystemExit(f"no recordings of {voice}: neither {own} nor {shared} exists")
    folder = work / "1_recordings" / voice
    if not folder.is_dir():
        shutil.copytree(shared, folder)
        (folder / "voice.yaml").write_text(READER, encoding="utf-8")
    return folder


def prepare(voice: str, work: Path, params: Params) -> VoiceFolders:
    """Run the stages from ingest to features, each once, and return what they wrote."""
    recordings = recordings_of(voice, work)
    manifest, clips, aligned, tensors = (
        work / name / voice for name in ("1_manifests", "2_clips", "3_aligned", "4_features")
    )
    steps = {
        manifest: lambda out: ingest(recordings, out, params.ingest, CONSENT_DAY),
        clips: lambda out: segment(recordings, manifest, out, params.segment),
        aligned: lambda out: align(clips, manifest, out, params.align, PROFILES[params.profile].asr),
        tensors: lambda out: features(clips, aligned, manifest, out, params),
    }
    for folder, step in steps.items():
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with stage_output(folder, f"more-minutes-{folder.parent.name}", voice) as out:
                step(out)
    return VoiceFolders(clips, aligned, tensors)


def training_part(clips: Sequence[FeatureClip], minutes: float) -> list[FeatureClip]:
    """Return the training clips up to this length in an order that depends on their ids alone, so that parts nest."""
    ordered = sorted(
        (clip for clip in clips if clip.split == "train"),
        key=lambda clip: hashlib.sha256(clip.clip_id.encode()).hexdigest(),
    )
    part, seconds = [], 0.0
    for clip in ordered:
        if part and seconds + clip.seconds / 2 > 60 * minutes:
            break
        part.append(clip)
        seconds += clip.seconds
    return part


def write_part(features_dir: Path, part: Sequence[FeatureClip], out: Path, params: Params) -> None:
    """Write a features folder with these training clips, all held-out clips, and a reference clip out of the part."""
    clips = read_table(features_dir / "clips.jsonl", FeatureClip)
    kept = {clip.clip_id for clip in part}
    out.mkdir(parents=True, exist_ok=True)
    write_table(out / "clips.jsonl", [clip for clip in clips if clip.split == "held_out" or clip.clip_id in kept])
    write_json(out / "reference.json", choose_reference(list(part), params).model_dump())
    shutil.copyfile(features_dir / "speaker.safetensors", out / "speaker.safetensors")
    tensors = out / "tensors"
    if not tensors.is_symlink():
        tensors.symlink_to((features_dir / "tensors").resolve())


def adapt(place: Path) -> None:
    """Run the two adaptation stages on place/features, each once. A stopped one resumes."""
    for model in ("sovits", "gpt"):
        if not (place / model).is_dir():
            command = ["-m", f"stages.adapt_{model}", "--features", f"{place}/features", "--out", f"{place}/{model}"]
            subprocess.run([sys.executable, *command], check=True, cwd=ROOT)


def speak(
    place: Path, folders: VoiceFolders, params: Params, n_prompts: int, *, is_adapted: bool
) -> tuple[list[UtteranceScore], list[UtteranceScore]]:
    """Say the prompts and score them.

    Args:
        place: the folder of the point, with features, gpt and sovits.
        folders: what the stages wrote, with the features of this part of the clips.
        params: all of params.yaml.
        n_prompts: prompts to say, each with the first seed.
        is_adapted: whether the adapted pair speaks, not the base.

    Returns:
        The rows of the prompts and of the held-out recordings.
    """
    settings = params.evaluate.model_copy(
        update={"n_selection_prompts": N_SELECTION_PROMPTS, "interpolation_weights": ()}
    )
    inputs = load_scoring_inputs(folders, params)
    synthesis = load_synthesis_inputs(folders, inputs, params)
    prompts = selection_subset(inputs.prompts.prompts, n_prompts)
    with deterministic(seed=0, n_threads=settings.n_threads), worker_processes(settings.n_jobs) as workers:
        recordings = held_out_utterances(folders, inputs, inputs.prompts.language)
        profile = PROFILES[params.profile]
        scoring = ScoringContext(
            embed_voice(inputs.centroid, recordings, profile, workers), profile, inputs.prompts.language
        )
        held_out = score_utterances(recordings, scoring, workers)
        scorer = PromptScorer(inputs.reference_clip.text, scoring, workers)
        seed = inputs.prompts.seeds[0]
        if is_adapted:
            pairs = checkpoint_pairs(place / "gpt/checkpoints", place / "sovits/checkpoints")
            trials = CheckpointTrials(pairs, synthesis, scorer, seed, place / "selection", place / "interpolated")
            choice = choose_checkpoints(trials, inputs.prompts, settings, pooled(held_out)["similarity"])
            gpt, sovits = load_gpt(choice.pair.gpt), load_sovits(choice.pair.sovits)
        else:
            gpt, sovits = synthesis.base.build_gpt(), synthesis.base.build_sovits()
        synthesizer = Synthesizer(gpt, sovits, synthesis.reference, synthesis.preset, lexicon=synthesis.lexicon)
        rows, _ = scorer.score(synthesizer, prompts, (seed,), place / "audio")
    return rows, held_out


def interval(rows: Sequence[UtteranceScore], name: str) -> tuple[float, float]:
    """Return the 95 % interval of a pooled figure, by a bootstrap over prompts with a fixed seed."""
    generator = np.random.default_rng(0)
    if name == "wer":
        above, below = (np.array([getattr(row, key) for row in rows], float) for key in ("word_errors", "n_words"))
    else:
        above, below = np.array([row.similarity_held_out for row in rows], float), np.ones(len(rows))
    chosen = generator.integers(0, len(rows), (N_RESAMPLES, len(rows)))
    low, high = np.quantile(above[chosen].sum(axis=1) / below[chosen].sum(axis=1), (0.025, 0.975))
    return round(float(low), 4), round(float(high), 4)


def measure(voice: str, speaker: str, minutes: float, work: Path, params: Params, n_prompts: int) -> MeasuredPoint:
    """Adapt and score one point, and return its row."""
    folders = prepare(voice, work, params)
    clips = read_table(folders.features / "clips.jsonl", FeatureClip)
    part = training_part(clips, minutes or 1e9)
    place = work / "points" / f"more-minutes-{voice}-{minutes:g}"
    write_part(folders.features, part, place / "features", params)
    if minutes:
        adapt(place)
    own = VoiceFolders(folders.clips, folders.aligned, place / "features")
    rows, held_out = speak(place, own, params, n_prompts, is_adapted=minutes > 0)
    figures, real = pooled(rows), pooled(held_out)
    wer, similarity = interval(rows, "wer"), interval(rows, "similarity")
    aligned = read_table(folders.aligned / "clips.jsonl", AlignedClip)
    return MeasuredPoint(
        voice=voice,
        speaker=speaker,
        language=aligned[0].language,
        profile=params.profile,
        base_sha256=base_sha256(PROFILES[params.profile].base),
        minutes=round(sum(clip.seconds for clip in part) / 60, 2) if minutes else 0.0,
        n_clips=len(part) if minutes else 0,
        n_prompts=n_prompts,
        wer=round(figures["wer"], 4),
        wer_low=wer[0],
        wer_high=wer[1],
        cer=round(figures["cer"], 4),
        similarity=round(mean_similarities(rows).similarity_held_out, 4),
        similarity_low=similarity[0],
        similarity_high=similarity[1],
        failed_share=round(figures["failed_share"], 4),
        recordings_wer=round(real["wer"], 4),
        recordings_similarity=round(mean_similarities(held_out).similarity_held_out, 4),
    )


def add_point(point: MeasuredPoint, path: Path) -> None:
    """Put a point into the table in place of an earlier one of the same voice, profile and minutes."""
    key = (point.voice, point.profile, point.minutes)
    others = [
        one for one in (read_curves(path) if path.is_file() else []) if (one.voice, one.profile, one.minutes) != key
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, curves_text([*others, point]))


def results_page(points: Sequence[MeasuredPoint]) -> str:
    """Return RESULTS.md: the table of curves for readers, by voice."""
    lines = [RESULTS_HEAD]
    for voice in sorted({point.voice for point in points}):
        own = [point for point in points if point.voice == voice]
        first = own[0]
        lines += [
            f"## {voice}\n",
            f"A {'speech synthesiser' if first.speaker == 'synthetic' else 'person'}, language {first.language}, "
            f"profile {first.profile}, SoVITS of the base {first.base_sha256[:12]}, {first.n_prompts} prompts. The "
            f"held-out recordings themselves have a word error rate of {first.recordings_wer:.3f} and a similarity "
            f"of {first.recordings_similarity:.3f} to each other.\n",
            "| minutes | clips | word error rate | character error rate | similarity | failed utterances |",
            "|---|---|---|---|---|---|",
        ]
        for point in sorted(own, key=lambda one: one.minutes):
            lines.append(
                f"| {point.minutes:g} | {point.n_clips} | {point.wer:.3f} ({point.wer_low:.3f}-{point.wer_high:.3f}) | "
                f"{point.cer:.3f} | {point.similarity:.3f} ({point.similarity_low:.3f}-{point.similarity_high:.3f}) | "
                f"{point.failed_share:.3f} |"
            )
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure the points that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.more_minutes", description=__doc__.splitlines()[0])
    parser.add_argument("--voice", default="sample", help="a voice of data/1_recordings, or ljspeech of ../shared")
    parser.add_argument("--minutes", type=float, nargs="+", default=[0, 0.5, 1, 2, 4], help="0: before adaptation")
    parser.add_argument("--prompts", type=int, default=40, help="prompts to say, spread over the categories")
    parser.add_argument("--work", type=Path, default=ROOT / ".cache/more_minutes", help="what is done is kept here")
    parser.add_argument("--out", type=Path, default=ROOT / CURVES, help="the table to add to")
    arguments = parser.parse_args()
    params = load_params(ROOT / "params.yaml")
    speaker = "real" if arguments.voice == "ljspeech" else "synthetic"
    for minutes in arguments.minutes:
        work = arguments.work.resolve()
        point = measure(arguments.voice, speaker, minutes, work, params, arguments.prompts)
        add_point(point, arguments.out)
        write_atomically(arguments.out.with_name("RESULTS.md"), results_page(read_curves(arguments.out)))
        print(point.model_dump_json(), flush=True)


if __name__ == "__main__":
    main()
