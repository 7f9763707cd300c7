"""A registered voice under the judges of today, on the same prompts, seeds and recordings as in evaluate."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from gpt_sovits.determinism import deterministic
from gpt_sovits.synthesis.voice import load_voice
from metrics.scores import Pair, Scorecard
from stages.evaluation.inputs import VoiceFolders, load_scoring_inputs
from stages.evaluation.lanes import score_lanes
from stages.evaluation.presets import score_presets
from stages.evaluation.scoring import (
    ScoringContext,
    embed_voice,
    judges_in_use,
    round_embedding,
    score_utterances,
    similarity_floor,
)
from stages.evaluation.trials import PromptScorer
from stages.evaluation.utterances import held_out_utterances
from stages.execution.one_version import with_one_version
from stages.execution.parallel import worker_processes
from stages.params import Params
from stages.profiles import PROFILES


def rescore_voice(
    voice: str, voice_folder: Path, pair: Pair, manifest_sha256: str, params: Params, audio_dir: Path
) -> Scorecard:
    """Return the scorecard that evaluate would write for a voice today. Nothing is adapted.

    Args:
        voice: name of the voice.
        voice_folder: the folder of the registered voice.
        pair: the checkpoints that it holds.
        manifest_sha256: hash of the manifest of the recordings that the voice was made from (the tag
            data_manifest_sha256 of its version).
        params: all of params.yaml.
        audio_dir: gets the audio.

    Raises:
        ValueError: the project has other recordings now, so the voice cannot be compared with its own.
    """
    _check_manifest(voice, manifest_sha256)
    folders = VoiceFolders(
        clips=Path("data/2_clips") / voice,
        aligned=Path("data/3_aligned") / voice,
        features=Path("data/4_features") / voice,
    )
    settings, profile = params.evaluate, PROFILES[params.profile]
    inputs = load_scoring_inputs(folders, params)
    prompts, reference_text = inputs.prompts, inputs.reference_clip.text
    with deterministic(seed=0, n_threads=settings.n_threads), worker_processes(settings.n_jobs) as processes:
        used, workers = with_one_version(processes, partial(judges_in_use, profile, prompts.language, settings.mos))
        recordings = held_out_utterances(folders, inputs, inputs.reference_clip.language)
        embeddings = embed_voice(inputs.centroid, recordings, profile, workers)
        scoring = ScoringContext(embeddings, profile, prompts.language, settings.mos)
        scorer, synthesizer = PromptScorer(reference_text, scoring, workers), load_voice(voice_folder)
        rows, _ = scorer.score(synthesizer, prompts.prompts, prompts.seeds, audio_dir / "audio")
        others, _ = scorer.score_languages(synthesizer, inputs.other_prompts, audio_dir / "audio")
        presets, _ = score_presets(scorer, voice_folder, inputs.presets, audio_dir / "audio")
        lanes = score_lanes(scorer, synthesizer, inputs.lanes, audio_dir / "audio")
        held_out = score_utterances(recordings, scoring, workers)
    return Scorecard(
        voice=voice,
        language=prompts.language,
        pair=pair,
        judges=used.judges,
        prompts_sha256=prompts.sha256,
        seeds=prompts.seeds,
        reference_clip=inputs.reference_clip.clip_id,
        rows=tuple(rows),
        other_languages=others,
        presets=presets,
        lanes=lanes,
        held_out=tuple(held_out),
        similarity_floor=similarity_floor(embeddings, used.judges),
        voice_embedding=round_embedding(inputs.centroid),
        mos_judge=used.mos,
    )


def _check_manifest(voice: str, sha256: str) -> None:
    manifest = Path("data/1_manifests") / voice / "recordings.jsonl"
    if not manifest.is_file() or hashlib.sha256(manifest.read_bytes()).hexdigest() != sha256:
        raise ValueError(
            f"{manifest} does not list the recordings that this version of {voice} was made from; restore them "
            f"(`git checkout`, `dvc checkout`), or make a version from the present ones (`vox run {voice}`)"
        )
