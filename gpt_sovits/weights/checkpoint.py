"""One network on disk: a folder with model.safetensors, config.json and manifest.json (their hashes).

The folder is written under a temporary name and moved into place, its bytes depend on nothing but the arguments, and
loading refuses everything that is not exactly what was saved. No pickle anywhere.
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

WEIGHTS_FILE, CONFIG_FILE, MANIFEST_FILE = "model.safetensors", "config.json", "manifest.json"
FORMAT = 1


class CheckpointError(ValueError):
    """The folder is not the checkpoint that was asked for. The message says what to do."""


def save_checkpoint(
    folder: Path,
    kind: str,
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    source: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint; one that is already there is replaced.

    kind: what it is, for instance "gpt", "sovits", "discriminator", "content_encoder"
    config: JSON-ready sizes, as the config's to_dict gives them; state: the module's state_dict
    source: what the weights were imported from (JSON-ready), kept in the manifest; None for our own
    Raises CheckpointError for tensors with NaN or infinity, and for no tensors.
    """
    _require_finite(state, f"{folder}: not saved")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    # copies: safetensors refuses tensors that share memory, which tied weights do
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
    """Read a checkpoint of this kind: (config, state), every byte verified, on the CPU.

    Raises CheckpointError where a file is missing, was changed, is of another kind or holds NaN.
    """
    manifest = _verified_manifest(folder)
    if manifest["kind"] != kind:
        raise CheckpointError(f"{folder} holds a {manifest['kind']!r} checkpoint where {kind!r} is needed")
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    try:
        state = load_file(folder / WEIGHTS_FILE)
    except SafetensorError as error:
        raise CheckpointError(f"{folder / WEIGHTS_FILE} is no safetensors file ({error}); write it again") from error
    _require_finite(state, f"{folder}: refused")
    return config, state


def checkpoint_sha256(folder: Path) -> str:
    """One hash for weights, config and kind: that of the manifest, once every file was found to agree with it."""
    _verified_manifest(folder)
    return _sha256(folder / MANIFEST_FILE)


def checkpoint_source(folder: Path) -> dict[str, Any]:
    """What a checkpoint was imported from, {} for one of our own, once every file was found to agree with it."""
    return dict(_verified_manifest(folder).get("source", {}))


def load_weights(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """load_state_dict that names what does not fit: missing and unknown tensors, and other shapes.

    what: the checkpoint's name in the message. Raises CheckpointError; the module is then unchanged.
    """
    own = module.state_dict()
    problems = []
    if missing := sorted(own.keys() - state.keys()):
        problems.append(f"missing {_some(missing)}")
    if unknown := sorted(state.keys() - own.keys()):
        problems.append(f"unknown {_some(unknown)}")
    if reshaped := [
        f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
        for name in sorted(own.keys() & state.keys())
        if state[name].shape != own[name].shape
    ]:
        problems.append(f"of another shape {_some(reshaped)}")
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
        raise CheckpointError(f"{what}: NaN or infinity in {_some(sorted(bad))}; the training that made it diverged")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _move_into_place(temporary: Path, folder: Path) -> None:
    """A folder cannot be replaced in one step while it holds files: the old one steps aside first, then goes.

    A process killed between the two steps leaves no folder under the name, never a mixed one. Writing what is already
    there changes nothing, so that a repeated epoch cannot lose its checkpoint.
    """
    if folder.exists() and _holds(folder, _sha256(temporary / MANIFEST_FILE)):
        shutil.rmtree(temporary)
        return
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    temporary.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def _holds(folder: Path, manifest_sha256: str) -> bool:
    try:
        return checkpoint_sha256(folder) == manifest_sha256
    except CheckpointError:
        return False  # damaged: to be replaced
