"""States of a training on disk, and the inputs they belong to."""

import pytest
import torch
from safetensors import safe_open

from gpt_sovits.adaptation.scaled_adam import ScaledAdam
from gpt_sovits.adaptation.state import (
    STATE_FILE,
    fingerprint,
    load_training_state,
    remove_training_state,
    save_training_state,
)
from gpt_sovits.determinism import deterministic


def test_fingerprint_depends_on_values_and_tensors():
    tensors = {"a": torch.arange(4), "b": torch.zeros(())}
    prints = {
        fingerprint({"x": 1}, tensors),
        fingerprint({"x": 2}, tensors),
        fingerprint({"x": 1}, {**tensors, "a": torch.arange(4).float()}),
        fingerprint({"x": 1}, {**tensors, "a": torch.arange(4).view(2, 2)}),
        fingerprint({"x": 1}, {"a": torch.arange(4)}),
    }
    assert len(prints) == 5
    assert fingerprint({"x": 1, "y": 2}, tensors) == fingerprint({"y": 2, "x": 1}, dict(reversed(tensors.items())))


def make_pair(seed):
    torch.manual_seed(seed)
    modules = {"g": torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)), "d": torch.nn.Linear(4, 1)}
    optimizers = {
        "g": torch.optim.AdamW(modules["g"].parameters(), lr=0.1, betas=(0.8, 0.99)),
        "d": torch.optim.SGD([{"params": [modules["d"].weight]}, {"params": [modules["d"].bias], "lr": 0.5}], lr=0.2),
    }
    return modules, optimizers


def train(modules, optimizers, n):
    for _ in range(n):
        loss = modules["d"](modules["g"](torch.rand(5, 3))).square().mean()
        loss.backward()
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad()


def test_a_state_restores_everything_bit_for_bit(tmp_path):
    """Two modules with buffers, two optimisers, parameter groups, the random state."""
    modules, optimizers = make_pair(0)
    train(modules, optimizers, 3)
    save_training_state(tmp_path / "new", modules, optimizers, {"epoch": 3, "loss": 0.1}, "print")
    train(modules, optimizers, 3)
    other_modules, other_optimizers = make_pair(1)
    progress = load_training_state(tmp_path / "new", other_modules, other_optimizers, "print")
    assert progress == {"epoch": 3, "loss": 0.1}
    assert other_optimizers["g"].param_groups[0]["betas"] == (0.8, 0.99)
    assert [g["lr"] for g in other_optimizers["d"].param_groups] == [0.2, 0.5]
    train(other_modules, other_optimizers, 3)
    for name in modules:
        for key, value in modules[name].state_dict().items():
            assert value.equal(other_modules[name].state_dict()[key])


def test_pending_gradients_are_restored(tmp_path):
    modules, optimizers = make_pair(0)
    modules["d"](torch.ones(1, 4)).sum().backward()
    save_training_state(tmp_path, modules, optimizers, {}, "print")
    other_modules, other_optimizers = make_pair(1)
    train(other_modules, other_optimizers, 1)
    other_modules["g"](torch.rand(5, 3)).sum().backward()
    load_training_state(tmp_path, other_modules, other_optimizers, "print")
    assert other_modules["d"].weight.grad.equal(torch.ones(1, 4))
    assert all(parameter.grad is None for parameter in other_modules["g"].parameters())


def test_scaled_adam_resumes_to_the_same_bits(tmp_path):
    """Beyond an update of the clipping threshold, with tensors, scalars and parameters of equal shape."""

    def pair(seed):
        torch.manual_seed(seed)
        module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3), torch.nn.Linear(3, 1))
        return {"d": module[2], "g": module[:2]}, {"all": ScaledAdam(module.parameters(), clipping_period=5)}

    (modules, optimizers), (others, other_optimizers) = pair(0), pair(1)
    train(modules, optimizers, 7)
    save_training_state(tmp_path, modules, optimizers, {}, "print")
    train(modules, optimizers, 9)
    load_training_state(tmp_path, others, other_optimizers, "print")
    train(others, other_optimizers, 9)
    for name in modules:
        for key, value in modules[name].state_dict().items():
            assert value.equal(others[name].state_dict()[key]), key


def test_a_state_that_is_not_written_completely_leaves_the_previous_one(tmp_path, monkeypatch):
    modules, optimizers = make_pair(0)
    save_training_state(tmp_path, modules, optimizers, {"epoch": 1}, "print")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("gpt_sovits.adaptation.state.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_training_state(tmp_path, modules, optimizers, {"epoch": 2}, "print")
    assert load_training_state(tmp_path, modules, optimizers, "print") == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == [STATE_FILE]


def test_a_state_is_plain_safetensors_and_can_be_removed(tmp_path):
    modules, optimizers = make_pair(0)
    train(modules, optimizers, 1)
    save_training_state(tmp_path, modules, optimizers, {}, "print")
    with safe_open(tmp_path / STATE_FILE, framework="pt") as file:
        assert "optimizer/g/0/exp_avg" in file.keys()  # noqa: SIM118 - safe_open is not a dict
    remove_training_state(tmp_path)
    assert load_training_state(tmp_path, modules, optimizers, "print") is None


def test_deterministic_restores_the_settings_after_an_error():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with pytest.raises(KeyError), deterministic(1, 1):
        assert torch.are_deterministic_algorithms_enabled()
        torch.rand(3)
        raise KeyError
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads and torch.get_rng_state().equal(state)
    with pytest.raises(ValueError, match="n_threads must be at least 1, not 0"), deterministic(1, 0):
        pass
