"""Export a pair into the two files that the original GPT-SoVITS and the tools around it load.

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
from gpt_sovits.weights.errors import WeightsError, first_names
from gpt_sovits.weights.sizes import MRTE_HEADS, REFERENCE_HEADS, version_of
from gpt_sovits.weights.upstream.torch_archive import ZIP_HEAD
from gpt_sovits.weights.upstream.upstream_config import UPSTREAM_PICKLE, gpt_file_config, sovits_file_config

DTYPES = {"float16": torch.float16, "float32": torch.float32}
# First two bytes of a SoVITS file, as the original writes them. It leaves those of v2 as they are
HEAD_OF_VERSION = {"v2": ZIP_HEAD, "v2Pro": b"05", "v2ProPlus": b"06"}
# Sizes that the original has in its code and not in its config, so that it loads no others
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
    """Write a GPT .ckpt and a SoVITS .pth, from which import_pair restores the configs and the (rounded) weights.

    Args:
        gpt: config and state dict.
        sovits: config and state dict, with weight norms that are not folded.
        gpt_file: the .ckpt to write.
        sovits_file: the .pth to write.
        dtype: type of the weights. The original writes float16. With float32 nothing is rounded.
        info: a note that other tools show, such as the voice and its version.
        with_posterior: keep `enc_q`, which only an adaptation needs and which the original's exports drop.
        other_sizes: also write sizes that the original cannot load, because it has fixed ones in its code.

    Raises:
        WeightsError: the files cannot record a size, the original cannot load it, or a weight is beyond `dtype`.
    """
    (gpt_config, gpt_state), (sovits_config, sovits_state) = gpt, sovits
    _check_sizes(gpt_config, sovits_config, other_sizes)
    with torch.device("meta"):
        models = {"GPT": GPT(gpt_config), "SoVITS": SoVITS(sovits_config)}
    for what, state in (("GPT", gpt_state), ("SoVITS", sovits_state)):
        load_weights(models[what], _on_meta(state), f"the {what}")
    # In the networks' order, so that equal weights give equal files
    gpt_weights = {f"model.{name}": gpt_state[name] for name in models["GPT"].state_dict()}
    sovits_weights = {
        name: sovits_state[name]
        for name in models["SoVITS"].state_dict()
        if with_posterior or not name.startswith(POSTERIOR)
    }
    gpt_weights = _round_weights(gpt_weights, dtype, "GPT")
    sovits_weights = _round_weights(sovits_weights, dtype, "SoVITS")
    info = info or "Voxfoundry"
    _write(gpt_file, {"weight": gpt_weights, "config": gpt_file_config(gpt_config), "info": info}, ZIP_HEAD)
    head = HEAD_OF_VERSION[version_of(sovits_config)]
    _write(sovits_file, {"weight": sovits_weights, "config": sovits_file_config(sovits_config), "info": info}, head)


def _check_sizes(gpt: GPTConfig, sovits: SoVITSConfig, other_sizes: bool) -> None:
    not_recorded = [
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
    if not_recorded:
        raise WeightsError(
            f"the files cannot record {first_names(not_recorded)}; only a pair with the official sizes can be exported"
        )
    official = OFFICIAL[version_of(sovits)]
    differing = [
        f"{what} {name} {getattr(config, name)} instead of {getattr(expected, name)}"
        for what, config, expected, names in (
            ("SoVITS", sovits, official, (*FIXED_SOVITS, "speaker_dim")),
            ("GPT", gpt, GPTConfig(), FIXED_GPT),
        )
        for name in names
        if getattr(config, name) != getattr(expected, name)
    ]
    if sovits.posterior_layers not in (0, official.posterior_layers):
        differing.append(f"SoVITS posterior_layers {sovits.posterior_layers} instead of {official.posterior_layers}")
    if differing and not other_sizes:
        raise WeightsError(
            f"the original GPT-SoVITS could not load the files, because it has other sizes in its code: "
            f"{first_names(differing)}; use `--other-sizes` to write files that only Voxfoundry loads"
        )


def _round_weights(state: Mapping[str, Tensor], dtype: str, what: str) -> OrderedDict[str, Tensor]:
    rounded = OrderedDict(
        (name, t.detach().to("cpu", DTYPES[dtype] if t.is_floating_point() else t.dtype, copy=True).contiguous())
        for name, t in state.items()
    )
    if beyond := sorted(name for name, t in rounded.items() if t.is_floating_point() and not t.isfinite().all()):
        raise WeightsError(f"{what}: {first_names(beyond)} is beyond {dtype}; export with float32")
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
