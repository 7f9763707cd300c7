"""Stage pack: the networks of the recipe as a base model of the product, in half precision, with every file's hash.

    python -m starter.pack

Writes base_models/starter, which is what the repository ships, and beside the recipe what proves where it came from:
weights.json with the hash of every file, and the curve of every stage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from torch import Tensor

from gpt_sovits.gpt.model import GPTConfig
from gpt_sovits.sovits.config import DiscriminatorConfig, SoVITSConfig
from gpt_sovits.weights.base import Base, load_base, save_base
from gpt_sovits.weights.checkpoint import load_checkpoint
from gpt_sovits.weights.places import BASES_FOLDER
from starter.phones import PHONES
from starter.settings import HOME, WORK, stage_folder

LARGEST_BYTES = 25_000_000 - 1_200_000  # 25 MB with the speaker judge, which has a folder of its own
NAME = "starter"
# stage -> what its curve shows
STAGES = {
    "content_encoder": ("frame_error_base", "frame_error_rms", "frame_error_lj"),
    "autoencoder": ("spectral_base", "spectral_rms", "spectral_lj"),
    "prior": ("held_out_latent", "held_out_spectral"),
    "joint": ("held_out_latent", "held_out_spectral"),
    "gpt": ("loss", "loss_prompted", "loss_wrong_text", "alignment", "phone_error_spoken", "phone_error_prompted"),
}


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """float16 where it was float32. Raises ValueError where a number does not fit."""
    small = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    if wrong := [name for name, tensor in small.items() if not tensor.isfinite().all()]:
        raise ValueError(f"pack: {wrong} have numbers beyond half precision; they cannot be shipped so")
    return small


def starter_base() -> Base:
    gpt_config, gpt_state = load_checkpoint(stage_folder("gpt") / "gpt", "gpt")
    sovits_config, sovits_state = load_checkpoint(stage_folder("joint") / "sovits", "sovits")
    critic_config, critic_state = load_checkpoint(stage_folder("joint") / "discriminator", "discriminator")
    encoder_config, encoder_state = load_checkpoint(
        stage_folder("content_encoder") / "content_encoder", "content_encoder"
    )
    return Base(
        NAME,
        GPTConfig.from_dict(gpt_config),
        halved(gpt_state),
        SoVITSConfig.from_dict(sovits_config),
        halved(sovits_state),
        DiscriminatorConfig.from_dict(critic_config),
        halved(critic_state),
        {**encoder_config, "id2label": {str(number): phone for number, phone in enumerate(PHONES)}},
        halved(encoder_state),
    )


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file of the base, by its path inside."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def curve(stage: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (WORK / stage / "curve.jsonl").read_text(encoding="utf-8").splitlines()]


def draw(curves: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """One panel a stage: what it was judged by on speech that it never saw, over its steps."""
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
    save_base(starter_base(), BASES_FOLDER)
    folder = BASES_FOLDER / NAME
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if n_bytes > LARGEST_BYTES:
        raise SystemExit(f"pack: {folder} has {n_bytes} bytes, at most {LARGEST_BYTES} may be shipped")
    load_base(NAME)
    (HOME / "weights.json").write_text(json.dumps(hashes(folder), indent=2) + "\n", encoding="utf-8")
    curves = {name: curve(name) for name in STAGES}
    (HOME / "curves").mkdir(exist_ok=True)
    for name, rows in curves.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (HOME / "curves" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    draw(curves, HOME / "curves" / "curves.svg")
    print(f"pack: {n_bytes / 1e6:.1f} MB in {folder.name}")


if __name__ == "__main__":
    main()
