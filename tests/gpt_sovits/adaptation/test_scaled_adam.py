"""ScaledAdam: the stored steps of the original, and properties that hold for any tensor."""

import pytest
import torch
from sovits_golden import Golden

from gpt_sovits.adaptation.scaled_adam import ScaledAdam

NAMES = ("a.weight", "b.weight", "c.bias", "alpha", "d.weight", "e.bias")


def test_the_stored_steps_of_the_original(shared):
    """14 steps, the rate 0.01 in the first and 0.002 in all others, clipping from the fifth on."""
    golden = Golden(shared, "s1_scaled_adam")
    parameters = {name: torch.nn.Parameter(golden[f"in/p0.{name}"].clone()) for name in NAMES}
    optimizer = ScaledAdam(parameters.values(), clipping_period=5)
    rates = golden["out/lr_used"].tolist()
    compared = set()
    for step, rate in enumerate(rates):
        for name, parameter in parameters.items():
            parameter.grad = golden[f"in/grad.{step:02d}.{name}"].clone()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        for name, parameter in parameters.items():
            if (key := f"out/p.after{step:02d}.{name}") in golden.tensors:
                golden.compare(key, parameter)
                compared.add(step)
    assert compared == {0, 1, 3, 4, 5, 9, 13}


def test_a_tensor_a_hundred_times_as_large_takes_steps_a_hundred_times_as_large():
    generator = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(6, 3, generator=generator), torch.randn(8, 6, 3, generator=generator)
    ends = []
    for scale in (0.01, 1.0):
        parameter = torch.nn.Parameter(scale * start)
        optimizer = ScaledAdam([parameter])
        for gradient in gradients:
            parameter.grad = gradient / scale  # of the same loss, which depends only on the shape
            optimizer.step()
        ends.append(parameter.detach() / scale)
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ends[1], start, atol=1e-2)


def test_a_huge_gradient_is_clipped_where_sizes_are_learned_once_a_median_is_known():
    sizes = {}
    for huge in (1.0, 1000.0):
        parameter = torch.nn.Parameter(torch.ones(4))
        optimizer = ScaledAdam([parameter], clipping_period=4)
        for step in range(6):
            parameter.grad = torch.full((4,), huge if step == 5 else 1.0)
            optimizer.step()
        sizes[huge] = optimizer.state[parameter]["size_gradients"].abs().max().item()
    assert sizes[1.0] == pytest.approx(4, rel=0.1)
    assert sizes[1000.0] == pytest.approx(8, rel=0.1)  # twice the median norm


def test_parameters_without_gradient_stay_and_wrong_settings_are_refused():
    moving, still = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = ScaledAdam([moving, still])
    optimizer.step()
    moving.grad = torch.ones(3)
    optimizer.step()
    assert still.equal(torch.ones(3)) and (moving < 1).all()
    for wrong in ({"lr": 0.0}, {"betas": (0.9, 1.0)}, {"clipping_period": 0}):
        with pytest.raises(ValueError, match="ScaledAdam"):
            ScaledAdam([moving], **wrong)
