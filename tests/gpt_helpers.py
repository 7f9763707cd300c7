"""Helpers for the tests of the GPT."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from gpt_sovits.gpt.model import GPT


@contextmanager
def replaced_eos_row(model: GPT, row: Tensor) -> Iterator[None]:
    """Replace the prediction layer's row of EOS while the context is open."""
    weight = model.ar_predict_layer.weight.data
    before = weight[-1].clone()
    weight[-1] = row
    try:
        yield
    finally:
        weight[-1] = before
