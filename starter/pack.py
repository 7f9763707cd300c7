"""Stage pack: the networks of the recipe as a base model of the product, in half precision.

    python -m starter.pack

It writes base_models/starter, which the repository ships. Beside the recipe it writes the proof of origin: weights.json
with the hash of every file, and the curve of every stage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from gpt_sovits.gpt.model import GPTConfig
from gpt_sovits.sovits.config import DiscriminatorConfig, SoVITSConfig
from gpt_sovits.weights.base import Base, load_base, save_base
from gpt_sovits.weights.checkpoint import load_checkpoint
from gpt_sovits.weights.places import BASES_FOLDER
from starter.phones import PHONES
from starter.settings import HOME, WORK, stage_folder
from starter.voices import HELD_OUT_SETS

LARGEST_BYTES = 32_000_000 - 1_200_000  # 32 MB together with the speaker judge, which is in another folder
NAME = "starter"
# stage -> the losses that its curve shows
STAGES = {
    "content_encoder": tuple(f"frame_error_{name}" for name in HELD_OUT_SETS),
    "autoencoder": tuple(f"spectral_{name}" for name in HELD_OUT_SETS),
    "prior": ("held_out_kl", "held_out_latent"),
    "joint": ("held_out_latent", "held_out_spectral"),
    "gpt": ("loss", "loss_prompted", "loss_wrong_text", "alignment", "phone_error_spoken", "phone_error_prompted"),
}


def build_base() -> Base:
    """Return the base model from the networks that the stages saved."""
    gpt_config, gpt_state = load_checkpoint(stage_folder("gpt") / "gpt", "gpt")
    sovits_config, sovits_state = load_checkpoint(stage_folder("joint") / "sovits", "sovits")
    critic_config, critic_state = load_checkpoint(stage_folder("joint") / "discriminator", "discriminator")
    encoder_config, encoder_state = load_checkpoint(
        stage_folder("content_encoder") / "content_encoder", "content_encoder"
    )
    return Base(
        NAME,
        GPTConfig.from_dict(gpt_config),
        gpt_state,
        SoVITSConfig.from_dict(sovits_config),
        sovits_state,
        DiscriminatorConfig.from_dict(critic_config),
        critic_state,
        {**encoder_config, "id2label": {str(number): phone for number, phone in enumerate(PHONES)}},
        encoder_state,
        languages=("en",),
    )


def hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below the folder, by its path inside."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def read_curve(stage: str) -> list[dict[str, float]]:
    """Return the rows of the curve that a stage wrote."""
    return [json.loads(line) for line in (WORK / stage / "curve.jsonl").read_text(encoding="utf-8").splitlines()]


def draw_curves(curves: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Draw one panel per stage: its losses on held-out speech over its steps."""
    from matplotlib.figure import Figure  # takes a second

    figure = Figure(figsize=(4 * len(curves), 3.2), layout="constrained")
    for axes, (name, rows) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        for key in STAGES[name]:
            points = [(row["step"], row[key]) for row in rows if key in row]
            axes.plot(*zip(*points, strict=True), marker=".", label=key)
        axes.set(title=name, xlabel="step", ylim=(0, None))
        axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Write the base model, its hashes and the curves."""
    save_base(build_base(), BASES_FOLDER)
    folder = BASES_FOLDER / NAME
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if n_bytes > LARGEST_BYTES:
        raise SystemExit(
            f"pack: {folder} has {n_bytes} bytes, more than {LARGEST_BYTES}; use smaller networks in params.yaml"
        )
    load_base(NAME)
    (HOME / "weights.json").write_text(json.dumps(hash_files(folder), indent=2) + "\n", encoding="utf-8")
    curves = {name: read_curve(name) for name in STAGES}
    (HOME / "curves").mkdir(exist_ok=True)
    for name, rows in curves.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (HOME / "curves" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    draw_curves(curves, HOME / "curves" / "curves.svg")
    print(f"pack: {n_bytes / 1e6:.1f} MB in {folder.name}")


if __name__ == "__main__":
    main()
