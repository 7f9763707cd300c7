"""Which parameters learn, and at which share of the learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import nn


class ParameterGroup(NamedTuple):
    factor: float  # on the learning rate
    parameters: dict[str, nn.Parameter]


def parameter_groups(
    model: nn.Module, frozen: Sequence[str], factors: Mapping[str, float], what: str
) -> list[ParameterGroup]:
    """The parameters that learn, by their factor; those of `frozen` modules get no gradient from here on.

    Names are those of modules or parameters; the longest that fits a parameter decides. What needs no gradient from the
    beginning (the quantiser) stays frozen. Raises ValueError for a name that is not there and where nothing is left.
    """
    every = dict(model.named_parameters())
    named = (*frozen, *factors)
    if unknown := [name for name in named if not any(_is_within(parameter, name) for parameter in every)]:
        known = sorted({name.split(".")[0] for name in every})
        raise ValueError(f"{what}: there is no module {unknown[0]!r} to freeze or to slow down; there are {known}")
    if twice := [name for name in frozen if name in factors]:
        raise ValueError(f"{what}: {twice[0]} is frozen and has a learning rate; leave it out of one of the two")
    groups: dict[float, dict[str, nn.Parameter]] = {}
    for name, parameter in every.items():
        closest = max((n for n in named if _is_within(name, n)), key=len, default="")
        if closest in frozen:
            parameter.requires_grad_(False)
        elif parameter.requires_grad:
            groups.setdefault(factors.get(closest, 1.0), {})[name] = parameter
    if not groups:
        raise ValueError(f"{what}: everything is frozen, so there is nothing to train; frozen is {list(frozen)}")
    return [ParameterGroup(factor, groups[factor]) for factor in sorted(groups, reverse=True)]


def _is_within(parameter: str, module: str) -> bool:
    return parameter == module or parameter.startswith(f"{module}.")
