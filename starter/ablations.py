"""Ablations: shorter trainings, each without one ingredient of the base, scored on unseen speech.

    python -m starter.ablations [NAME ...]

Each row trains one stage of the recipe for the same number of steps with other settings, in work/ablations/NAME. The
rows of `joint` compare the base with its state before that stage instead. The command needs the folder work/ that
`make starter` filled. It prints a table and writes ablations.json beside the recipe. A stopped training resumes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ruamel.yaml import YAML

from gpt_sovits.determinism import deterministic
from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.weights.checkpoint import load_checkpoint
from starter import evaluate
from starter.pack import build_base, to_half_precision
from starter.settings import HOME, PARAMS, WORK, stage_folder

RESULTS = HOME / "ablations.json"
FIGURES = {
    "content_encoder": ("frame_error_base", "frame_error_rms", "frame_error_lj"),
    "autoencoder": ("spectral_base", "spectral_rms", "spectral_lj"),
    "joint": ("wer_base", "wer_rms", "wer_lj", "similarity_base"),
}
N_STEPS = {"content_encoder": 600, "autoencoder": 400}


@dataclass(frozen=True)
class Ablation:
    """One row of the table.

    Attributes:
        stage: The stage that is trained.
        description: What differs from the recipe.
        changes: New values of keys of the stage's section. A mapping changes only the keys that it holds.
    """

    stage: str
    description: str
    changes: Mapping[str, Any]


ABLATIONS = {
    "content_encoder": Ablation("content_encoder", "unchanged", {}),
    "no_real_speech": Ablation("content_encoder", "no real speech", {"shares": {"librispeech": 0.0}}),
    "no_stretching": Ablation("content_encoder", "speech is not stretched", {"largest_stretch": 1.0}),
    "one_synthetic_voice": Ablation(
        "content_encoder",
        "one synthetic voice (slt) beside the real speech",
        {"shares": {"slt": 0.7, "slt_hts": 0.0, "others": 0.0}},
    ),
    "autoencoder": Ablation("autoencoder", "unchanged", {}),
    "copies_no_real_speech": Ablation("autoencoder", "no real speech", {"shares": {"librispeech": 0.0}}),
    "copies_no_stretching": Ablation("autoencoder", "speech is not stretched", {"largest_stretch": 1.0}),
    "joint": Ablation("joint", "unchanged", {}),
    "no_joint": Ablation("joint", "without stage joint", {"from": "prior"}),
}


def apply_changes(section: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section with the changes of an ablation."""
    inner = {key: {**section[key], **value} for key, value in changes.items() if isinstance(value, Mapping)}
    return {**section, **changes, **inner}


def train_ablation(name: str, ablation: Ablation) -> dict[str, float]:
    """Train the stage in a separate folder, and return the last row of its curve."""
    params = YAML(typ="safe").load(PARAMS.read_text(encoding="utf-8"))
    n_steps = N_STEPS[ablation.stage]
    changes = {**ablation.changes, "n_steps": n_steps, "evaluate_every": n_steps}
    params[ablation.stage] = apply_changes(params[ablation.stage], changes)
    folder = WORK / "ablations" / name
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "corpus").exists():
        (folder / "corpus").symlink_to((WORK / "corpus").resolve())
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(params, file)
    environment = {**os.environ, "STARTER_PARAMS": str(folder / "params.yaml"), "STARTER_WORK": str(folder)}
    environment["MLFLOW_TRACKING_URI"] = (
        f"sqlite:///{folder / 'mlflow.db'}"  # keeps these curves apart from those of the base
    )
    subprocess.run([sys.executable, "-m", f"starter.{ablation.stage}"], cwd=HOME.parent, env=environment, check=True)
    lines = (folder / ablation.stage / "curve.jsonl").read_text(encoding="utf-8").splitlines()
    return json.loads(lines[-1])


def score_speech(ablation: Ablation) -> dict[str, float]:
    """Return the scores of unadapted speech by the base with the SoVITS of the stage that the ablation names."""
    config, state = load_checkpoint(stage_folder(ablation.changes.get("from", "joint")) / "sovits", "sovits")
    sovits = {"sovits_config": SoVITSConfig.from_dict(config), "sovits_state": to_half_precision(state)}
    base = replace(build_base(), **sovits)
    scores: dict[str, float] = {}
    with deterministic(0, evaluate.N_PROCESSES):
        for name, utterances in evaluate.evaluation_sets(20).items():
            part = evaluate.score_part("speech", base, utterances)
            scores |= {f"{key}_{name}": value for key, value in part.items()}
    return scores


def format_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the rows as Markdown, one table per stage."""
    lines: list[str] = []
    for stage, keys in FIGURES.items():
        of_stage = [row for row in rows.values() if row["stage"] == stage]
        if of_stage:
            steps = f" ({N_STEPS[stage]} steps)" if stage in N_STEPS else ""
            lines += ["", f"| {stage}{steps} | " + " | ".join(keys) + " |", "|---" * (1 + len(keys)) + "|"]
            lines += [
                f"| {row['description']} | " + " | ".join(f"{row[key]:.3f}" for key in keys) + " |" for row in of_stage
            ]
    return "\n".join(lines[1:])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the ablations on the command line, and write and print the table."""
    parser = argparse.ArgumentParser(prog="python -m starter.ablations", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(ABLATIONS)} (default: all)")
    chosen = parser.parse_args(arguments).names or list(ABLATIONS)
    if unknown := [name for name in chosen if name not in ABLATIONS]:
        parser.error(f"unknown ablations: {', '.join(unknown)}; the known ones are {', '.join(ABLATIONS)}")
    for name in chosen:
        ablation = ABLATIONS[name]
        figures = score_speech(ablation) if ablation.stage == "joint" else train_ablation(name, ablation)
        rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        rows[name] = {"stage": ablation.stage, "description": ablation.description}
        rows[name] |= {key: figures[key] for key in FIGURES[ablation.stage]}
        in_order = {key: rows[key] for key in ABLATIONS if key in rows}
        RESULTS.write_text(json.dumps(in_order, indent=2) + "\n", encoding="utf-8")
    print(format_table(in_order))


if __name__ == "__main__":
    main()
