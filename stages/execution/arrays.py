"""Arrays in rows that pydantic turns into JSON and back, as the cache of results needs them."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, PlainValidator


def _as_json(array: np.ndarray) -> dict[str, Any]:
    return {
        "dtype": array.dtype.str,
        "shape": array.shape,
        "bytes": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
    }


def _as_array(value: np.ndarray | dict[str, Any]) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    dtype = np.dtype(value["dtype"])
    if dtype.hasobject:
        raise ValueError(f"an array of {dtype} cannot come from JSON")
    return np.frombuffer(base64.b64decode(value["bytes"]), dtype).reshape(value["shape"]).copy()


Array = Annotated[np.ndarray, PlainValidator(_as_array), PlainSerializer(_as_json)]
