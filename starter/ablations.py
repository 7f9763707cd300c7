"""What each ingredient of the base is worth: shorter trainings, each without one of them, judged on unseen speech.

    python -m starter.ablations [NAME ...]

Every row trains one stage of the recipe for the same number of steps with other settings (in work/ablations/NAME), but
for `joint`, which compares the base with itself as it was before that stage. Needs what `make starter` left in work/.
Prints a table and writes ablations.json beside the recipe; a training that was stopped goes on where it was.
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
from starter.pack import halved, starter_base
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
    stage: str
    says: str
    changes: Mapping[str, Any]  # of the stage's section; a mapping changes the keys that it names


ABLATIONS = {
    "content_encoder": Ablation("content_encoder", "as it is", {}),
    "no_real_speech": Ablation("content_encoder", "no real speech", {"shares": {"librispeech": 0.0}}),
    "no_stretching": Ablation("content_encoder", "speech is not stretched", {"largest_stretch": 1.0}),
    "one_synthetic_voice": Ablation(
        "content_encoder",
        "one synthetic voice (slt) beside the real speech",
        {"shares": {"slt": 0.7, "slt_hts": 0.0, "others": 0.0}},
    ),
    "autoencoder": Ablation("autoencoder", "as it is", {}),
    "copies_no_real_speech": Ablation("autoencoder", "no real speech", {"shares": {"librispeech": 0.0}}),
    "copies_no_stretching": Ablation("autoencoder", "speech is not stretched", {"largest_stretch": 1.0}),
    "joint": Ablation("joint", "as it is", {}),
    "no_joint": Ablation("joint", "without stage joint", {"from": "prior"}),
}


def changed(section: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The section with these keys of it changed, in mappings inside it too."""
    inner = {key: {**section[key], **value} for key, value in changes.items() if isinstance(value, Mapping)}
    return {**section, **changes, **inner}


def trained(name: str, one: Ablation) -> dict[str, float]:
    """The last row of the curve of the stage, trained in a folder of its own."""
    params = YAML(typ="safe").load(PARAMS.read_text(encoding="utf-8"))
    n_steps = N_STEPS[one.stage]
    params[one.stage] = changed(params[one.stage], {**one.changes, "n_steps": n_steps, "evaluate_every": n_steps})
    folder = WORK / "ablations" / name
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "corpus").exists():
        (folder / "corpus").symlink_to((WORK / "corpus").resolve())
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(params, file)
    environment = {**os.environ, "STARTER_PARAMS": str(folder / "params.yaml"), "STARTER_WORK": str(folder)}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"  # not among the base's own curves
    subprocess.run([sys.executable, "-m", f"starter.{one.stage}"], cwd=HOME.parent, env=environment, check=True)
    lines = (folder / one.stage / "curve.jsonl").read_text(encoding="utf-8").splitlines()
    return json.loads(lines[-1])


def spoken(one: Ablation) -> dict[str, float]:
    """Speech from text by the whole base, its SoVITS from the stage that the ablation names; nothing is adapted."""
    config, state = load_checkpoint(stage_folder(one.changes.get("from", "joint")) / "sovits", "sovits")
    base = replace(starter_base(), sovits_config=SoVITSConfig.from_dict(config), sovits_state=halved(state))
    found: dict[str, float] = {}
    with deterministic(0, evaluate.N_PROCESSES):
        for name, utterances in evaluate.sets_to_judge(20).items():
            found |= {f"{key}_{name}": value for key, value in evaluate.figures("speech", base, utterances).items()}
    return found


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown, one table a stage."""
    lines: list[str] = []
    for stage, keys in FIGURES.items():
        of_stage = [row for row in rows.values() if row["stage"] == stage]
        if of_stage:
            steps = f" ({N_STEPS[stage]} steps)" if stage in N_STEPS else ""
            lines += ["", f"| {stage}{steps} | " + " | ".join(keys) + " |", "|---" * (1 + len(keys)) + "|"]
            lines += [f"| {row['says']} | " + " | ".join(f"{row[key]:.3f}" for key in keys) + " |" for row in of_stage]
    return "\n".join(lines[1:])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m starter.ablations", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ABLATIONS)}; all without one")
    chosen = parser.parse_args(arguments).names or list(ABLATIONS)
    if unknown := [name for name in chosen if name not in ABLATIONS]:
        parser.error(f"{', '.join(unknown)} is not one of {', '.join(ABLATIONS)}")
    for name in chosen:
        one = ABLATIONS[name]
        figures = spoken(one) if one.stage == "joint" else trained(name, one)
        rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        rows[name] = {"stage": one.stage, "says": one.says, **{key: figures[key] for key in FIGURES[one.stage]}}
        in_order = {key: rows[key] for key in ABLATIONS if key in rows}
        RESULTS.write_text(json.dumps(in_order, indent=2) + "\n", encoding="utf-8")
    print(table(in_order))


if __name__ == "__main__":
    main()
