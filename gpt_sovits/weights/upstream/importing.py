"""Import official and community files into base models of safetensors.

A file is read under the restrictions of torch_file, recognised by its tensors (parts) and written as a checkpoint whose
manifest names the file and its sha256. The user's files are never changed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gpt_sovits.gpt.model import GPTConfig
from gpt_sovits.sovits.config import OFFICIAL_DISCRIMINATOR, DiscriminatorConfig, SoVITSConfig
from gpt_sovits.weights.base import BASES_FOLDER, SHARED_PARTS, STARTER, Base
from gpt_sovits.weights.checkpoint import save_checkpoint
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.parts import Part, recognise
from gpt_sovits.weights.upstream.torch_file import TorchFile, finish_reading, read_torch_file

MODEL_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
MODEL_FILES = ("model.safetensors", "pytorch_model.bin")  # in a transformers folder, the preferred one first


@dataclass(frozen=True)
class ImportResult:
    """What was written.

    Attributes:
        folder: folder of the base model.
        version: version of the SoVITS, "" without one.
        adaptable: whether a voice can be adapted from it, given the content encoder.
        sources: where each kind of network came from, as in the manifests.
    """

    folder: Path
    version: str
    adaptable: bool
    sources: dict[str, dict[str, Any]]


def import_pair(
    gpt_file: Path,
    sovits_file: Path,
    name: str,
    folder: Path | None = None,
    *,
    discriminator_file: Path | None = None,
    replace: bool = False,
) -> ImportResult:
    """Write a base model from a GPT .ckpt and a SoVITS .pth, completely or not at all.

    Weights become float32. Only float64 is rounded.

    Args:
        gpt_file: the .ckpt.
        sovits_file: the .pth.
        name: name of the base model.
        folder: where the bases lie. None is base_models/ beside the packages.
        discriminator_file: the s2D .pth of the same version, which only an adaptation needs.
        replace: whether a base of this name may be replaced.

    Raises:
        WeightsError: a file is refused, or the files do not belong together. The message names the file and the reason.
    """
    home = _home(name, folder, replace)
    parts = [_part_of(gpt_file, "gpt"), _part_of(sovits_file, "sovits")]
    if discriminator_file is not None:
        parts.append(_part_of(discriminator_file, "discriminator"))
    by_kind = {part.kind: part for part in parts}
    discriminator = by_kind.get("discriminator")
    try:
        base = Base(
            name,
            GPTConfig.from_dict(by_kind["gpt"].config),
            by_kind["gpt"].state,
            SoVITSConfig.from_dict(by_kind["sovits"].config),
            by_kind["sovits"].state,
            DiscriminatorConfig.from_dict(discriminator.config) if discriminator else None,
            discriminator.state if discriminator else None,
        )
    except ValueError as error:
        raise WeightsError(f"{gpt_file} and {sovits_file} do not form a pair: {error}") from error
    version = by_kind["sovits"].version
    if base.discriminator_config and base.discriminator_config.periods != OFFICIAL_DISCRIMINATOR[version].periods:
        raise WeightsError(
            f"{discriminator_file} has the periods {base.discriminator_config.periods}, the discriminator of {version} "
            f"{OFFICIAL_DISCRIMINATOR[version].periods}; use the s2D file that was published with {sovits_file.name}"
        )
    _write(home, parts)
    return ImportResult(
        folder=home,
        version=version,
        adaptable=bool(base.sovits_config.posterior_layers and discriminator),
        sources={part.kind: part.source() for part in parts},
    )


def import_part(
    path: Path, name: str | None = None, folder: Path | None = None, *, replace: bool = False
) -> ImportResult:
    """Write an encoder that all pairs share: chinese-hubert-base, chinese-roberta-wwm-ext-large or ERes2NetV2.

    Args:
        path: the file, or a transformers folder with config.json and model.safetensors or pytorch_model.bin.
        name: name of the folder in base_models/. None is the one where load_base and load_shared_part look
            (SHARED_PARTS).
        folder: where the bases lie. None is base_models/ beside the packages.
        replace: whether a folder of this name may be replaced.

    Raises:
        WeightsError: the file is refused. The message names the reason.
    """
    part = recognise(read_weights(path))
    if part.kind not in SHARED_PARTS:
        raise WeightsError(f"{path} is a {part.kind}, one half of a pair; import it together with the other half")
    home = _home(SHARED_PARTS[part.kind] if name is None else name, folder, replace)
    _write(home, [part])
    return ImportResult(home, "", False, {part.kind: part.source()})


def read_weights(path: Path) -> TorchFile:
    """Read the tensors in a file of torch.save or of safetensors, or in a transformers folder.

    Raises:
        WeightsError: the file is refused. The message names the reason.
    """
    if path.is_dir():
        found = [path / file for file in MODEL_FILES if (path / file).is_file()]
        if not found:
            raise WeightsError(
                f"{path} holds none of {', '.join(MODEL_FILES)}, so it is not a folder of a transformers model"
            )
        path = found[0]
    if path.suffix != ".safetensors":
        return read_torch_file(path)
    try:
        weights: Mapping[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a safetensors file ({error}); download it again") from error
    return finish_reading(path, "tensors", None, weights, {})


def _part_of(path: Path, kind: str) -> Part:
    part = recognise(read_weights(path))
    if part.kind != kind:
        raise WeightsError(f"{path} is a {part.kind} where a {kind} is needed; name the GPT first, then the SoVITS")
    return part


def _home(name: str, folder: Path | None, replace: bool) -> Path:
    if not re.fullmatch(MODEL_NAME, name) or name == STARTER:
        raise WeightsError(
            f"{name!r} cannot be a base model's name; use letters, digits, . - and _, but not {STARTER!r}"
        )
    home = (BASES_FOLDER if folder is None else folder) / name
    if home.exists() and not replace:
        raise WeightsError(f"{home} already exists; choose another name, or replace it with `--replace`")
    return home


def _write(home: Path, parts: Sequence[Part]) -> None:
    """Write all parts under a temporary name and move them into place in one step."""
    temporary, old = (home.with_name(f".{home.name}.{os.getpid()}.{end}") for end in ("tmp", "old"))
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        for part in parts:
            save_checkpoint(temporary / part.kind, part.kind, part.config, part.state, part.source())
        if home.exists():
            home.replace(old)
        temporary.replace(home)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
