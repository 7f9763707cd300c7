"""ScaledAdam: Adam whose steps are proportional to the size of what they change. The upstream recipe's optimiser.

A tensor learns its direction and its size separately. The direction moves by Adam's step times the root mean square
(RMS) of the tensor's values, so that one learning rate suits large and small tensors. The size moves by a second Adam
over the gradient of the logarithm of the size, once every few steps. Gradients are clipped by the median of past norms,
but only for the sizes, as in the original. The tests repeat stored steps of the original.
Source: icefall, github.com/k2-fsa/icefall zipformer optim.py. The settings are those of GPT-SoVITS
AR/modules/optim.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

# A factor above this corrects the mean of squares for its start at zero so little that it is left out, as upstream does
NEGLIGIBLE_CORRECTION = 0.99


class ScaledAdam(torch.optim.Optimizer):
    """Adam whose steps are proportional to the size of each tensor."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.95),
        clipping_scale: float = 2.0,
        clipping_period: int = 1000,
        size_rate: float = 0.1,
        eps: float = 1e-8,
        min_rms: float = 1e-5,
        max_rms: float = 3.0,
        size_period: int = 4,
        scalar_max: float = 10.0,
    ) -> None:
        """Set up the optimiser. Settings may differ between groups of parameters.

        Args:
            params: tensors or groups of them, as for any optimiser.
            lr: learning rate, above 0.
            betas: decay of the first and the second moment, in [0, 1).
            clipping_scale: for the sizes, gradients above this multiple of the median norm are scaled down to it.
            clipping_period: number of steps that the median is taken over, and between its updates. Nothing is clipped
                before the first.
            size_rate: learning rate of sizes and of one-element tensors, as a share of lr.
            eps: added to the root of the mean of squares.
            min_rms: sizes below are not made smaller.
            max_rms: sizes above are not made larger.
            size_period: steps between updates of the size.
            scalar_max: bound on one-element tensors before a step.
        """
        if not lr > 0 or not all(0 <= beta < 1 for beta in betas) or clipping_period < 1 or size_period < 1:
            raise ValueError(
                f"ScaledAdam: lr = {lr} must be above 0, betas = {betas} in [0, 1), clipping_period = "
                f"{clipping_period} and size_period = {size_period} at least 1"
            )
        defaults = {
            "lr": lr,
            "betas": betas,
            "clipping_scale": clipping_scale,
            "clipping_period": clipping_period,
            "size_rate": size_rate,
            "eps": eps,
            "min_rms": min_rms,
            "max_rms": max_rms,
            "size_period": size_period,
            "scalar_max": scalar_max,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Take one step along the gradients. Parameters without a gradient do not change."""
        for _, parameter in self._learning():
            if not self.state[parameter]:
                self.state[parameter].update(_first_state(parameter))
        factor = self._clipping_factor()
        for group, parameter in self._learning():
            state = self.state[parameter]
            state["delta"].mul_(group["betas"][0])
            if parameter.numel() == 1:
                _scalar_update(parameter, parameter.grad, state, group)
            else:
                _size_update(parameter, parameter.grad if factor is None else parameter.grad * factor, state, group)
                _direction_update(parameter, parameter.grad, state, group)
            state["step"] += 1

    def _learning(self) -> Iterator[tuple[dict[str, Any], Tensor]]:
        for group in self.param_groups:
            yield from ((group, p) for p in group["params"] if p.grad is not None)

    def _clipping_factor(self) -> Tensor | None:
        """Return the factor on all gradients, None before the first median is known. The first step does not count."""
        learning = list(self._learning())
        if not learning:
            return None
        group, first = learning[0]  # its settings and its state count for all
        state, period = self.state[first], group["clipping_period"]
        if state["step"] == 0:
            return None
        squares = [(p.grad if p.numel() == 1 else p.grad * self.state[p]["rms"]).square().sum() for _, p in learning]
        norm = torch.stack(squares).sum().sqrt()
        if "norms" not in state:
            state["norms"] = torch.zeros(period, device=norm.device)
        state["norms"][state["step"] % period] = norm
        if state["step"] % period == 0:
            state["largest_norm"] = group["clipping_scale"] * state["norms"].sort().values[period // 4 * 2]
        return (state["largest_norm"] / (norm + 1e-20)).clamp(max=1.0) if "largest_norm" in state else None


def _first_state(parameter: Tensor) -> dict[str, Any]:
    state: dict[str, Any] = {
        "step": 0,
        "delta": torch.zeros_like(parameter),  # decaying sum of past changes
        "mean_square": torch.zeros_like(parameter),  # of the gradient
    }
    if parameter.numel() > 1:
        state["rms"] = parameter.square().mean().sqrt()
        state["size_mean_square"] = torch.zeros((), device=parameter.device)
    return state


def _scalar_update(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    beta1, beta2 = group["betas"]
    state["mean_square"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    corrected = state["mean_square"] / (1 - beta2 ** (state["step"] + 1))
    state["delta"].add_(
        gradient / (corrected.sqrt() + group["eps"]), alpha=-group["lr"] * group["size_rate"] * (1 - beta1)
    )
    parameter.clamp_(-group["scalar_max"], group["scalar_max"]).add_(state["delta"])


def _size_update(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Add to `delta`, once per period, what makes the whole tensor larger or smaller."""
    beta1, beta2 = group["betas"]
    period, step, rate = group["size_period"], state["step"], group["lr"] * group["size_rate"]
    if "size_gradients" not in state:
        state["size_gradients"] = torch.zeros(period, device=parameter.device)
    gradients = state["size_gradients"]
    gradients[step % period] = (parameter * gradient).sum()
    if step % period < period - 1:
        return
    state["rms"] = parameter.square().mean().sqrt()
    decay = beta2**period  # this mean is updated once per period
    state["size_mean_square"].mul_(decay).add_(gradients.square().mean(), alpha=1 - decay)
    correction = 1 - decay ** ((step + 1) // period)
    change = -rate * math.sqrt(correction) * gradients.sum() / (state["size_mean_square"].sqrt() + group["eps"])
    change = change.masked_fill(state["rms"] < group["min_rms"], 0.0)
    change = change.masked_fill(state["rms"] > group["max_rms"], -rate * period)
    state["delta"].add_(parameter * change, alpha=1 - beta1)


def _direction_update(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    beta1, beta2 = group["betas"]
    state["mean_square"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    correction = 1 - beta2 ** (state["step"] + 1)
    mean_square = state["mean_square"] if correction >= NEGLIGIBLE_CORRECTION else state["mean_square"] / correction
    size = state["rms"].clamp(min=group["min_rms"])
    state["delta"].add_(gradient / (mean_square.sqrt() + group["eps"]) * (-group["lr"] * (1 - beta1) * size))
    parameter.add_(state["delta"])
