"""evaluate: every checkpoint pair on a few prompts, the best pair on all of them, beside real recordings."""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from gpt_sovits.audio import save_flac
from gpt_sovits.determinism import deterministic
from gpt_sovits.synthesis import Preset, Reference, Synthesizer, load_gpt, load_sovits, load_voice, save_voice
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import LEXICON_FILE, Lexicon, load_lexicon
from gpt_sovits.weights.checkpoint import checkpoint_sha256
from metrics.failures import unmeasurable_failures
from metrics.prompts import Prompt, PromptSet, load_prompts, selection_subset
from metrics.scores import Pair, Scorecard, UtteranceScore, pooled
from stages.judging import Utterance, judge, judges_of, know_voice, mos_judge_of, similarity_floor
from stages.outputs import run_stage, stage_output, write_atomically
from stages.parallel import worker_processes
from stages.params import Params, load_params
from stages.profiles import PROFILES
from stages.report import render_report
from stages.tables import (
    AlignedClip,
    CheckpointPairRow,
    FeatureClip,
    VoiceReference,
    csv_text,
    read_table,
    write_json,
    write_table,
)

RULE = "Fewest failed utterances, then the lowest WER, then the highest similarity, then the earliest epochs."


def evaluate(voice: str, dirs: argparse.Namespace, out_dir: Path, params: Params) -> None:
    """Write scores.jsonl, scorecard.json, pairs.csv, metrics.json, report.html, audio/ and voice/ into `out_dir`."""
    settings, profile = params.evaluate, PROFILES[params.profile]
    prompts = load_prompts(Path(settings.prompts))
    reference_clip = VoiceReference.model_validate_json((dirs.features / "reference.json").read_text(encoding="utf-8"))
    centroid = load_file(dirs.features / "speaker.safetensors")["centroid"].numpy()
    reference = _reference(dirs.features, reference_clip)
    preset = _preset(params, prompts.language, reference_clip)
    lexicon_file = dirs.features / LEXICON_FILE if (dirs.features / LEXICON_FILE).is_file() else None
    lexicon = load_lexicon(lexicon_file) if lexicon_file else Lexicon()
    timings: list[dict[str, float | str]] = []

    def score(
        synthesizer: Synthesizer, some: Iterable[Prompt], seeds: Iterable[int], folder: Path
    ) -> list[UtteranceScore]:
        utterances = speak(synthesizer, some, seeds, folder, reference_clip.text, timings)
        return judge(utterances, known, profile, prompts.language, workers, settings.mos)

    with deterministic(seed=0, n_threads=settings.n_threads), worker_processes(settings.n_jobs) as workers:
        recordings = held_out_utterances(dirs, reference_clip, params, lexicon)
        known = know_voice(centroid, recordings, profile, workers)
        subset = selection_subset(prompts.prompts, settings.n_selection_prompts)
        pair_rows = []
        for gpt_folder, sovits_folder in checkpoint_pairs(dirs.gpt, dirs.sovits):
            gpt, sovits = load_gpt(gpt_folder), load_sovits(sovits_folder)
            synthesizer = Synthesizer(gpt, sovits, reference, preset, lexicon=lexicon)
            figures = pooled(score(synthesizer, subset, settings.seeds[:1], out_dir / "selection"))
            pair_rows.append(_pair_row(_epoch(gpt_folder), _epoch(sovits_folder), figures))
            print(f"evaluate: {_shown(pair_rows[-1])} on {len(subset)} prompts", flush=True)
        shutil.rmtree(out_dir / "selection")

        best = choose_pair(pair_rows)
        gpt_folder = dirs.gpt / f"epoch_{best.gpt_epoch:04d}"
        sovits_folder = dirs.sovits / f"epoch_{best.sovits_epoch:04d}"
        print(f"evaluate: best pair is GPT epoch {best.gpt_epoch} with SoVITS epoch {best.sovits_epoch}", flush=True)
        save_voice(out_dir / "voice", gpt_folder, sovits_folder, reference, preset, lexicon_file)
        timings.clear()
        rows = score(load_voice(out_dir / "voice"), prompts.prompts, settings.seeds, out_dir / "audio")
        held_out = judge(recordings, known, profile, params.align.language, workers, settings.mos)

    judges = judges_of(profile)
    scorecard = Scorecard(
        voice=voice,
        pair=Pair(
            gpt_epoch=best.gpt_epoch,
            sovits_epoch=best.sovits_epoch,
            gpt_sha256=checkpoint_sha256(gpt_folder),
            sovits_sha256=checkpoint_sha256(sovits_folder),
        ),
        judges=judges,
        prompts_sha256=prompts.sha256,
        seeds=settings.seeds,
        rows=tuple(rows),
        held_out=tuple(held_out),
        similarity_floor=similarity_floor(known, judges),
        mos_judge=mos_judge_of(settings.mos),
    )
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
            "pair": _epochs(scorecard.pair),
        },
    )
    report = render_report(scorecard, [row.model_dump() for row in pair_rows], out_dir / "audio", RULE)
    (out_dir / "report.html").write_text(report, encoding="utf-8")
    for name, figures in (("synthesis", synthesis), ("real held-out clips", real)):
        print(f"evaluate: {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)
    if unseen := unmeasurable_failures(scorecard.judges.asr):
        print(f"evaluate: {', '.join(unseen)}: not measurable with judge {scorecard.judges.asr}", flush=True)


def checkpoint_pairs(gpt_dir: Path, sovits_dir: Path) -> list[tuple[Path, Path]]:
    """Every saved GPT checkpoint with every saved SoVITS checkpoint, earlier epochs first."""
    folders = [sorted(folder.glob("epoch_[0-9]*")) for folder in (gpt_dir, sovits_dir)]
    for folder, found in zip((gpt_dir, sovits_dir), folders, strict=True):
        if not found:
            raise ValueError(f"{folder} holds no checkpoint (epoch_NNNN); run the adaptation again")
    return list(itertools.product(*folders))


def choose_pair(rows: list[CheckpointPairRow]) -> CheckpointPairRow:
    """The declared rule: fewest failed utterances, then lowest WER, then highest similarity, then earliest epochs."""

    def rank(row: CheckpointPairRow) -> tuple[float, ...]:
        similarity = -1.0 if row.similarity is None else row.similarity
        return (row.failed_share, row.wer, -similarity, row.gpt_epoch, row.sovits_epoch)

    return min(rows, key=rank)


def speak(
    synthesizer: Synthesizer,
    prompts: Iterable[Prompt],
    seeds: Iterable[int],
    folder: Path,
    prompt_text: str,
    timings: list[dict[str, float | str]],
) -> list[Utterance]:
    """Synthesise every prompt with every seed as FLAC in `folder`; seconds of work go to `timings`, not to a row."""
    folder.mkdir(exist_ok=True)
    utterances = []
    for prompt, seed in itertools.product(prompts, tuple(seeds)):
        begin = time.perf_counter()
        speech = synthesizer.say(prompt.text, seed)
        elapsed = time.perf_counter() - begin
        path = folder / f"{prompt.id}-{seed}.flac"
        save_flac(path, speech.waveform, speech.sample_rate)
        seconds = len(speech.waveform) / speech.sample_rate
        timings.append({"prompt_id": prompt.id, "seconds": seconds, "synthesis_seconds": elapsed})
        utterances.append(
            Utterance(
                prompt_id=prompt.id,
                category=prompt.category,
                seed=seed,
                text=prompt.normalized,
                audio=path,
                shown_as=f"{folder.name}/{path.name}",
                expected_seconds=synthesizer.expected_seconds(prompt.text),
                prompt_text=prompt_text,
            )
        )
        if len(utterances) % 20 == 0:
            print(f"evaluate: {len(utterances)} utterances spoken", flush=True)
    return utterances


def held_out_utterances(
    dirs: argparse.Namespace, reference: VoiceReference, params: Params, lexicon: Lexicon
) -> list[Utterance]:
    """The voice's own held-out recordings, to be judged like synthesised speech."""
    paths = {clip.clip_id: clip.path for clip in read_table(dirs.aligned / "clips.jsonl", AlignedClip)}
    return [
        Utterance(
            prompt_id=clip.clip_id,
            category="held_out",
            seed=0,
            text=clip.text,
            audio=dirs.clips / paths[clip.clip_id],
            shown_as="",
            expected_seconds=len(phonemize(clip.text, params.align.language, lexicon).ids)
            * reference.seconds_per_phoneme,
        )
        for clip in read_table(dirs.features / "clips.jsonl", FeatureClip)
        if clip.split == "held_out"
    ]


def _reference(features_dir: Path, clip: VoiceReference) -> Reference:
    tensors = load_file(features_dir / "tensors" / f"{clip.clip_id}.safetensors")
    return Reference(
        tensors["phoneme_ids"],
        tensors["semantic_tokens"],
        tensors["spectrogram"],
        tensors.get("speaker_embedding"),
    )


def _preset(params: Params, language: str, reference: VoiceReference) -> Preset:
    settings = params.evaluate
    return Preset(
        language=language,
        seconds_per_phoneme=reference.seconds_per_phoneme,
        prompted=settings.prompted,
        max_sentence_characters=settings.max_sentence_characters,
        max_length_factor=settings.max_length_factor,
        max_retries=settings.max_retries,
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


def _pair_row(gpt_epoch: int, sovits_epoch: int, figures: dict[str, float]) -> CheckpointPairRow:
    return CheckpointPairRow(gpt_epoch=gpt_epoch, sovits_epoch=sovits_epoch, **_without_nan(figures))


def _without_nan(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in figures.items()}


def _epochs(pair: Pair) -> dict[str, int]:
    return {"gpt_epoch": pair.gpt_epoch, "sovits_epoch": pair.sovits_epoch}


def _shown(row: CheckpointPairRow) -> str:
    similarity = "not measurable" if row.similarity is None else f"{row.similarity:.3f}"
    return (
        f"GPT epoch {row.gpt_epoch}, SoVITS epoch {row.sovits_epoch}: WER {row.wer:.3f}, similarity {similarity}, "
        f"failed {row.failed_share:.2f}"
    )


def _keep_timings(voice: str, timings: list[dict[str, float | str]]) -> None:
    """Real-time factor of synthesis. It differs from run to run, so it stays out of the stage's outputs."""
    audio = sum(row["seconds"] for row in timings)
    rtf = sum(row["synthesis_seconds"] for row in timings) / audio if audio else float("nan")
    folder = Path(".cache/timings")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{voice}.json", json.dumps({"rtf": rtf, "utterances": timings}))
    print(f"evaluate: synthesis took {rtf:.3f} of real time", flush=True)


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
