"""Steps in float16 and with broken gradients: the weights stay intact."""

import math

import pytest
import torch

from gpt_sovits.adaptation.precision import Stepper


def parts(precision="fp32", clip_norm=None):
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 2)
    return module, torch.optim.SGD(module.parameters(), lr=0.1), Stepper(precision, "cpu", clip_norm)


def step(module, optimizer, stepper, factor=1.0, is_loss_finite=True):
    stepper.backward(factor * module(torch.ones(1, 3)).square().sum())
    norm = stepper.step(optimizer, module, is_loss_finite)
    stepper.end_step()
    return norm


def test_float16_steps_like_float32_at_any_scale():
    plain, scaled = parts(), parts("fp16")
    norms = [step(*each) for each in (plain, scaled)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
    torch.testing.assert_close(plain[0].weight, scaled[0].weight)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gradient_that_is_not_finite_changes_nothing_and_is_cleared(precision):
    module, optimizer, stepper = parts(precision, clip_norm=1.0)
    before, scale = module.weight.detach().clone(), stepper.state().get("scale")
    assert not math.isfinite(step(module, optimizer, stepper, factor=math.inf))
    assert module.weight.equal(before) and module.weight.grad is None
    if precision == "fp16":
        assert stepper.state()["scale"] == scale / 2
    assert math.isfinite(step(module, optimizer, stepper))
    assert not module.weight.equal(before) and module.weight.isfinite().all()


def test_a_loss_that_is_not_finite_changes_nothing_even_with_a_finite_gradient():
    module, optimizer, stepper = parts()
    before = module.weight.detach().clone()
    assert math.isfinite(step(module, optimizer, stepper, is_loss_finite=False))
    assert module.weight.equal(before)


def test_a_gradient_is_clipped_to_the_norm_or_not_at_all():
    norms, lengths = [], []
    for clip_norm in (None, 0.01):
        module, optimizer, stepper = parts(clip_norm=clip_norm)
        before = [p.detach().clone() for p in module.parameters()]
        norms.append(step(module, optimizer, stepper))
        after = list(module.parameters())
        lengths.append(torch.cat([(a - b).flatten() for a, b in zip(after, before, strict=True)]).norm().item() / 0.1)
    assert norms[0] == norms[1] == pytest.approx(lengths[0], rel=1e-4)
    assert lengths[1] == pytest.approx(0.01, rel=1e-3)


def test_the_scale_of_float16_survives_in_the_state():
    module, optimizer, stepper = parts("fp16")
    step(module, optimizer, stepper, factor=math.inf)
    other = parts("fp16")[2]
    other.load(stepper.state())
    assert other.state() == stepper.state() != parts("fp16")[2].state()
    plain = parts()[2]
    plain.load({})
    assert plain.state() == {}
