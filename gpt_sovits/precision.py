"""What the weights are stored as for inference. Training, and the default, are float32.

float32   the plain numbers
float16   GPT: half the bytes a token, and exactly the official weights (their files hold float16); float32 arithmetic.
          SoVITS: float32
bfloat16  GPT: half the bytes a token, the prompt in bfloat16 arithmetic, each step in float32. SoVITS: bfloat16
          matrix products in the generator, which newer CPUs compute several times faster
int8      GPT: a quarter of the bytes a token, one scale a row, float32 arithmetic; the prompt as with bfloat16.
          SoVITS: as with bfloat16
"""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["float32", "float16", "bfloat16", "int8"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
BYTES_PER_WEIGHT: dict[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
HAS_BFLOAT16_ARITHMETIC = ("bfloat16", "int8")  # where matrix products of many rows are computed in bfloat16


def check_precision(precision: str) -> None:
    """Raises ValueError for a name that is not in the table."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
