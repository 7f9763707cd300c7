"""Names and shapes of the tensors of ERes2NetV2, the speaker model of v2Pro and v2ProPlus.

Source: Chen et al. 2024, "ERes2NetV2: Boosting Short-Duration Speaker Verification Performance with Computational
Efficiency"; github.com/modelscope/3D-Speaker speakerlab/models/eres2net.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

OFFICIAL_ERES2NET: dict[str, Any] = {
    "n_mels": 80,
    "n_channels": 64,  # of the first convolution
    "n_blocks": [3, 4, 6, 3],
    "base_width": 24,  # a block of n planes has splits of n * base_width / 64 channels
    "scale": 4,  # splits of a block
    "expansion": 4,  # a block's output is so many times wider than its planes
}
FUSED_LAYERS = (3, 4)  # whose splits are joined by attention
REDUCTION = 4  # inside that attention
UNUSED = "seg_1."  # the head that its own training had


def eres2net_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape for a config with the keys of OFFICIAL_ERES2NET, without the unused head `seg_1`."""
    return dict(_shapes(config))


def _shapes(c: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width = c["n_channels"]
    yield "conv1.weight", (width, 1, 3, 3)
    yield from _norm("bn1", width)
    for layer, n_blocks in enumerate(c["n_blocks"], 1):
        planes = c["n_channels"] * 2 ** (layer - 1)
        for block in range(n_blocks):
            yield from _block(f"layer{layer}.{block}", width, planes, layer in FUSED_LAYERS, c)
            width = planes * c["expansion"]
    yield "layer3_ds.weight", (width, width // 2, 3, 3)
    yield from _attention("fuse34", width)


def _block(
    name: str, width: int, planes: int, is_fused: bool, c: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    split = planes * c["base_width"] // 64
    out = planes * c["expansion"]
    yield f"{name}.conv1.weight", (split * c["scale"], width, 1, 1)
    yield from _norm(f"{name}.bn1", split * c["scale"])
    for i in range(c["scale"]):
        yield f"{name}.convs.{i}.weight", (split, split, 3, 3)
        yield from _norm(f"{name}.bns.{i}", split)
    for i in range(c["scale"] - 1 if is_fused else 0):
        yield from _attention(f"{name}.fuse_models.{i}", split)
    yield f"{name}.conv3.weight", (out, split * c["scale"], 1, 1)
    yield from _norm(f"{name}.bn3", out)
    if name.endswith(".0"):  # the first of a layer changes the width
        yield f"{name}.shortcut.0.weight", (out, width, 1, 1)
        yield from _norm(f"{name}.shortcut.1", out)


def _attention(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    inner = width // REDUCTION
    yield f"{name}.local_att.0.weight", (inner, 2 * width, 1, 1)
    yield f"{name}.local_att.0.bias", (inner,)
    yield from _norm(f"{name}.local_att.1", inner)
    yield f"{name}.local_att.3.weight", (width, inner, 1, 1)
    yield f"{name}.local_att.3.bias", (width,)
    yield from _norm(f"{name}.local_att.4", width)


def _norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (width,)
    yield f"{name}.num_batches_tracked", ()
