"""What adapt_gpt and adapt_sovits share: they load clips, train, and write checkpoints, the loss curve and a summary.

A killed run resumes from a folder outside the outputs of the stage. It starts over where the inputs, the code or the
checkpoints in that folder are not those of the stored state.

The environment variable VOX_TORCHRUN holds arguments of torchrun, such as `--nproc-per-node 2`. The stage then starts
itself in that many processes, which share the batches of a step. It is not in params.yaml, because the result has the
same bits.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from gpt_sovits.adaptation.data_parallel import disconnect, is_first_process
from gpt_sovits.adaptation.loop import Adaptation, EpochRecord, OnEpoch, saved_epochs
from gpt_sovits.adaptation.options import TrainingOptions
from gpt_sovits.adaptation.state import remove_training_state
from gpt_sovits.weights.checkpoint import CheckpointError, checkpoint_sha256, save_checkpoint
from stages.execution.inputs import read_inputs
from stages.execution.outputs import stage_output
from stages.execution.processes import die_with_parent
from stages.params import Params, load_params
from stages.tables import FeatureClip, Reject, csv_text, read_table, shared_language, write_json, write_table

RESUME = Path(".cache/resume")  # outside DVC's outputs, which DVC deletes before it runs a stage
TORCHRUN = "VOX_TORCHRUN"  # environment variable: arguments of torchrun
INSIDE = "VOX_INSIDE_TORCHRUN"  # environment variable of the processes that torchrun starts


def load_clips(features_dir: Path, split: str) -> list[tuple[str, dict[str, Tensor]]]:
    """Load (clip id, tensors) of every clip of a split, in the order of the table."""
    return [
        (clip.clip_id, load_file(features_dir / "tensors" / f"{clip.clip_id}.safetensors"))
        for clip in read_table(features_dir / "clips.jsonl", FeatureClip)
        if clip.split == split
    ]


def voice_language(features_dir: Path) -> str:
    """Return the ISO 639 code of the language of a voice's clips."""
    table = features_dir / "clips.jsonl"
    return shared_language(read_table(table, FeatureClip), table)


def run_adaptation(
    model: str,
    fine_tune: Callable[[Path, Params, Path, OnEpoch], Adaptation],
    options_of: Callable[[Params, str], TrainingOptions],
) -> None:
    """Run the program of an adaptation stage.

    Checkpoints wait in the resume folder until training ends, so that a killed run loses next to nothing.

    Args:
        model: "gpt" or "sovits".
        fine_tune: trains the model. It is called with the features folder, the parameters, the resume folder and a
            function to call after every epoch.
        options_of: returns the training options in the parameters for the ISO 639 code of a language.
    """
    stage = f"adapt_{model}"
    if os.environ.get(TORCHRUN) and INSIDE not in os.environ:
        _start_processes(stage)
        return
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage}", description=f"fine-tune the base {model}")
    parser.add_argument("--features", type=Path, required=True, help="data/4_features/VOICE")
    parser.add_argument("--out", type=Path, required=True, help=f"data/5_checkpoints/VOICE/{model}")
    arguments = parser.parse_args()
    voice = arguments.out.parent.name
    inputs = read_inputs(stage, voice)  # before anything is read
    params = load_params()
    resume_folder = RESUME / voice / model
    options = options_of(params, voice_language(arguments.features))
    if not is_first_process():
        _forget_incomplete_state(stage, resume_folder)
        fine_tune(arguments.features, params, resume_folder, lambda *_: None)
        disconnect()
        return
    if unused := sorted(options.recipes[options.recipe].unused):
        print(f"{stage}: the recipe {options.recipe} sets these itself: {', '.join(unused)}", flush=True)

    def on_epoch(epoch: int, network: nn.Module, record: EpochRecord) -> None:
        if record.is_saved:
            save_checkpoint(
                resume_folder / _checkpoint_name(epoch), model, network.config.to_dict(), network.state_dict()
            )
        print(f"{stage}: {_record_line(record)}", flush=True)

    with stage_output(arguments.out, stage, voice, inputs=inputs) as out:
        resume_folder.mkdir(parents=True, exist_ok=True)
        _forget_incomplete_state(stage, resume_folder)
        adaptation = fine_tune(arguments.features, params, resume_folder, on_epoch)
        _write(out, resume_folder, adaptation, options.recipe)
        for clip in adaptation.dropped:
            print(f"{stage}: dropped {clip.clip_id}: {clip.reason}", flush=True)
        print(f"{stage}: {_summary(adaptation)}", flush=True)
    # The state first: one that was left without its checkpoints would be taken for a finished training
    remove_training_state(resume_folder)
    shutil.rmtree(resume_folder)
    disconnect()


def _checkpoint_name(epoch: int) -> str:
    return f"epoch_{epoch:04d}"


def _forget_incomplete_state(stage: str, resume_folder: Path) -> None:
    """Remove a stored state that counts on a checkpoint which is missing or damaged, so that training starts over.

    Every process that shares the training does this before it trains. None of them stores a new state before all have
    compared what they begin with.
    """
    for epoch in saved_epochs(resume_folder):
        try:
            checkpoint_sha256(resume_folder / _checkpoint_name(epoch))
        except CheckpointError as error:
            print(f"{stage}: training starts over, because a checkpoint of the killed run is lost: {error}", flush=True)
            remove_training_state(resume_folder)
            return


def _start_processes(stage: str) -> None:
    """Run this program again through torchrun and end with its exit code if it fails."""
    command = [sys.executable, "-m", "torch.distributed.run", *shlex.split(os.environ[TORCHRUN])]
    command += ["-m", f"stages.{stage}", *sys.argv[1:]]
    # torchrun's own report of a failed process would hide that process's last line
    done = subprocess.run(command, env={**os.environ, INSIDE: "1"}, preexec_fn=die_with_parent, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _write(out: Path, resume_folder: Path, adaptation: Adaptation, recipe: str) -> None:
    """Write checkpoints/epoch_NNNN, curve.csv, dropped.jsonl and summary.json."""
    for record in adaptation.records:
        if record.is_saved:
            name = _checkpoint_name(record.epoch)
            shutil.copytree(resume_folder / name, out / "checkpoints" / name)
    (out / "curve.csv").write_text(csv_text(adaptation.rows()), encoding="utf-8")
    write_table(out / "dropped.jsonl", [Reject(path=clip.clip_id, reason=clip.reason) for clip in adaptation.dropped])
    best = adaptation.records[adaptation.best_epoch - 1] if adaptation.best_epoch else None
    write_json(
        out / "summary.json",
        {
            "recipe": recipe,
            "best_epoch": adaptation.best_epoch,
            "best_held_out_loss": best.held_out["loss"] if best else None,
            "n_epochs": len(adaptation.records),
            "stopped_early": adaptation.stopped_early,
            "n_steps": adaptation.records[-1].n_steps,
            "n_skipped_steps": sum(record.n_skipped_steps for record in adaptation.records),
            "n_dropped_clips": len(adaptation.dropped),
        },
    )


def _record_line(record: EpochRecord) -> str:
    row = record.row(tuple(record.held_out or {}))
    hidden = {"is_best", "is_saved"} | ({"n_skipped_steps"} if not record.n_skipped_steps else set())
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
        if name not in hidden and value is not None
    )


def _summary(adaptation: Adaptation) -> str:
    n = len(adaptation.records)
    best = f"epoch {adaptation.best_epoch} is best on held-out clips" if adaptation.best_epoch else "no held-out clips"
    return f"{n} epochs{', stopped early' if adaptation.stopped_early else ''}; {best}"
