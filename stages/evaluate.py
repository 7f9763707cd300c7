"""evaluate: every checkpoint pair on a few prompts, the best pair on all of them, beside real recordings."""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from gpt_sovits.determinism import deterministic
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_gpt, load_sovits, load_voice, save_voice
from gpt_sovits.text.lexicon import LEXICON_FILE, Lexicon, load_lexicon
from gpt_sovits.weights.base import Base, load_base
from gpt_sovits.weights.checkpoint import checkpoint_sha256, load_checkpoint, save_checkpoint
from gpt_sovits.weights.interpolation import interpolate_states
from metrics.failures import unmeasurable_failures
from metrics.prompts import Prompt, PromptSet, load_prompts, selection_subset
from metrics.scores import Pair, Scorecard, UtteranceScore, pooled
from registry.report.page import ScoredVersion, render_report
from stages.evaluation.scoring import judge, judges_of, know_voice, mos_judge_of, similarity_floor
from stages.evaluation.selection import RULE, Epochs, choose_interpolation, choose_pair, pair_row
from stages.evaluation.speaking import held_out_utterances, keep_recordings, resynthesize, speak
from stages.params import Params, load_params
from stages.profiles import PROFILES
from stages.running.outputs import run_stage, stage_output, write_atomically
from stages.running.parallel import worker_processes
from stages.tables import (
    CheckpointPairRow,
    VoiceReference,
    csv_text,
    write_json,
    write_table,
)

BEFORE: Epochs = (0, 0)  # in the table of pairs: the base models, before adaptation


def evaluate(voice: str, dirs: argparse.Namespace, out_dir: Path, params: Params) -> None:
    """Write what one pair is and how it scores into `out_dir`.

    scores.jsonl, scorecard.json, pairs.csv, metrics.json, report.html, voice/, and as FLAC audio/ (the prompts),
    recordings/ (held-out clips of the speaker) and resynthesis/ (the pair saying the same).
    """
    settings, profile = params.evaluate, PROFILES[params.profile]
    prompts = load_prompts(Path(settings.prompts))
    reference_clip = VoiceReference.model_validate_json((dirs.features / "reference.json").read_text(encoding="utf-8"))
    centroid = load_file(dirs.features / "speaker.safetensors")["centroid"].numpy()
    reference = _reference(dirs.features, reference_clip)
    base = load_base(profile.base)
    preset = _preset(params, prompts.language, reference_clip, base)
    lexicon_file = dirs.features / LEXICON_FILE if (dirs.features / LEXICON_FILE).is_file() else None
    lexicon = load_lexicon(lexicon_file) if lexicon_file else Lexicon()
    timings: list[dict[str, float | str]] = []

    def score(
        synthesizer: Synthesizer, some: Sequence[Prompt], seeds: Sequence[int], folder: Path
    ) -> list[UtteranceScore]:
        begin = time.perf_counter()
        utterances = speak(synthesizer, some, seeds, folder, reference_clip.text, timings)
        rows = judged(utterances, n_utterances=len(some) * len(seeds))
        seconds = time.perf_counter() - begin
        print(f"evaluate: {len(rows)} utterances in {folder.name}: spoken and judged in {seconds:.0f} s", flush=True)
        return rows

    with deterministic(seed=0, n_threads=settings.n_threads), worker_processes(settings.n_jobs) as workers:
        recordings = held_out_utterances(dirs, reference_clip, params, lexicon)
        kept = keep_recordings(recordings[: settings.n_resynthesized], out_dir / "recordings")
        known = know_voice(centroid, recordings, profile, workers)
        recordings = [*kept, *recordings[len(kept) :]]
        judged = partial(
            judge, voice=known, profile=profile, language=prompts.language, workers=workers, mos=settings.mos
        )
        held_out = judged(recordings)
        folders = checkpoint_pairs(dirs.gpt, dirs.sovits)
        selection = partial(score, seeds=prompts.seeds[:1], folder=out_dir / "selection")

        def score_pair(epochs: Epochs, some: Sequence[Prompt]) -> list[UtteranceScore]:
            gpt_folder, sovits_folder = folders[epochs]
            gpt, sovits = load_gpt(gpt_folder), load_sovits(sovits_folder)
            return selection(Synthesizer(gpt, sovits, reference, preset, lexicon=lexicon), some)

        def score_base(some: Sequence[Prompt]) -> list[UtteranceScore]:
            return selection(
                Synthesizer(base.build_gpt(), base.build_sovits(), reference, preset, lexicon=lexicon), some
            )

        def score_interpolation(share: float) -> list[UtteranceScore]:
            gpt, sovits = load_gpt(gpt_folder), load_sovits(_blended(base, sovits_folder, share, out_dir / "blended"))
            return selection(Synthesizer(gpt, sovits, reference, preset, lexicon=lexicon), subset)

        best, pair_rows = choose_pair(
            list(folders), prompts.prompts, settings.n_selection_prompts, settings.similarity_tolerance, score_pair
        )
        subset = selection_subset(prompts.prompts, pair_rows[-1].n_prompts)
        gpt_folder, sovits_folder = folders[best]
        before = pair_row(BEFORE, pair_rows[-1].rung, score_base(subset))
        best_row = next(row for row in reversed(pair_rows) if row.kept)
        likeness = settings.min_similarity_ratio * pooled(held_out)["similarity"]
        interpolation_rows = choose_interpolation(
            before, best_row, settings.interpolation_weights, likeness, score_interpolation
        )
        share = next((row.interpolation_weight for row in interpolation_rows if row.kept), 1.0)
        pair_rows = [before, *pair_rows, *interpolation_rows]
        for row in pair_rows:
            print(f"evaluate: {_shown(row)}", flush=True)
        shutil.rmtree(out_dir / "selection")

        if share < 1:
            sovits_folder = _blended(base, sovits_folder, share, out_dir / "blended")
        print(f"evaluate: best pair is GPT epoch {best[0]} with SoVITS epoch {best[1]}{_of(share)}", flush=True)
        save_voice(out_dir / "voice", gpt_folder, sovits_folder, reference, preset, lexicon_file)
        timings.clear()
        synthesizer = load_voice(out_dir / "voice")
        rows = score(synthesizer, prompts.prompts, prompts.seeds, out_dir / "audio")
        resynthesis = resynthesize(synthesizer, kept, prompts.seeds[0], out_dir / "resynthesis", reference_clip.text)
        resynthesis_rows = judged(resynthesis)

    judges = judges_of(profile, prompts.language)
    scorecard = Scorecard(
        voice=voice,
        pair=Pair(
            gpt_epoch=best[0],
            sovits_epoch=best[1],
            interpolation_weight=share,
            gpt_sha256=checkpoint_sha256(gpt_folder),
            sovits_sha256=checkpoint_sha256(sovits_folder),
        ),
        judges=judges,
        prompts_sha256=prompts.sha256,
        seeds=prompts.seeds,
        rows=tuple(rows),
        held_out=tuple(held_out),
        resynthesis=tuple(resynthesis_rows),
        similarity_floor=similarity_floor(known, judges),
        mos_judge=mos_judge_of(settings.mos),
    )
    shutil.rmtree(out_dir / "blended", ignore_errors=True)
    _write(out_dir, scorecard, pair_rows, params, prompts)
    _keep_timings(voice, timings)


def _write(
    out_dir: Path, scorecard: Scorecard, pair_rows: list[CheckpointPairRow], params: Params, prompts: PromptSet
) -> None:
    write_table(out_dir / "scores.jsonl", scorecard.rows)
    (out_dir / "scorecard.json").write_text(scorecard.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (out_dir / "pairs.csv").write_text(csv_text(row.model_dump() for row in pair_rows), encoding="utf-8")
    synthesis, real = scorecard.figures(), pooled(scorecard.held_out)
    write_json(
        out_dir / "metrics.json",
        {
            "synthesis": _without_nan(synthesis),
            "held_out": _without_nan(real),
            "other_speakers": {"similarity": scorecard.similarity_floor.similarity},
            "pair": scorecard.pair.model_dump(include={"gpt_epoch", "sovits_epoch", "interpolation_weight"}),
            "before_adaptation": _figures(pair_rows[0]),
        },
    )
    report = render_report(ScoredVersion(scorecard, out_dir), pairs=[row.model_dump() for row in pair_rows], rule=RULE)
    (out_dir / "report.html").write_text(report, encoding="utf-8")
    for name, figures in (("synthesis", synthesis), ("real held-out clips", real)):
        print(f"evaluate: {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)
    if unseen := unmeasurable_failures(scorecard.judges.asr):
        print(f"evaluate: {', '.join(unseen)}: not measurable with judge {scorecard.judges.asr}", flush=True)


def checkpoint_pairs(gpt_dir: Path, sovits_dir: Path) -> dict[Epochs, tuple[Path, Path]]:
    """Every saved GPT checkpoint with every saved SoVITS checkpoint, earlier epochs first."""
    folders = [sorted(folder.glob("epoch_[0-9]*")) for folder in (gpt_dir, sovits_dir)]
    for folder, found in zip((gpt_dir, sovits_dir), folders, strict=True):
        if not found:
            raise ValueError(f"{folder} holds no checkpoint (epoch_NNNN); run the adaptation again")
    return {(_epoch(gpt), _epoch(sovits)): (gpt, sovits) for gpt, sovits in itertools.product(*folders)}


def _reference(features_dir: Path, clip: VoiceReference) -> Reference:
    tensors = load_file(features_dir / "tensors" / f"{clip.clip_id}.safetensors")
    return Reference(
        tensors["phoneme_ids"],
        tensors["semantic_tokens"],
        tensors["spectrogram"],
        tensors.get("speaker_embedding"),
    )


def _preset(params: Params, language: str, reference: VoiceReference, base: Base) -> Preset:
    settings = params.evaluate
    return Preset(
        language=language,
        seconds_per_phoneme=reference.seconds_per_phoneme,
        prompted=settings.prompted,
        max_sentence_characters=settings.max_sentence_characters,
        max_length_factor=settings.max_length_factor,
        max_retries=settings.max_retries,
        n_best_of=settings.n_best_of,
        token_phones=base.token_phones() if settings.n_best_of > 1 else None,
        alignment_head=settings.alignment_head,
        pause_seconds=settings.pause_seconds,
        top_k=settings.top_k,
        top_p=settings.top_p,
        temperature=settings.temperature,
        repetition_penalty=settings.repetition_penalty,
        noise_scale=settings.noise_scale,
        speed=settings.speed,
    )


def _epoch(folder: Path) -> int:
    return int(folder.name.removeprefix("epoch_"))


def _without_nan(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in figures.items()}


def _figures(row: CheckpointPairRow) -> dict[str, float | None]:
    return row.model_dump(include={"wer", "cer", "similarity", "failed_share", "n_prompts"})


def _blended(base: Base, sovits_folder: Path, share: float, folder: Path) -> Path:
    """A checkpoint in `folder` of which `share` is the adapted one and the rest the base."""
    config, adapted = load_checkpoint(sovits_folder, "sovits")
    path = folder / f"{sovits_folder.name}_{round(100 * share)}"
    if not path.is_dir():
        save_checkpoint(path, "sovits", config, interpolate_states(base.sovits_state, adapted, share))
    return path


def _of(share: float) -> str:
    return f", {share:.0%} adapted" if share < 1 else ""


def _shown(row: CheckpointPairRow) -> str:
    similarity = "not measurable" if row.similarity is None else f"{row.similarity:.3f}"
    who = f"GPT epoch {row.gpt_epoch}, SoVITS epoch {row.sovits_epoch}{_of(row.interpolation_weight)}"
    return (
        f"{'before adaptation' if (row.gpt_epoch, row.sovits_epoch) == BEFORE else who}: WER {row.wer:.3f}, similarity "
        f"{similarity}, failed {row.failed_share:.2f} on {row.n_prompts} prompts"
    )


def _keep_timings(voice: str, timings: list[dict[str, float | str]]) -> None:
    """Real-time factor of synthesis. It differs from run to run, so it stays out of the stage's outputs."""
    audio = sum(row["seconds"] for row in timings)
    rtf = sum(row["synthesis_seconds"] for row in timings) / audio if audio else float("nan")
    folder = Path(".cache/timings")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{voice}.json", json.dumps({"rtf": rtf, "utterances": timings}))
    print(f"evaluate: synthesis took {rtf:.3f} of real time, the judges beside it", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("clips", "aligned", "features", "gpt", "sovits", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    voice = arguments.out.name
    with stage_output(arguments.out, "evaluate", voice) as folder:
        evaluate(voice, arguments, folder, load_params())


if __name__ == "__main__":
    run_stage(main)
