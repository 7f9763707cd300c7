"""Which parameters are trained, and at which share of the learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import nn


class ParameterGroup(NamedTuple):
    """Parameters with the same learning rate."""

    factor: float  # on the learning rate
    parameters: dict[str, nn.Parameter]


def parameter_groups(
    model: nn.Module, frozen: Sequence[str], factors: Mapping[str, float], section: str
) -> list[ParameterGroup]:
    """Group the parameters to train by their factor, and switch off the gradients of frozen ones.

    Names are those of modules or parameters. The longest name that contains a parameter decides. Parameters without a
    gradient, such as the quantiser's, stay frozen.

    Args:
        model: the network, whose `requires_grad` flags are changed.
        frozen: names that are not trained.
        factors: factors on the learning rate, by name. The factor is 1 where no name fits.
        section: section of params.yaml that holds the names. Messages begin with it.

    Returns:
        One group per factor, largest factor first.

    Raises:
        ValueError: a name does not exist or is both frozen and in `factors`, or there is nothing left to train.
    """
    every = dict(model.named_parameters())
    named = (*frozen, *factors)
    if unknown := [name for name in named if not any(_is_within(parameter, name) for parameter in every)]:
        known = sorted({name.split(".")[0] for name in every})
        raise ValueError(f"{section}: there is no module {unknown[0]!r} to freeze or to slow down; there are {known}")
    if contradictory := [name for name in frozen if name in factors]:
        raise ValueError(
            f"{section}: {contradictory[0]} is in `frozen` and in `learning_rate_factors`; remove it from one of them"
        )
    groups: dict[float, dict[str, nn.Parameter]] = {}
    for name, parameter in every.items():
        closest = max((n for n in named if _is_within(name, n)), key=len, default="")
        if closest in frozen:
            parameter.requires_grad_(False)
        elif parameter.requires_grad:
            groups.setdefault(factors.get(closest, 1.0), {})[name] = parameter
    if not groups:
        raise ValueError(f"{section}: everything is frozen, so there is nothing to train; `frozen` is {list(frozen)}")
    return [ParameterGroup(factor, groups[factor]) for factor in sorted(groups, reverse=True)]


def _is_within(parameter: str, module: str) -> bool:
    return parameter == module or parameter.startswith(f"{module}.")
