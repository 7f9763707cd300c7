"""The number format of the weights in inference. Training uses float32, which is also the default.

float32   the plain numbers
float16   GPT: half the bytes per token, and exactly the official weights (their files contain float16), in float32
          arithmetic. SoVITS: float32
bfloat16  GPT: half the bytes per token, with the prompt in bfloat16 arithmetic and each step in float32. SoVITS:
          bfloat16 matrix products in the generator, which newer CPUs compute several times faster
int8      GPT: a quarter of the bytes per token, with one scale per row, in float32 arithmetic, and the prompt as with
          bfloat16. SoVITS: as with bfloat16
"""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["float32", "float16", "bfloat16", "int8"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
BYTES_PER_WEIGHT: dict[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
HAS_BFLOAT16_ARITHMETIC = ("bfloat16", "int8")  # matrix products of many rows are computed in bfloat16


def check_precision(precision: str) -> None:
    """Raise ValueError for a name that is not in PRECISIONS."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
