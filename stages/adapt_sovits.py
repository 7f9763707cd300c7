"""Stage adapt_sovits: fine-tune the base SoVITS on the voice's training clips."""

from __future__ import annotations

from pathlib import Path

from gpt_sovits.adaptation.loop import Adaptation, OnEpoch
from gpt_sovits.adaptation.sovits import adapt_sovits
from gpt_sovits.adaptation.sovits_batch import SoVITSClip
from gpt_sovits.adaptation.sovits_recipe import AdaptSoVITSOptions
from gpt_sovits.weights.base import load_base
from stages.adaptation import load_clips, run_adaptation
from stages.execution.code_identity import code_of
from stages.execution.program import run_stage
from stages.params import Params
from stages.profiles import PROFILES


def options(params: Params, _language: str = "") -> AdaptSoVITSOptions:
    """Return the training options of the section adapt_sovits, which are the same in every language."""
    return AdaptSoVITSOptions(**params.adapt_sovits.model_dump())


def fine_tune(features_dir: Path, params: Params, resume_folder: Path, on_epoch: OnEpoch) -> Adaptation:
    """Fine-tune the base SoVITS of the profile. See stages/adaptation.py for the arguments."""
    base = load_base(PROFILES[params.profile].base)
    base.require_adaptable()
    train, held_out = (
        [
            SoVITSClip(
                name,
                t["phoneme_ids"],
                t["ssl_features"],
                t["waveform"],
                t["spectrogram"],
                t.get("speaker_embedding"),
            )
            for name, t in load_clips(features_dir, split)
        ]
        for split in ("train", "held_out")
    )
    return adapt_sovits(
        base.sovits_config,
        base.sovits_state,
        base.discriminator_config,
        base.discriminator_state,
        train,
        held_out,
        options(params),
        resume_folder,
        on_epoch,
        code=code_of(Path(__file__).resolve()),
    )


if __name__ == "__main__":
    run_stage(lambda: run_adaptation("sovits", fine_tune, options))
