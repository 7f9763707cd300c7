"""Stage features: extract everything that the models are trained on, and choose the reference clip of the voice."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from gpt_sovits.text.lexicon import LEXICON_FILE, load_lexicon
from gpt_sovits.weights.base import SHARED_PARTS
from gpt_sovits.weights.places import BASES_FOLDER
from stages.clip_audio import clip_file
from stages.clip_features import ExtractedClip, extract_clip, speaker_version
from stages.execution.cache import NO_CACHE, ResultCache, folder_hash, open_cache
from stages.execution.cached_calls import cached_map
from stages.execution.one_version import with_one_version
from stages.execution.outputs import stage_output
from stages.execution.parallel import Map, call, worker_processes
from stages.execution.program import run_stage
from stages.execution.progress import report_progress
from stages.params import Params, load_params
from stages.profiles import PROFILES, require_learned
from stages.tables import AlignedClip, FeatureClip, VoiceReference, read_table, write_json, write_table


def features(
    clips_dir: Path,
    aligned_dir: Path,
    manifest_dir: Path,
    out_dir: Path,
    params: Params,
    cache: ResultCache = NO_CACHE,
) -> None:
    """Write tensors/CLIP_ID.safetensors, clips.jsonl, reference.json, speaker.safetensors and the voice's lexicon.yaml.

    Args:
        clips_dir: output of the stage segment.
        aligned_dir: output of the stage align.
        manifest_dir: output of the stage ingest, which holds the lexicon if the voice has one.
        out_dir: an empty folder for the outputs.
        params: all of params.yaml.
        cache: holds the features of clips of earlier runs.
    """
    clips = [clip for clip in read_table(aligned_dir / "clips.jsonl", AlignedClip) if clip.kept]
    for language in sorted({clip.language for clip in clips}):
        require_learned(PROFILES[params.profile].base, language)
    lexicon = _copy_lexicon(manifest_dir, out_dir)
    sounds = [clip_file(clip, clips_dir, aligned_dir) for clip in clips]
    with worker_processes(params.features.n_jobs) as workers:
        extracted = extract(clips, sounds, lexicon, out_dir, params, cache, workers)
    embeddings = [np.array(one.embedding, np.float32) for one in extracted]
    own = [
        embedding
        for embedding, clip in zip(embeddings, clips, strict=True)
        if clip.split == "train" and not clip.speaker  # other speakers would move the centre
    ]
    centroid = _centroid(own)
    table = [
        FeatureClip(
            clip_id=clip.clip_id,
            split=clip.split,
            text=clip.text,
            seconds=clip.seconds,
            n_phonemes=one.n_phonemes,
            n_tokens=one.n_tokens,
            similarity=float(embedding @ centroid),
            language=clip.language,
        )
        for clip, one, embedding in zip(clips, extracted, embeddings, strict=True)
    ]
    write_table(out_dir / "clips.jsonl", table)
    write_json(out_dir / "reference.json", choose_reference(table, params).model_dump())
    save_file({"centroid": torch.from_numpy(centroid)}, out_dir / "speaker.safetensors")


def extract(
    clips: Sequence[AlignedClip],
    sounds: Sequence[Path],
    lexicon: Path | None,
    out_dir: Path,
    params: Params,
    cache: ResultCache,
    workers: Map,
) -> list[ExtractedClip]:
    """Write the features of every clip, in order. The result does not depend on the workers.

    Args:
        clips: the kept clips.
        sounds: the file of each.
        lexicon: file of the voice's own words, None where it has none.
        out_dir: gets tensors/CLIP_ID.safetensors.
        params: all of params.yaml.
        cache: holds the features of clips of earlier runs.
        workers: extracts the others, see stages/execution/parallel.py.
    """
    profile = PROFILES[params.profile]
    (out_dir / "tensors").mkdir()
    weights = tuple(folder_hash(BASES_FOLDER / name) for name in (profile.base, *SHARED_PARTS.values()))
    version, workers = with_one_version(workers, partial(speaker_version, profile.speaker))
    workers = cached_map(workers, cache, same={"speaker": version})
    calls = [
        partial(
            extract_clip,
            sound,
            clip.text,
            language=clip.language,
            lexicon=lexicon,
            base=profile.base,
            weights=weights,
            speaker=profile.speaker,
            n_threads=params.features.n_threads,
            out_file=out_dir / f"tensors/{clip.clip_id}.safetensors",
        )
        for clip, sound in zip(clips, sounds, strict=True)
    ]
    return list(report_progress(workers(call, calls), len(clips), "features: {} clips"))


def choose_reference(clips: list[FeatureClip], params: Params) -> VoiceReference:
    """Choose the training clip of reference length whose speaker embedding is nearest to the voice's centroid.

    Of equals, the highest clip id is chosen.

    Raises:
        ValueError: no training clip has the length of a reference.
    """
    shortest, longest = params.features.reference_min_seconds, params.features.reference_max_seconds
    training = [clip for clip in clips if clip.split == "train"]
    fitting = [clip for clip in training if shortest <= clip.seconds <= longest]
    if not fitting:
        raise ValueError(
            f"none of the {len(training)} training clips is {shortest} to {longest} s long, so no clip can be the "
            "reference; widen features.reference_min_seconds and reference_max_seconds, or record longer sentences"
        )
    best = max(fitting, key=lambda clip: (clip.similarity, clip.clip_id))
    return VoiceReference(
        clip_id=best.clip_id,
        text=best.text,
        seconds=best.seconds,
        similarity=best.similarity,
        seconds_per_phoneme=sum(clip.seconds for clip in training) / sum(clip.n_phonemes for clip in training),
        language=best.language,
    )


def _copy_lexicon(manifest_dir: Path, out_dir: Path) -> Path | None:
    """Keep the voice's own words with the features, so that they are read the same way later. Return their file."""
    path = manifest_dir / LEXICON_FILE
    if not path.is_file():
        return None
    load_lexicon(path)
    return Path(shutil.copyfile(path, out_dir / LEXICON_FILE))


def _centroid(embeddings: list[np.ndarray]) -> np.ndarray:
    """Return the (D,) float32 unit-norm mean of unit-norm embeddings."""
    if not embeddings:
        raise ValueError("no training clip was kept; the reasons are in the clips.jsonl of the align stage")
    mean = np.mean(embeddings, axis=0, dtype=np.float64)
    return (mean / np.linalg.norm(mean)).astype(np.float32)


def main() -> None:
    """Run the stage with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.features", description="extract what models are trained on")
    parser.add_argument("--clips", type=Path, required=True, help="data/2_clips/VOICE")
    parser.add_argument("--aligned", type=Path, required=True, help="data/3_aligned/VOICE")
    parser.add_argument("--manifest", type=Path, required=True, help="data/1_manifests/VOICE")
    parser.add_argument("--out", type=Path, required=True, help="data/4_features/VOICE")
    arguments = parser.parse_args()
    with stage_output(arguments.out, "features", arguments.out.name) as folder:
        features(arguments.clips, arguments.aligned, arguments.manifest, folder, load_params(), open_cache())


if __name__ == "__main__":
    run_stage(main)
