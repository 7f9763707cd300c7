"""Stage evaluate: choose the best checkpoint pair on a few prompts and score it on all, beside real recordings."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gpt_sovits.determinism import deterministic
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_voice, save_voice
from gpt_sovits.weights.checkpoint import checkpoint_sha256
from metrics.scores import Pair, Scorecard, UtteranceScore, pooled
from stages.evaluation.inputs import (
    ScoringInputs,
    SynthesisInputs,
    VoiceFolders,
    load_scoring_inputs,
    load_synthesis_inputs,
)
from stages.evaluation.lanes import score_lanes
from stages.evaluation.outputs import print_choice, save_timings, write_scores
from stages.evaluation.presets import save_presets, score_presets
from stages.evaluation.scoring import (
    ScoringContext,
    embed_voice,
    judges_in_use,
    round_embedding,
    score_utterances,
    similarity_floor,
)
from stages.evaluation.second_opinions import ask_second_judges, scored, scored_prompts
from stages.evaluation.selection import Epochs
from stages.evaluation.trials import (
    CheckpointChoice,
    CheckpointPair,
    CheckpointTrials,
    PromptScorer,
    checkpoint_pairs,
    choose_checkpoints,
)
from stages.evaluation.utterances import UtteranceTiming, held_out_utterances, keep_recordings, resynthesize
from stages.execution.one_version import with_one_version
from stages.execution.outputs import stage_output
from stages.execution.parallel import worker_processes
from stages.execution.program import run_stage
from stages.params import Params, load_params
from stages.profiles import PROFILES


def evaluate(
    voice: str, folders: VoiceFolders, pairs: Mapping[Epochs, CheckpointPair], out_dir: Path, params: Params
) -> None:
    """Choose the best checkpoint pair and write it with its scores.

    Args:
        voice: name of the voice.
        folders: what the stages before it wrote.
        pairs: the checkpoint pairs to choose from, by their epochs.
        out_dir: an empty folder. It gets scores.jsonl, scorecard.json, pairs.csv, metrics.json, report.html and voice/,
            and as FLAC audio/ (the prompts, and in preset_NAME/, language_CODE/ and lane_NAME/ those of the other
            parts), recordings/ (held-out clips of the speaker) and resynthesis/ (the pair saying the same).
        params: all of params.yaml.
    """
    settings, profile, inputs = params.evaluate, PROFILES[params.profile], load_scoring_inputs(folders, params)
    synthesis_inputs = load_synthesis_inputs(folders, inputs, params)
    prompts, reference_text = inputs.prompts, inputs.reference_clip.text
    with deterministic(seed=0, n_threads=settings.n_threads), worker_processes(settings.n_jobs) as processes:
        used, workers = with_one_version(processes, partial(judges_in_use, profile, prompts.language, settings.mos))
        # 1. Score the speaker's held-out recordings, which show what the judges make of real speech.
        recordings = held_out_utterances(folders, inputs, inputs.reference_clip.language)
        kept = keep_recordings(recordings[: settings.n_resynthesized], out_dir / "recordings")
        embeddings = embed_voice(inputs.centroid, recordings, profile, workers)
        scoring = ScoringContext(embeddings, profile, prompts.language, settings.mos)
        held_out = score_utterances([*kept, *recordings[len(kept) :]], scoring, workers)
        # 2. Choose the checkpoint pair and the interpolation weight.
        scorer = PromptScorer(reference_text, scoring, workers)
        trials = CheckpointTrials(
            pairs, synthesis_inputs, scorer, prompts.seeds[0], out_dir / "selection", out_dir / "interpolated"
        )
        choice = choose_checkpoints(trials, prompts, settings, pooled(held_out)["similarity"])
        print_choice(choice)
        # 3. Save the voice. Synthesise and score every prompt, and the texts of the recordings that are kept.
        synthesizer = _save_and_load(out_dir / "voice", choice.pair, synthesis_inputs, inputs)
        rows, parts, timings = _score_prompts(scorer, synthesizer, inputs, out_dir)
        resynthesis = resynthesize(synthesizer, kept, prompts.seeds[0], out_dir / "resynthesis", reference_text)
        resynthesis_rows = score_utterances(resynthesis, scoring, workers)
        # 4. Ask the second judges, which the gate does not read.
        opinions = ask_second_judges(settings, scored_prompts(rows, out_dir), scored(held_out, recordings), processes)
    # 5. Write the scores, and remove what only the selection needed.
    scorecard = Scorecard(
        voice=voice,
        language=prompts.language,
        pair=_pair(choice),
        judges=used.judges,
        prompts_sha256=prompts.sha256,
        seeds=prompts.seeds,
        reference_clip=inputs.reference_clip.clip_id,
        rows=tuple(opinions.rows),
        **parts,
        held_out=tuple(opinions.held_out),
        resynthesis=tuple(resynthesis_rows),
        similarity_floor=similarity_floor(embeddings, used.judges),
        voice_embedding=round_embedding(inputs.centroid),
        mos_judge=used.mos,
        second_judges=opinions.judges,
    )
    trials.remove_files()
    write_scores(out_dir, scorecard, choice.rows)
    save_timings(voice, timings, out_dir / "scorecard.json")


def _save_and_load(
    folder: Path, pair: CheckpointPair, synthesis: SynthesisInputs, inputs: ScoringInputs
) -> Synthesizer:
    save_voice(folder, pair.gpt, pair.sovits, synthesis.reference, synthesis.preset, inputs.lexicon_file)
    save_presets(folder, synthesis.further_presets)
    return load_voice(folder)


def _score_prompts(
    scorer: PromptScorer, synthesizer: Synthesizer, inputs: ScoringInputs, out_dir: Path
) -> tuple[list[UtteranceScore], dict[str, Any], list[UtteranceTiming]]:
    """Speak and score every prompt: in the voice's own language, in further languages, with further presets, in lanes.

    Returns:
        Scores of the first, the fields of the scorecard that hold the others, and one timing per utterance in batch.
    """
    prompts = inputs.prompts
    rows, timings = scorer.score(synthesizer, prompts.prompts, prompts.seeds, out_dir / "audio")
    languages, of_languages = scorer.score_languages(synthesizer, inputs.other_prompts, out_dir / "audio")
    presets, of_presets = score_presets(scorer, out_dir / "voice", inputs.presets, out_dir / "audio")
    lanes = score_lanes(scorer, synthesizer, inputs.lanes, out_dir / "audio")
    parts = {"other_languages": languages, "presets": presets, "lanes": lanes}
    return rows, parts, [*timings, *of_languages, *of_presets]


def _pair(choice: CheckpointChoice) -> Pair:
    gpt_epoch, sovits_epoch = choice.epochs
    return Pair(
        gpt_epoch=gpt_epoch,
        sovits_epoch=sovits_epoch,
        interpolation_weight=choice.interpolation_weight,
        gpt_sha256=checkpoint_sha256(choice.pair.gpt),
        sovits_sha256=checkpoint_sha256(choice.pair.sovits),
    )


def main() -> None:
    """Run the stage with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description="choose and score a checkpoint pair")
    parser.add_argument("--clips", type=Path, required=True, help="data/2_clips/VOICE")
    parser.add_argument("--aligned", type=Path, required=True, help="data/3_aligned/VOICE")
    parser.add_argument("--features", type=Path, required=True, help="data/4_features/VOICE")
    parser.add_argument("--gpt", type=Path, required=True, help="data/5_checkpoints/VOICE/gpt/checkpoints")
    parser.add_argument("--sovits", type=Path, required=True, help="data/5_checkpoints/VOICE/sovits/checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="data/6_scores/VOICE")
    arguments = parser.parse_args()
    voice = arguments.out.name
    folders = VoiceFolders(arguments.clips, arguments.aligned, arguments.features)
    with stage_output(arguments.out, "evaluate", voice) as out_dir:
        pairs = checkpoint_pairs(arguments.gpt, arguments.sovits)
        evaluate(voice, folders, pairs, out_dir, load_params())


if __name__ == "__main__":
    run_stage(main)
