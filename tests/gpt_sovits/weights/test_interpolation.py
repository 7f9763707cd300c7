"""Interpolation between base and adapted weights."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.weights.interpolation import interpolate_states

BASE = {"a": torch.zeros(3, dtype=torch.float16), "steps": torch.tensor(1)}
ADAPTED = {"a": torch.tensor([1.0, 2.0, -4.0]), "steps": torch.tensor(7)}


def test_weights_0_and_1_give_base_and_adapted_and_others_lie_between():
    for weight, expected in ((0.0, [0.0, 0.0, 0.0]), (0.25, [0.25, 0.5, -1.0]), (1.0, [1.0, 2.0, -4.0])):
        interpolated = interpolate_states(BASE, ADAPTED, weight)
        assert interpolated["a"].tolist() == expected
        assert interpolated["a"].dtype == torch.float32 and interpolated["steps"] == 7


@pytest.mark.parametrize(
    ("base", "weight", "message"),
    [
        (BASE, 1.5, "from 0 to 1, not 1.5"),
        ({"a": BASE["a"]}, 0.5, "same names: steps"),
        (BASE | {"a": torch.zeros(2)}, 0.5, r"a is \(2,\) in the base and \(3,\) adapted"),
    ],
)
def test_states_that_do_not_fit_are_refused(base, weight, message):
    with pytest.raises(ValueError, match=message):
        interpolate_states(base, ADAPTED, weight)
