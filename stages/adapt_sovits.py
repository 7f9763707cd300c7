"""adapt_sovits: the base SoVITS, fine-tuned on the voice's training clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gpt_sovits.adaptation.sovits import AdaptSoVITSOptions, EpochRecord, adapt_sovits
from gpt_sovits.adaptation.sovits_batch import SoVITSClip
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.weights.base import load_base
from stages.adaptation import adapt, load_clips
from stages.outputs import run_stage
from stages.params import Params
from stages.profiles import PROFILES


def fine_tune(
    features_dir: Path, params: Params, resume_folder: Path, on_epoch: Callable[[int, SoVITS, EpochRecord], None]
) -> Sequence[EpochRecord]:
    base = load_base(PROFILES[params.profile].base)
    base.require_adaptable()
    train, held_out = (
        [
            SoVITSClip(name, t["phoneme_ids"], t["ssl_features"], t["waveform"], t["spectrogram"])
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
        AdaptSoVITSOptions(**params.adapt_sovits.model_dump()),
        resume_folder,
        on_epoch,
    )


if __name__ == "__main__":
    run_stage(lambda: adapt("sovits", fine_tune, __doc__))
