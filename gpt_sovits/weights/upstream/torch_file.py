"""Read the tensors and the config of a file that torch.save wrote, without running anything in it.

The file is checked three times before a tensor is used: as a zip archive (torch_archive), as a list of pickle
instructions (pickle_scan), and by torch.load(weights_only=True). The config inside an official SoVITS file is an object
of upstream's class `utils.HParams`. A stand-in that only holds values replaces it, even if a module `utils` could be
imported.
Source of the layouts: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS process_ckpt.py and s2_train.py.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import reprlib
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpt_sovits.weights.errors import WeightsError, first_names
from gpt_sovits.weights.upstream.pickle_scan import PATHS, UPSTREAM_CONFIG, check_pickle
from gpt_sovits.weights.upstream.torch_archive import VERSION_OF_HEAD, open_torch_archive

MAX_CONFIG_VALUES, MAX_CONFIG_DEPTH = 10_000, 12
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)

# Key that holds the tensors -> what the file is
LAYOUTS = {
    "weight": "exported weights",
    "model": "a SoVITS training state",
    "state_dict": "a GPT training state",
}
# What PyTorch's restricted unpickler raises on a pickle that is well formed but makes no sense
UNPICKLING_ERRORS = (
    pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError, MemoryError,
    AssertionError, OverflowError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TorchFile:
    """The content of a file of weights.

    Attributes:
        path: the file.
        sha256: hash of the file.
        layout: a value of LAYOUTS, or "tensors".
        head_version: version that the first two bytes claim, None for an ordinary zip archive.
        weights: CPU tensors by name, all finite. Floating point tensors are converted to float32.
        config: plain values, {} where the file has none.
        info: the writer's note, "" where the file has none.
        dtypes: floating point types in the file, such as ("float16",).
    """

    path: Path
    sha256: str
    layout: str
    head_version: str | None
    weights: dict[str, Tensor]
    config: dict[str, Any]
    info: str
    dtypes: tuple[str, ...]


class _Values:
    """Stand-in for a class in the pickle. It keeps values and does nothing."""

    def __init__(self, *_arguments: object, **_named: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        self.__dict__["values"] = state


class _Config(_Values):
    """Stand-in for utils.HParams."""


class _Path(_Values):
    """Stand-in for the paths among Lightning's settings."""


def read_torch_file(path: Path) -> TorchFile:
    """Read the tensors and the config in a .ckpt, .pth or .bin file.

    Raises:
        WeightsError: the file is refused by open_torch_archive or check_pickle, does not hold a dict of tensors, is a
            LoRA, or holds NaN or infinity.
    """
    with open_torch_archive(path) as (file, head, instructions):
        check_pickle(path, instructions)
        stand_ins: list[Any] = [(_Config, UPSTREAM_CONFIG.replace(" ", "."))]
        stand_ins += [(_Path, name.replace(" ", ".")) for name in PATHS]
        try:
            with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                content = torch.load(file, map_location="cpu", weights_only=True)
        except UNPICKLING_ERRORS as error:
            raise WeightsError(
                f"{path} is damaged or only looks like a file of weights ({_first_sentence(error)}); download it again"
            ) from error
    layout, weights = _tensors_of(path, content)
    return finish_reading(path, layout, VERSION_OF_HEAD[head], weights, {} if layout == "tensors" else content)


def finish_reading(
    path: Path, layout: str, head_version: str | None, weights: Mapping[str, Any], outside: Mapping[str, Any]
) -> TorchFile:
    """Check tensors that were read from a file and return them as a TorchFile.

    Args:
        path: the file.
        layout: a value of LAYOUTS, or "tensors".
        head_version: version that the first two bytes claim.
        weights: the tensors, by name.
        outside: values beside the tensors, such as config and info.

    Raises:
        WeightsError: a tensor is not a plain tensor, is not finite or is larger than the file, or the file is a LoRA.
    """
    if "lora_rank" in outside or any("lora_" in name for name in weights):
        raise WeightsError(f"{path} is a LoRA of a v3 or v4 model; use a full model of v2, v2Pro or v2ProPlus")
    dtypes = _check_tensors(path, weights)
    info = outside.get("info", "")
    return TorchFile(
        path=path,
        sha256=file_sha256(path),
        layout=layout,
        head_version=head_version,
        weights={name: _plain_tensor(tensor) for name, tensor in weights.items()},
        config=_config_of(path, outside),
        info=info if isinstance(info, str) else "",
        dtypes=dtypes,
    )


def file_sha256(path: Path) -> str:
    """Return the hash of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensors_of(path: Path, content: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"{path} holds a {type(content).__name__}; a file of weights holds a dict of tensors")
    for key, layout in LAYOUTS.items():
        if isinstance(content.get(key), dict):
            return layout, _named_tensors(path, content[key])
    if any(isinstance(value, Tensor) for value in content.values()):
        return "tensors", _named_tensors(path, content)
    raise WeightsError(
        f"{path} holds {first_names([reprlib.repr(key) for key in content])}; tensors are expected under "
        f"{', '.join(repr(key) for key in LAYOUTS)}, or directly"
    )


def _named_tensors(path: Path, weights: dict[Any, Any]) -> dict[str, Any]:
    if not weights:
        raise WeightsError(f"{path} holds no tensor, so it is not a file of weights")
    wrong = [name for name, value in weights.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if wrong:
        raise WeightsError(
            f"{path}: {first_names([reprlib.repr(name) for name in wrong])} should be a named tensor and is not"
        )
    return weights


def _check_tensors(path: Path, weights: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the floating point types, and refuse tensors that are not plain, not finite or larger than their file."""
    not_plain = [
        name
        for name, tensor in weights.items()
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.dtype not in (*FLOATS, *INTEGERS)
    ]
    if not_plain:
        raise WeightsError(f"{path}: {first_names(not_plain)} is not a plain tensor of numbers; it is refused")
    n_bytes, limit = sum(t.numel() * t.element_size() for t in weights.values()), 2 * path.stat().st_size
    if n_bytes > limit:  # twice, because tied weights are stored once
        raise WeightsError(
            f"{path}: its tensors would expand to {n_bytes} bytes from a file of {limit // 2}; it is refused"
        )
    bad = [name for name, t in weights.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
    if bad:
        raise WeightsError(f"{path}: NaN or infinity in {first_names(sorted(bad))}; the training that made it diverged")
    return tuple(sorted({str(t.dtype).removeprefix("torch.") for t in weights.values() if t.is_floating_point()}))


def _plain_tensor(tensor: Tensor) -> Tensor:
    """Return a contiguous copy without gradient that shares no memory, in float32 if it is floating point."""
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to(dtype, copy=True).contiguous()


def _config_of(path: Path, outside: Mapping[str, Any]) -> dict[str, Any]:
    config = outside.get("config")
    if config is None and isinstance(outside.get("hyper_parameters"), dict):  # Lightning
        config = outside["hyper_parameters"].get("config")
    if config is None:
        return {}
    counter = [0]
    plain = _plain(path, config, counter, 0)
    if not isinstance(plain, dict):
        raise WeightsError(f"{path}: its config is a {type(plain).__name__}; it must be a dict or upstream's HParams")
    return plain


def _plain(path: Path, value: object, counter: list[int], depth: int) -> Any:
    """Return a config of JSON values only. Their number is bounded, because a pickle can refer to itself."""
    counter[0] += 1
    if counter[0] > MAX_CONFIG_VALUES or depth > MAX_CONFIG_DEPTH:
        raise WeightsError(
            f"{path}: its config has more than {MAX_CONFIG_VALUES} values or {MAX_CONFIG_DEPTH} levels; it is refused"
        )
    if isinstance(value, _Path):
        return None
    if isinstance(value, _Config):
        value = vars(value).get("values", {})
    if isinstance(value, dict):
        return {_key(path, key): _plain(path, inner, counter, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(path, inner, counter, depth + 1) for inner in value]
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise WeightsError(f"{path}: its config holds {reprlib.repr(value)}, which is not a plain value; it is refused")


def _key(path: Path, key: object) -> str:
    if not isinstance(key, str):
        raise WeightsError(f"{path}: its config has a key {reprlib.repr(key)} that is not a text; it is refused")
    return key


def _first_sentence(error: BaseException) -> str:
    """Return the first sentence of PyTorch's message, whose rest advises to read the file without protection."""
    text = " ".join(str(error).split())
    return (text.split(". ")[0][:160] or type(error).__name__).removeprefix("Weights only load failed")
