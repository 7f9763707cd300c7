"""Ablations: what each ingredient of the base is worth, on speech that no stage trained on.

    python -m starter.ablations [NAME ...]

    content_encoder  the encoder of the first base, out of git's history, and the new one
    prior            shorter trainings of stage prior: fewer speakers, fewer hours, fewer steps
    joint            speech from text before and after stage joint, without adaptation

The rows of `prior` begin at the autoencoder, on the same cached latents and held-out clips. Fewer speakers and fewer
hours keep the same share of the utterances, so their difference is that of the number of speakers. The command needs
the folder work/ that `make starter` filled. It prints a table and writes ablations.json beside the recipe. A stopped
training resumes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_sovits.content_encoder.encoder import HUBERT_HEAD, load_content_encoder
from gpt_sovits.determinism import deterministic
from starter import evaluate, kokoro, voices
from starter.clips import ClipRounds
from starter.latents import load_sovits
from starter.prior import PriorData, PriorTrainer, inputs_of_prior
from starter.scoring import N_PROCESSES, load_judges
from starter.scratch import set_codebook
from starter.settings import HOME, Settings, load_settings, stage_folder
from starter.tokens import read_centres, read_tokens

RESULTS = HOME / "ablations.json"
ENCODER_FOLDER = "base_models/starter/content_encoder"  # in the repository
ENCODER_FILES = ("config.json", "manifest.json", "model.safetensors")
SETS = ("known", voices.STRANGER, "rms", voices.PEOPLE, voices.LJ)
FIGURES = {
    "content_encoder": SETS,
    "prior": ("held_out_latent", "held_out_kl"),
    "joint": tuple(
        f"{key} {name}" for key in ("wer", "wer_pocketsphinx", "similarity") for name in ("known", voices.LJ)
    ),
}
N_STEPS = 1000  # of the shorter trainings
N_UTTERANCES = 12  # of each set
QUARTER = 4  # one of so many utterances or speakers is kept


@dataclass(frozen=True)
class Ablation:
    """One row of the table.

    Attributes:
        stage: Key of FIGURES.
        description: What differs from the recipe.
        n_steps: Of a training of stage prior.
        leaves_out: Which utterances a training leaves out: none, speakers, hours or people. For the other stages, which
            networks are scored.
    """

    stage: str
    description: str
    n_steps: int = N_STEPS
    leaves_out: str = "none"


ABLATIONS = {
    "content_encoder": Ablation("content_encoder", "unchanged"),
    "first_encoder": Ablation("content_encoder", "the first base's", leaves_out="first"),
    "prior": Ablation("prior", "unchanged"),
    "quarter_of_speakers": Ablation("prior", "a quarter of Kokoro's speakers", leaves_out="speakers"),
    "quarter_of_hours": Ablation("prior", "a quarter of the utterances of each of them", leaves_out="hours"),
    "no_people": Ablation("prior", "no recordings of people", leaves_out="people"),
    "quarter_of_steps": Ablation("prior", "a quarter of the steps", n_steps=N_STEPS // 4),
    "half_of_steps": Ablation("prior", "half of the steps", n_steps=N_STEPS // 2),
    "joint": Ablation("joint", "unchanged", leaves_out="joint"),
    "no_joint": Ablation("joint", "without stage joint", leaves_out="prior"),
}


def left_out(rows: Sequence[Mapping[str, Any]], what: str) -> set[str]:
    """Return the names of the utterances that a training leaves out.

    Args:
        rows: The rows of tokens.jsonl.
        what: See Ablation.leaves_out.
    """
    if what == "people":
        return {row["name"] for row in rows if row["voice"] == voices.PEOPLE}
    of_kokoro: dict[str, list[str]] = {}
    for row in rows:
        if row["voice"] in {speaker.name for speaker in kokoro.speakers()}:
            of_kokoro.setdefault(row["voice"], []).append(row["name"])
    if what == "speakers":
        kept = sorted(of_kokoro)[::QUARTER]
        return {name for voice, names in of_kokoro.items() if voice not in kept for name in names}
    if what == "hours":
        return {name for names in of_kokoro.values() for i, name in enumerate(names) if i % QUARTER}
    return set()


def train_prior(name: str, ablation: Ablation, settings: Settings) -> dict[str, float]:
    """Train stage prior in a folder of its own, and return the held-out losses.

    Args:
        name: Of the ablation.
        ablation: The ablation.
        settings: All of the recipe's settings.
    """
    section = settings.prior.model_copy(update={"n_steps": ablation.n_steps, "evaluate_every": ablation.n_steps})
    folder = stage_folder("ablations") / name
    with deterministic(section.seed, n_threads=1):  # each of the trainer's threads computes alone
        model = load_sovits(stage_folder("autoencoder"), "autoencoder")
        set_codebook(model, read_centres())
        data, trainer, rows = PriorData(settings), PriorTrainer(model, section), read_tokens()
        without = left_out(rows, ablation.leaves_out)
        if without:
            data.rounds = ClipRounds(
                rows,
                voices.held_out_names() | without,
                settings.shares,
                longest_seconds=section.longest_seconds,
                name="prior",
            )
        trainer.run(name, data, folder, inputs_of_prior(settings) | {"left_out": sorted(without)})
    return json.loads((folder / "curve.jsonl").read_text(encoding="utf-8").splitlines()[-1])


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=HOME.parent, capture_output=True, check=True).stdout  # noqa: S607


def first_encoder_folder() -> Path:
    """Return a folder with the content encoder of the first base, the last one in git that was not a Whisper.

    Raises:
        SystemExit: The history does not have it, as in a clone of one commit.
    """
    folder = stage_folder("ablations") / "first_encoder" / "content_encoder"
    for revision in (
        _git("log", "--diff-filter=AM", "--format=%H", "--", f"{ENCODER_FOLDER}/config.json").decode().split()
    ):
        config = json.loads(_git("show", f"{revision}:{ENCODER_FOLDER}/config.json"))
        if HUBERT_HEAD in json.dumps(config):
            folder.mkdir(parents=True, exist_ok=True)
            for name in ENCODER_FILES:
                (folder / name).write_bytes(_git("show", f"{revision}:{ENCODER_FOLDER}/{name}"))
            return folder
    raise SystemExit(
        f"ablations: git's history does not have {ENCODER_FOLDER} of the first base; "
        "fetch it with `git fetch --unshallow`"
    )


def score_content_encoder(ablation: Ablation) -> dict[str, float]:
    """Return the frame error of each held-out set."""
    new = stage_folder("content_encoder") / "content_encoder"
    folder = first_encoder_folder() if ablation.leaves_out == "first" else new
    with deterministic(0, N_PROCESSES):
        return evaluate.frame_errors(load_content_encoder(folder), voices.held_out_sets(N_UTTERANCES))


def score_speech(ablation: Ablation) -> dict[str, float]:
    """Return the scores of unadapted speech with the SoVITS of the stage that the ablation names."""
    base = evaluate.build_stage_base(ablation.leaves_out)
    scores: dict[str, float] = {}
    with load_judges() as judges, deterministic(0, N_PROCESSES):
        for name, utterances in voices.held_out_sets(N_UTTERANCES).items():
            if name in ("known", voices.LJ):
                part = evaluate.score_part("speech", base, evaluate.build_set(name, utterances), judges)
                scores |= {f"{key} {name}": value for key, value in part.items()}
    return scores


def measure(name: str) -> dict[str, float]:
    """Return the figures of an ablation."""
    ablation = ABLATIONS[name]
    if ablation.stage == "prior":
        return train_prior(name, ablation, load_settings())
    return score_content_encoder(ablation) if ablation.stage == "content_encoder" else score_speech(ablation)


def format_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the rows as Markdown, one table per stage."""
    lines: list[str] = []
    for stage, keys in FIGURES.items():
        of_stage = [row for row in rows.values() if row["stage"] == stage]
        if of_stage:
            steps = f" ({N_STEPS} steps)" if stage == "prior" else ""
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
    stage_folder("ablations").mkdir(parents=True, exist_ok=True)
    # keeps these curves apart from those of the base
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{stage_folder('ablations') / 'mlflow.db'}"
    in_order: dict[str, Any] = {}
    for name in chosen:
        ablation = ABLATIONS[name]
        print(f"ablations: {name}: {ablation.stage}, {ablation.description}", flush=True)
        figures = measure(name)
        rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        rows = {key: row for key, row in rows.items() if key in ABLATIONS and set(row) >= set(FIGURES[row["stage"]])}
        rows[name] = {"stage": ablation.stage, "description": ablation.description}
        rows[name] |= {key: figures[key] for key in FIGURES[ablation.stage]}
        in_order = {key: rows[key] for key in ABLATIONS if key in rows}
        RESULTS.write_text(json.dumps(in_order, indent=2) + "\n", encoding="utf-8")
    print(format_table(in_order))


if __name__ == "__main__":
    main()
