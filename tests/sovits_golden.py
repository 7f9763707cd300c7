"""Helpers that read the stored vectors of upstream (shared/gpt-sovits) and build our models with the same weights."""

from __future__ import annotations

import functools
import importlib.util
import json
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gpt_sovits.sovits.config import OFFICIAL, OFFICIAL_DISCRIMINATOR, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.model import SoVITS


def reference_folder(shared: Path) -> Path:
    folder = shared / "gpt-sovits"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent, so there are no stored vectors of upstream to compare with")
    return folder


def key_listing(shared: Path, name: str) -> dict[str, list[int]]:
    """Read keys_NAME.txt as tensor name -> shape, in the order of the file."""
    lines = (reference_folder(shared) / f"keys_{name}.txt").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {row[0]: json.loads(row[1]) for row in rows}


_outputs: dict[str, set[str]] = {}  # the outputs of each stored file that was opened
_used: dict[str, set[str]] = {}  # the tensors of each that tests read


def unused_outputs(config: pytest.Config) -> list[str]:
    """List the stored outputs that no test read, of the files that this process opened.

    The list is empty where the user selected some of the tests.
    """
    o = config.option
    if o.keyword or o.markexpr or o.deselect or o.lf or any("::" in argument for argument in config.args):
        return []
    return sorted(f"{name} {key}" for name, used in _used.items() for key in _outputs[name] - used)


class Golden:
    """One stored file with its index entry and its tolerance. golden["out/x"] is a tensor of it."""

    def __init__(self, shared: Path, name: str) -> None:
        folder = reference_folder(shared) / "golden"
        self.entry: dict[str, Any] = json.loads((folder / "index.json").read_text())[name]
        self.tolerance: float = self.entry["tolerance_rel"]
        self.tensors = load_file(folder / self.entry["file"])
        _outputs[name] = {key for key in self.tensors if key.startswith("out/")}
        self.used = _used.setdefault(name, set())

    def __getitem__(self, name: str) -> Tensor:
        self.used.add(name)
        return self.tensors[name]

    def compare(self, name: str, value: Tensor, tolerance: float | None = None) -> None:
        """Compare integers exactly, other numbers by the largest error relative to the golden's largest magnitude."""
        expected = self[name]
        value = value.detach()
        assert value.shape == expected.shape, f"{name}: shape {tuple(value.shape)}, golden {tuple(expected.shape)}"
        if not expected.is_floating_point():
            assert torch.equal(value, expected), f"{name} differs"
            return
        scale = max(float(expected.abs().max()), 1e-12)
        error = float((value.double() - expected.double()).abs().max()) / scale
        allowed = self.tolerance if tolerance is None else tolerance
        assert error <= allowed, f"{name}: relative error {error:.2e} exceeds {allowed:.0e}"


@functools.cache
def formula(shared: Path) -> ModuleType:
    path = reference_folder(shared) / "golden" / "formula.py"
    spec = importlib.util.spec_from_file_location("golden_formula", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BLOCK = 1 << 14  # values at a time, so that all steps stay in the processor's cache
GOLDEN_RATIO, FIRST_MIX, SECOND_MIX = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
ALL_BITS = 0xFFFFFFFFFFFFFFFF


def formula_fill(shared: Path, name: str, shape: tuple[int, ...]) -> Tensor:
    """Compute formula.fill bit for bit, about 15 times as fast, in place on blocks that fit the cache."""
    offset, scale = formula(shared).rule(name, tuple(shape))
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & ALL_BITS
    values = np.empty(prod(shape), np.float32)
    steps = np.arange(1, BLOCK + 1, dtype=np.uint64) * np.uint64(GOLDEN_RATIO)
    integers, shifted, reals = (np.empty(BLOCK, kind) for kind in (np.uint64, np.uint64, np.float64))
    for start in range(0, len(values), BLOCK):
        n = min(BLOCK, len(values) - start)
        x, y, r = integers[:n], shifted[:n], reals[:n]
        np.add(steps[:n], np.uint64((seed + start * GOLDEN_RATIO) & ALL_BITS), out=x)
        for bits, mix in ((30, FIRST_MIX), (27, SECOND_MIX)):
            np.right_shift(x, bits, out=y)
            x ^= y
            x *= np.uint64(mix)
        np.right_shift(x, 31, out=y)
        x ^= y
        x >>= np.uint64(40)
        np.multiply(x.view(np.int64), 2.0**-23, out=r)
        r -= 1.0
        r *= scale
        r += offset
        values[start : start + n] = r
    return torch.from_numpy(values.reshape(shape))


def fill(module: nn.Module, shared: Path, prefix: str = "") -> None:
    """Fill a module, which may be on the meta device, with the closed-form weights of the goldens."""
    state = {k: formula_fill(shared, prefix + k, tuple(v.shape)).to(v.dtype) for k, v in module.state_dict().items()}
    module.load_state_dict(state, strict=True, assign=True)


def small_config(golden: Golden, version: str) -> SoVITSConfig:
    model, hard_coded = golden.entry["config"]["model"], golden.entry["config"]["hard_coded"]
    same = ("hidden_channels", "filter_channels", "n_heads", "n_layers", "p_dropout", "upsample_initial_channel")
    return OFFICIAL[version].from_dict(
        OFFICIAL[version].to_dict()
        | {name: model[name] for name in same}
        | {
            "latent_channels": model["inter_channels"],
            "style_channels": model["gin_channels"],
            "ssl_dim": hard_coded["ssl_dim"],
            "codebook_size": hard_coded["bins"],
            "reference_hidden": hard_coded["style_hidden"],
            "mrte_channels": hard_coded["mrte"]["hidden_size"],
            "speaker_dim": hard_coded["sv_dim"] if OFFICIAL[version].speaker_dim else 0,
        }
    )


def build_sovits(golden: Golden, shared: Path, version: str) -> SoVITS:
    """Build the network of a golden file in evaluation mode, with upstream's padding in the reference encoder."""
    state = {k.removeprefix("state/"): v for k, v in golden.tensors.items() if k.startswith("state/")}
    with torch.device("meta"):
        model = SoVITS(small_config(golden, version) if state else OFFICIAL[version])
    if state:
        model.load_state_dict(state, strict=True, assign=True)
    else:
        fill(model, shared)
    model.ref_enc.padding_leaks = True
    return model.eval()


@functools.cache
def build_discriminator(shared: Path, version: str) -> Discriminator:
    """Build the discriminator in evaluation mode without gradients. The smaller one is a part of the larger one."""
    with torch.device("meta"):
        model = Discriminator(OFFICIAL_DISCRIMINATOR[version])
    if version == "v2Pro":
        fill(model, shared, "D.")
    else:
        larger = build_discriminator(shared, "v2Pro").state_dict()
        model.load_state_dict({k: larger[k] for k in model.state_dict()}, assign=True)
    return model.eval().requires_grad_(False)
