"""What adapt_gpt and adapt_sovits share: clips in, checkpoints and a curve out, and where a killed run continues."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from gpt_sovits.weights.checkpoint import save_checkpoint
from stages.outputs import stage_output
from stages.params import Params, load_params
from stages.tables import FeatureClip, csv_text, read_table

RESUME = Path(".cache/resume")  # outside DVC's outputs, which DVC deletes before it runs a stage


def load_clips(features_dir: Path, split: str) -> list[tuple[str, dict[str, Tensor]]]:
    """(clip id, tensors) of every clip of a split, in the order of the table."""
    return [
        (clip.clip_id, load_file(features_dir / "tensors" / f"{clip.clip_id}.safetensors"))
        for clip in read_table(features_dir / "clips.jsonl", FeatureClip)
        if clip.split == split
    ]


def adapt(
    model: str,
    fine_tune: Callable[[Path, Params, Path, Callable[[int, nn.Module, Any], None]], Sequence[Any]],
    description: str,
) -> None:
    """The program of an adaptation stage.

    model: "gpt" or "sovits"
    fine_tune(features_dir, params, resume_folder, on_epoch) returns one record an epoch; on_epoch(epoch, model, record)
    is called after each. Checkpoints wait in the resume folder until training ends, so that a killed run loses at most
    the epoch that it was in.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="gets checkpoints/epoch_NNNN and curve.csv")
    arguments = parser.parse_args()
    voice = arguments.out.parent.name
    resume_folder = RESUME / voice / model

    def on_epoch(epoch: int, network: nn.Module, record: Any) -> None:
        if record.is_saved:
            folder = resume_folder / f"epoch_{epoch:04d}"
            save_checkpoint(folder, model, network.config.to_dict(), network.state_dict())
        print(f"adapt_{model}: {_shown(record)}", flush=True)

    with stage_output(arguments.out, f"adapt_{model}", voice) as out:
        resume_folder.mkdir(parents=True, exist_ok=True)
        records = fine_tune(arguments.features, load_params(), resume_folder, on_epoch)
        for record in records:
            if record.is_saved:
                name = f"epoch_{record.epoch:04d}"
                shutil.copytree(resume_folder / name, out / "checkpoints" / name)
        (out / "curve.csv").write_text(csv_text(asdict(record) for record in records), encoding="utf-8")
    shutil.rmtree(resume_folder)


def _shown(record: Any) -> str:
    values = {name: value for name, value in asdict(record).items() if name != "is_saved" and value is not None}
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
