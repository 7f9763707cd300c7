"""Reads the tensors and the config of a file that torch.save wrote, and runs nothing of what is in it.

The file is checked three times before a tensor is used: as a zip archive (torch_archive), as a list of pickle
instructions (pickle_scan), and by torch.load(weights_only=True). The config inside an official SoVITS file is an object
of upstream's class `utils.HParams`; a stand-in that only holds values takes its place, whether or not some module
`utils` can be imported.
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

from gpt_sovits.weights.errors import WeightsError, some
from gpt_sovits.weights.upstream.pickle_scan import PATHS, UPSTREAM_CONFIG, check_pickle
from gpt_sovits.weights.upstream.torch_archive import HEADS, open_torch_archive

MAX_CONFIG_VALUES, MAX_CONFIG_DEPTH = 10_000, 12
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)

# Keys under which the tensors lie -> what such a file is
LAYOUTS = {
    "weight": "exported weights",
    "model": "a SoVITS training state",
    "state_dict": "a GPT training state",
}
# What torch's restricted unpickler raises on a pickle that is well formed and yet makes no sense
SENSELESS = (
    pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError, MemoryError,
    AssertionError, OverflowError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TorchFile:
    """What a file of weights holds.

    weights: name -> CPU tensor, finite; floating point ones are float32 whatever they were
    config: plain values, {} where there was none; info: the writer's note, "" where there was none
    head_version: the version that the head claims, None for an ordinary zip; layout: a value of LAYOUTS or "tensors"
    dtypes: the floating point types in the file, such as ("float16",)
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
    """Stands in for a class of the pickle: it keeps values and does nothing."""

    def __init__(self, *_arguments: object, **_named: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        self.__dict__["values"] = state


class _Config(_Values):
    """For utils.HParams."""


class _Path(_Values):
    """For the folders that Lightning writes among its settings."""


def read_torch_file(path: Path) -> TorchFile:
    """The tensors and the config in a .ckpt, .pth or .bin file.

    Raises WeightsError (a ValueError) that says what is wrong with the file: see open_torch_archive and check_pickle;
    besides, something else than a dict of tensors, a LoRA, NaN or infinity.
    """
    with open_torch_archive(path) as (file, head, instructions):
        check_pickle(path, instructions)
        stand_ins: list[Any] = [(_Config, UPSTREAM_CONFIG.replace(" ", "."))]
        stand_ins += [(_Path, name.replace(" ", ".")) for name in PATHS]
        try:
            with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                content = torch.load(file, map_location="cpu", weights_only=True)
        except SENSELESS as error:
            raise WeightsError(
                f"{path} is damaged or was made to look like weights ({_first_sentence(error)}); it is refused"
            ) from error
    layout, weights = _tensors_of(path, content)
    return finish_reading(path, layout, HEADS[head], weights, {} if layout == "tensors" else content)


def finish_reading(
    path: Path, layout: str, head_version: str | None, weights: Mapping[str, Any], outside: Mapping[str, Any]
) -> TorchFile:
    """A TorchFile of tensors that were read from `path`, once they are found to be plain, finite and no bigger than it.

    outside: what lies beside the tensors: config, info. Raises WeightsError.
    """
    if "lora_rank" in outside or any("lora_" in name for name in weights):
        raise WeightsError(f"{path} is a LoRA of a v3 or v4 model, not a whole model; v2, v2Pro and v2ProPlus are read")
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
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensors_of(path: Path, content: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"{path} holds a {type(content).__name__}; a file of weights holds a dict of tensors")
    for key, layout in LAYOUTS.items():
        if isinstance(content.get(key), dict):
            return layout, _named(path, content[key])
    if any(isinstance(value, Tensor) for value in content.values()):
        return "tensors", _named(path, content)
    raise WeightsError(
        f"{path} holds {some([reprlib.repr(key) for key in content])}; tensors are expected under "
        f"{', '.join(repr(key) for key in LAYOUTS)}, or alone"
    )


def _named(path: Path, weights: dict[Any, Any]) -> dict[str, Any]:
    if not weights:
        raise WeightsError(f"{path} holds no tensor; it is no file of weights")
    wrong = [name for name, value in weights.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if wrong:
        raise WeightsError(
            f"{path}: {some([reprlib.repr(name) for name in wrong])} should be a named tensor and is not"
        )
    return weights


def _check_tensors(path: Path, weights: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The floating point types. Nothing that takes more memory than its file, or that is no ordinary tensor, passes."""
    odd = [
        name
        for name, tensor in weights.items()
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.dtype not in (*FLOATS, *INTEGERS)
    ]
    if odd:
        raise WeightsError(f"{path}: {some(odd)} is no plain tensor of numbers; it is refused")
    n_bytes, limit = sum(t.numel() * t.element_size() for t in weights.values()), 2 * path.stat().st_size
    if n_bytes > limit:  # twice: tied weights are stored once
        raise WeightsError(
            f"{path}: its tensors would unfold to {n_bytes} bytes from a file of {limit // 2}; it is refused"
        )
    bad = [name for name, t in weights.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
    if bad:
        raise WeightsError(f"{path}: NaN or infinity in {some(sorted(bad))}; the training that made it diverged")
    return tuple(sorted({str(t.dtype).removeprefix("torch.") for t in weights.values() if t.is_floating_point()}))


def _plain_tensor(tensor: Tensor) -> Tensor:
    """float32 for every float; contiguous, without gradient, sharing nothing with the file's other tensors."""
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
    """Dicts, lists, texts, numbers, true, false and null, of a bounded number: a pickle can refer to itself."""
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
    raise WeightsError(f"{path}: its config holds {reprlib.repr(value)}, which is no plain value; it is refused")


def _key(path: Path, key: object) -> str:
    if not isinstance(key, str):
        raise WeightsError(f"{path}: its config has a key {reprlib.repr(key)} that is no text; it is refused")
    return key


def _first_sentence(error: BaseException) -> str:
    """torch's messages go on with advice to read the file without protection, which is not repeated here."""
    text = " ".join(str(error).split())
    return (text.split(". ")[0][:160] or type(error).__name__).removeprefix("Weights only load failed")
