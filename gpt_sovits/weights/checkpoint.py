"""One network on disk: a folder with model.safetensors, config.json and manifest.json (their hashes).

The folder is written under a temporary name and moved into place. Its bytes depend only on the arguments. Loading
refuses everything that is not exactly what was saved. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gpt_sovits.errors import GptSovitsError
from gpt_sovits.weights.errors import first_names

WEIGHTS_FILE, CONFIG_FILE, MANIFEST_FILE = "model.safetensors", "config.json", "manifest.json"
FORMAT = 1


class CheckpointError(GptSovitsError, ValueError):
    """A folder is not the expected checkpoint. The message says what to do."""


def save_checkpoint(
    folder: Path,
    kind: str,
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    source: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint, replacing an existing one.

    Args:
        folder: the checkpoint's folder.
        kind: what the network is, such as "gpt", "sovits", "discriminator" or "content_encoder".
        config: JSON-ready sizes, from the config's to_dict.
        state: the module's state_dict.
        source: what the weights were imported from (JSON-ready), kept in the manifest. None for trained weights.

    Raises:
        CheckpointError: `state` is empty, or a tensor holds NaN or infinity.
    """
    _require_finite(state, f"{folder}: not saved")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    # Copies, because safetensors refuses tensors that share memory, as tied weights do
    weights = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}
    save_file(weights, temporary / WEIGHTS_FILE, metadata={"format": "pt"})
    _write_json(temporary / CONFIG_FILE, dict(config))
    _write_json(
        temporary / MANIFEST_FILE,
        {
            "format": FORMAT,
            "kind": kind,
            "sha256": {name: _sha256(temporary / name) for name in (CONFIG_FILE, WEIGHTS_FILE)},
        }
        | ({} if source is None else {"source": dict(source)}),
    )
    _move_into_place(temporary, folder)


def load_checkpoint(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a checkpoint of this kind and verify every byte.

    Returns:
        (config, state), with the tensors on the CPU.

    Raises:
        CheckpointError: a file is missing or was changed, the network is of another kind, or a tensor holds NaN.
    """
    manifest = _verified_manifest(folder)
    if manifest["kind"] != kind:
        raise CheckpointError(f"{folder} holds a {manifest['kind']!r} checkpoint where {kind!r} is needed")
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    try:
        state = load_file(folder / WEIGHTS_FILE)
    except SafetensorError as error:
        raise CheckpointError(f"{folder / WEIGHTS_FILE} is not a safetensors file ({error}); write it again") from error
    _require_finite(state, f"{folder}: refused")
    return config, state


def checkpoint_sha256(folder: Path) -> str:
    """Return one hash for weights, config and kind: that of the manifest, after all files were verified."""
    _verified_manifest(folder)
    return _sha256(folder / MANIFEST_FILE)


def checkpoint_source(folder: Path) -> dict[str, Any]:
    """Return what a checkpoint was imported from, {} for trained weights, after all files were verified."""
    return dict(_verified_manifest(folder).get("source", {}))


def load_weights(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load tensors into a module, all of them or none.

    Args:
        module: the network.
        state: tensors by name.
        what: name of the checkpoint in messages.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape. The message names them.
    """
    own = module.state_dict()
    problems = []
    if missing := sorted(own.keys() - state.keys()):
        problems.append(f"missing {first_names(missing)}")
    if unknown := sorted(state.keys() - own.keys()):
        problems.append(f"unknown {first_names(unknown)}")
    if reshaped := [
        f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
        for name in sorted(own.keys() & state.keys())
        if state[name].shape != own[name].shape
    ]:
        problems.append(f"of another shape {first_names(reshaped)}")
    if problems:
        raise CheckpointError(f"{what} does not fit its config: {'; '.join(problems)}; take the config saved with it")
    module.load_state_dict(dict(state), strict=True)


def _verified_manifest(folder: Path) -> dict[str, Any]:
    missing = [name for name in (MANIFEST_FILE, CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} is not a complete checkpoint: {', '.join(missing)} missing; write or fetch it again"
        )
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder / MANIFEST_FILE} is not JSON ({error}); write the checkpoint again") from error
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != FORMAT
        or not isinstance(manifest.get("kind"), str)
        or not isinstance(manifest.get("sha256"), dict)
    ):
        raise CheckpointError(f"{folder / MANIFEST_FILE} is not a manifest of format {FORMAT}; write it again")
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        seen, recorded = _sha256(folder / name), manifest["sha256"].get(name)
        if seen != recorded:
            raise CheckpointError(
                f"{folder / name} has sha256 {seen[:12]}..., its manifest says {str(recorded)[:12]}...; "
                "the file was changed or damaged: write or fetch the checkpoint again"
            )
    return manifest


def _require_finite(state: Mapping[str, Tensor], what: str) -> None:
    if not state:
        raise CheckpointError(f"{what}: there are no tensors")
    bad = [name for name, t in state.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
    if bad:
        raise CheckpointError(
            f"{what}: NaN or infinity in {first_names(sorted(bad))}; the training that made it diverged"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _move_into_place(temporary: Path, folder: Path) -> None:
    """Replace a folder. A process that is killed leaves the old folder, the new one or none, but never a mixed one.

    Writing what is already there changes nothing, so that a repeated epoch cannot lose its checkpoint.
    """
    # 1. Keep an equal checkpoint
    if folder.exists() and _holds(folder, _sha256(temporary / MANIFEST_FILE)):
        shutil.rmtree(temporary)
        return
    # 2. Rename the old folder, because a folder with files cannot be replaced in one step
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    # 3. Move the new folder into place and remove the old one
    temporary.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def _holds(folder: Path, manifest_sha256: str) -> bool:
    try:
        return checkpoint_sha256(folder) == manifest_sha256
    except CheckpointError:
        return False  # a damaged checkpoint is replaced
