"""A registered voice under the judges of today: the same prompts, seeds and recordings as evaluate, no adaptation."""

from __future__ import annotations

import argparse
import hashlib
from functools import partial
from pathlib import Path

from safetensors.torch import load_file

from gpt_sovits.determinism import deterministic
from gpt_sovits.synthesis.voice import load_voice
from gpt_sovits.text.lexicon import LEXICON_FILE, Lexicon, load_lexicon
from metrics.prompts import load_prompts
from metrics.scores import Pair, Scorecard
from stages.evaluation.scoring import judge, judges_of, know_voice, mos_judge_of, similarity_floor
from stages.evaluation.speaking import held_out_utterances, speak
from stages.params import Params
from stages.profiles import PROFILES
from stages.running.parallel import worker_processes
from stages.tables import VoiceReference


def score_again(
    voice: str, voice_folder: Path, pair: Pair, manifest_sha256: str, params: Params, audio_dir: Path
) -> Scorecard:
    """The scorecard of a voice's folder as evaluate would write it now; its audio goes to `audio_dir`.

    pair:            which checkpoints the folder holds
    manifest_sha256: of the recordings that the voice was made from (tag data_manifest_sha256 of its version)
    Raises ValueError where the project's recordings are others, for then its own are not there to be compared with.
    """
    manifest = Path("data/1_manifests") / voice / "recordings.jsonl"
    if not manifest.is_file() or hashlib.sha256(manifest.read_bytes()).hexdigest() != manifest_sha256:
        raise ValueError(
            f"{manifest} is not that of the recordings from which this version of {voice} was made; restore them "
            f"(`git checkout`, `dvc checkout`), or make a version from those that are there (`vox run {voice}`)"
        )
    dirs = argparse.Namespace(
        clips=Path("data/2_clips") / voice,
        aligned=Path("data/3_aligned") / voice,
        features=Path("data/4_features") / voice,
    )
    settings, profile = params.evaluate, PROFILES[params.profile]
    prompts = load_prompts(Path(settings.prompts))
    reference = VoiceReference.model_validate_json((dirs.features / "reference.json").read_text(encoding="utf-8"))
    centroid = load_file(dirs.features / "speaker.safetensors")["centroid"].numpy()
    lexicon_file = dirs.features / LEXICON_FILE
    lexicon = load_lexicon(lexicon_file) if lexicon_file.is_file() else Lexicon()
    judges = judges_of(profile, prompts.language)
    with deterministic(seed=0, n_threads=settings.n_threads), worker_processes(settings.n_jobs) as workers:
        recordings = held_out_utterances(dirs, reference, params, lexicon)
        known = know_voice(centroid, recordings, profile, workers)
        utterances = speak(load_voice(voice_folder), prompts.prompts, prompts.seeds, audio_dir, reference.text, [])
        judged = partial(
            judge, voice=known, profile=profile, language=prompts.language, workers=workers, mos=settings.mos
        )
        rows = judged(utterances, n_utterances=len(prompts.prompts) * len(prompts.seeds))
        held_out = judged(recordings)
    return Scorecard(
        voice=voice,
        pair=pair,
        judges=judges,
        prompts_sha256=prompts.sha256,
        seeds=prompts.seeds,
        rows=tuple(rows),
        held_out=tuple(held_out),
        similarity_floor=similarity_floor(known, judges),
        mos_judge=mos_judge_of(settings.mos),
    )
