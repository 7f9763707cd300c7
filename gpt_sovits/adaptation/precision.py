"""Backward passes and optimiser steps in float32, bfloat16 or float16, none of which may spoil the weights."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

PRECISIONS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Stepper:
    """One training's backward passes and optimiser steps.

    precision: a key of PRECISIONS; float16 gradients are scaled so that small ones do not vanish
    device: "cpu" or "cuda"; clip_norm: largest L2 norm of a network's gradient, None for any
    """

    def __init__(self, precision: str, device: str, clip_norm: float | None) -> None:
        self.device, self.dtype, self.clip_norm = device.partition(":")[0], PRECISIONS[precision], clip_norm
        self.scaler = torch.amp.GradScaler(self.device, enabled=precision == "fp16")

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """For the forward passes of networks; losses belong outside, in float32."""
        return contextlib.nullcontext() if self.dtype is None else torch.autocast(self.device, self.dtype)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this loss to what the parameters hold."""
        self.scaler.scale(loss).backward()

    def step(self, optimizer: torch.optim.Optimizer, module: nn.Module, is_loss_finite: bool) -> float:
        """One step along the gradients, which are then forgotten; returns their L2 norm before clipping.

        Where the norm or the loss is NaN or infinite nothing moves.
        """
        self.scaler.unscale_(optimizer)
        parameters = [p for p in module.parameters() if p.grad is not None]
        if self.clip_norm is None:
            norm = get_total_norm([p.grad for p in parameters]).item()
        else:
            norm = clip_grad_norm_(parameters, self.clip_norm).item()
        if is_loss_finite and math.isfinite(norm):
            self.scaler.step(optimizer)
        optimizer.zero_grad(set_to_none=True)
        return norm

    def end_step(self) -> None:
        """Once all networks of a step have stepped: float16's scale falls after an overflow and rises after calm."""
        self.scaler.update()

    def state(self) -> dict[str, Any]:
        """JSON-able; empty but in float16."""
        return self.scaler.state_dict()

    def load(self, state: dict[str, Any]) -> None:
        if state:
            self.scaler.load_state_dict(state)
