"""A pair into the two files that the original GPT-SoVITS and the tools around it load.

Source of the layouts: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS process_ckpt.py and s1_train.py.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.sovits.config import OFFICIAL, SoVITSConfig
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.weights.checkpoint import load_weights
from gpt_sovits.weights.errors import WeightsError, some
from gpt_sovits.weights.sizes import MRTE_HEADS, REFERENCE_HEADS, version_of
from gpt_sovits.weights.upstream.torch_archive import HEADS, ZIP_HEAD
from gpt_sovits.weights.upstream.upstream_config import UPSTREAM_PICKLE, gpt_file_config, sovits_file_config

DTYPES = {"float16": torch.float16, "float32": torch.float32}
# What the original has in its code and not in its config, so that it can only load these sizes
FIXED_SOVITS = (
    "n_symbols", "ssl_dim", "codebook_size", "reference_bins", "reference_hidden", "reference_kernel", "mrte_channels",
    "attention_window", "wavenet_kernel", "n_flows", "flow_layers",
)  # fmt: skip
FIXED_GPT = ("bert_dim",)
POSTERIOR = "enc_q."


def export_pair(
    gpt: tuple[GPTConfig, Mapping[str, Tensor]],
    sovits: tuple[SoVITSConfig, Mapping[str, Tensor]],
    gpt_file: Path,
    sovits_file: Path,
    *,
    dtype: Literal["float16", "float32"] = "float16",
    info: str = "",
    with_posterior: bool = True,
    other_sizes: bool = False,
) -> None:
    """Write a GPT .ckpt and a SoVITS .pth; import_pair gives back the same configs and weights (rounded to `dtype`).

    gpt, sovits: config and state dict, weight norms not folded
    dtype: float16 is what the original writes; with float32 nothing is rounded
    info: a note that other tools show, such as the voice and its version
    with_posterior: keep `enc_q`, which only an adaptation needs; the original's own exports drop it
    other_sizes: write sizes too that the original does not load, because it has its own in its code
    Raises WeightsError for sizes that the files cannot say or the original cannot load, and for weights beyond `dtype`.
    """
    (gpt_config, gpt_state), (sovits_config, sovits_state) = gpt, sovits
    _check_sizes(gpt_config, sovits_config, other_sizes)
    with torch.device("meta"):
        models = {"GPT": GPT(gpt_config), "SoVITS": SoVITS(sovits_config)}
    for what, state in (("GPT", gpt_state), ("SoVITS", sovits_state)):
        load_weights(models[what], _on_meta(state), f"the {what}")
    # in the networks' own order, so that equal weights are equal files
    gpt_weights = {f"model.{name}": gpt_state[name] for name in models["GPT"].state_dict()}
    sovits_weights = {
        name: sovits_state[name]
        for name in models["SoVITS"].state_dict()
        if with_posterior or not name.startswith(POSTERIOR)
    }
    gpt_weights, sovits_weights = _rounded(gpt_weights, dtype, "GPT"), _rounded(sovits_weights, dtype, "SoVITS")
    heads = {version: head for head, version in HEADS.items()}
    head = heads.get(version_of(sovits_config), ZIP_HEAD)
    info = info or "Voxfoundry"
    _write(gpt_file, {"weight": gpt_weights, "config": gpt_file_config(gpt_config), "info": info}, ZIP_HEAD)
    _write(sovits_file, {"weight": sovits_weights, "config": sovits_file_config(sovits_config), "info": info}, head)


def _check_sizes(gpt: GPTConfig, sovits: SoVITSConfig, other_sizes: bool) -> None:
    unsaid = [
        f"{name} {seen} (always {expected})"
        for name, seen, expected in (
            ("SoVITS generator", sovits.generator, "hifigan"),
            ("SoVITS mrte_heads", sovits.mrte_heads, MRTE_HEADS),
            ("SoVITS reference_heads", sovits.reference_heads, REFERENCE_HEADS),
            ("GPT dropout", gpt.dropout, GPTConfig.dropout),
            ("GPT max_positions", gpt.max_positions, GPTConfig.max_positions),
        )
        if seen != expected
    ]
    if unsaid:
        raise WeightsError(f"the files have no place for {some(unsaid)}; such a pair cannot be exported")
    official = OFFICIAL[version_of(sovits)]
    differing = [
        f"{what} {name} {getattr(own, name)} instead of {getattr(theirs, name)}"
        for what, own, theirs, names in (
            ("SoVITS", sovits, official, (*FIXED_SOVITS, "speaker_dim")),
            ("GPT", gpt, GPTConfig(), FIXED_GPT),
        )
        for name in names
        if getattr(own, name) != getattr(theirs, name)
    ]
    if sovits.posterior_layers not in (0, official.posterior_layers):
        differing.append(f"SoVITS posterior_layers {sovits.posterior_layers} instead of {official.posterior_layers}")
    if differing and not other_sizes:
        raise WeightsError(
            f"the original GPT-SoVITS has sizes in its code that this pair does not have: {some(differing)}; it could "
            "not load the files. Only Voxfoundry can: `--other-sizes` writes them for that"
        )


def _rounded(state: Mapping[str, Tensor], dtype: str, what: str) -> OrderedDict[str, Tensor]:
    rounded = OrderedDict(
        (name, t.detach().to("cpu", DTYPES[dtype] if t.is_floating_point() else t.dtype, copy=True).contiguous())
        for name, t in state.items()
    )
    if beyond := sorted(name for name, t in rounded.items() if t.is_floating_point() and not t.isfinite().all()):
        raise WeightsError(f"{what}: {some(beyond)} goes beyond {dtype}; export with float32")
    return rounded


def _on_meta(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.empty(t.shape, device="meta") for name, t in state.items()}


def _write(path: Path, content: dict[str, Any], head: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(content, file, pickle_module=UPSTREAM_PICKLE)
            file.seek(0)
            file.write(head)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
