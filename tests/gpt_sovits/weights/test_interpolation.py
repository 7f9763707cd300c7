"""Weights between base and adapted ones."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.weights.interpolation import interpolate_states

BASE = {"a": torch.zeros(3, dtype=torch.float16), "steps": torch.tensor(1)}
ADAPTED = {"a": torch.tensor([1.0, 2.0, -4.0]), "steps": torch.tensor(7)}


def test_the_ends_are_base_and_adapted_and_the_middle_lies_between():
    for share, expected in ((0.0, [0.0, 0.0, 0.0]), (0.25, [0.25, 0.5, -1.0]), (1.0, [1.0, 2.0, -4.0])):
        blended = interpolate_states(BASE, ADAPTED, share)
        assert blended["a"].tolist() == expected
        assert blended["a"].dtype == torch.float32 and blended["steps"] == 7


@pytest.mark.parametrize(
    ("base", "share", "message"),
    [
        (BASE, 1.5, "from 0 to 1, not 1.5"),
        ({"a": BASE["a"]}, 0.5, "same names: steps"),
        (BASE | {"a": torch.zeros(2)}, 0.5, r"a is \(2,\) in the base and \(3,\) adapted"),
    ],
)
def test_what_does_not_fit_is_refused(base, share, message):
    with pytest.raises(ValueError, match=message):
        interpolate_states(base, ADAPTED, share)
