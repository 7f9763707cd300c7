"""Backward passes and optimiser steps in float32, bfloat16 or float16."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

PRECISIONS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Stepper:
    """The backward passes and optimiser steps of one training.

    Invariant: weights never change by a step whose loss or gradient is not finite.
    """

    def __init__(self, precision: str, device: str, clip_norm: float | None) -> None:
        """Prepare for one training.

        Args:
            precision: a key of PRECISIONS. Gradients in float16 are scaled so that small ones do not vanish.
            device: "cpu" or "cuda".
            clip_norm: largest L2 norm of a network's gradient, None for no limit.
        """
        self.device, self.dtype, self.clip_norm = device.partition(":")[0], PRECISIONS[precision], clip_norm
        self.scaler = torch.amp.GradScaler(self.device, enabled=precision == "fp16")

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context for the networks' forward passes. Losses belong outside of it, in float32."""
        return contextlib.nullcontext() if self.dtype is None else torch.autocast(self.device, self.dtype)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this loss to what the parameters hold."""
        self.scaler.scale(loss).backward()

    def step(self, optimizer: torch.optim.Optimizer, module: nn.Module, is_loss_finite: bool) -> float:
        """Take one step along the gradients and clear them.

        Args:
            optimizer: the optimiser of `module`.
            module: the network.
            is_loss_finite: False for a loss that is NaN or infinite. Then no weight changes.

        Returns:
            The L2 norm of the gradients before clipping. If it is not finite, no weight has changed.
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
        """Update the scale of float16 gradients, once all networks of a step have stepped."""
        self.scaler.update()

    def state(self) -> dict[str, Any]:
        """Return JSON-ready values for `load`, which are empty except in float16."""
        return self.scaler.state_dict()

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        if state:
            self.scaler.load_state_dict(state)
