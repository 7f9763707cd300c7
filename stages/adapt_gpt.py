"""Stage adapt_gpt: fine-tune the base GPT on the voice's training clips."""

from __future__ import annotations

from pathlib import Path

from gpt_sovits.adaptation.gpt import adapt_gpt
from gpt_sovits.adaptation.gpt_batch import GPTClip
from gpt_sovits.adaptation.gpt_recipe import AdaptGPTOptions
from gpt_sovits.adaptation.loop import Adaptation, OnEpoch
from gpt_sovits.weights.base import load_base
from stages.adaptation import load_clips, run_adaptation, voice_language
from stages.execution.code_identity import code_of
from stages.execution.program import run_stage
from stages.params import Params
from stages.profiles import PROFILES


def options(params: Params, language: str) -> AdaptGPTOptions:
    """Return the training options of the section adapt_gpt for a voice of this language, an ISO 639 code."""
    section = params.adapt_gpt
    return AdaptGPTOptions(
        **(section.model_dump() | {"max_phonemes_per_second": section.max_phonemes_per_second[language]})
    )


def fine_tune(features_dir: Path, params: Params, resume_folder: Path, on_epoch: OnEpoch) -> Adaptation:
    """Fine-tune the base GPT of the profile. See stages/adaptation.py for the arguments."""
    base = load_base(PROFILES[params.profile].base)
    train, held_out = (
        [GPTClip(name, t["phoneme_ids"], t["semantic_tokens"]) for name, t in load_clips(features_dir, split)]
        for split in ("train", "held_out")
    )
    settings = options(params, voice_language(features_dir))
    return adapt_gpt(
        base.gpt_config,
        base.gpt_state,
        train,
        held_out,
        settings,
        resume_folder,
        on_epoch,
        code=code_of(Path(__file__).resolve()),
    )


if __name__ == "__main__":
    run_stage(lambda: run_adaptation("gpt", fine_tune, options))
