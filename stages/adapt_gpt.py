"""adapt_gpt: the base GPT, fine-tuned on the voice's training clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gpt_sovits.adaptation.gpt import AdaptGPTOptions, EpochRecord, GPTClip, adapt_gpt
from gpt_sovits.gpt.model import GPT
from gpt_sovits.weights.base import load_base
from stages.adaptation import adapt, load_clips
from stages.outputs import run_stage
from stages.params import Params
from stages.profiles import PROFILES


def fine_tune(
    features_dir: Path, params: Params, resume_folder: Path, on_epoch: Callable[[int, GPT, EpochRecord], None]
) -> Sequence[EpochRecord]:
    base = load_base(PROFILES[params.profile].base)
    train, held_out = (
        [GPTClip(name, t["phoneme_ids"], t["semantic_tokens"]) for name, t in load_clips(features_dir, split)]
        for split in ("train", "held_out")
    )
    options = AdaptGPTOptions(**params.adapt_gpt.model_dump())
    return adapt_gpt(base.gpt_config, base.gpt_state, train, held_out, options, resume_folder, on_epoch)


if __name__ == "__main__":
    run_stage(lambda: adapt("gpt", fine_tune, __doc__))
