"""Files of torch.save: official layouts are read, all other contents are refused with one sentence."""

from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstream_files import (
    HEADS,
    HParams,
    assert_refused,
    gpt_state,
    save,
    save_gpt,
    save_sovits,
    sovits_settings,
    sovits_state,
    upstream_utils,
)

from gpt_sovits.weights.upstream.torch_file import read_torch_file

# ---- official layouts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", HEADS)
def test_a_sovits_file_is_read_whatever_its_head_and_is_not_changed(version: str, tmp_path: Path) -> None:
    path = save_sovits(tmp_path / "anna_e8_s96.pth", version)
    before = path.read_bytes()
    assert before[:2] == HEADS[version]
    assert "utils" not in sys.modules
    read = read_torch_file(path)
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [path]
    assert (read.layout, read.info, read.dtypes) == ("exported weights", "8epoch_96iteration", ("float16",))
    assert read.head_version == (None if version == "v2" else version)
    assert read.config == sovits_settings(version)
    expected = {name: t.half().float() for name, t in sovits_state(version).items() if "enc_q" not in name}
    assert read.weights.keys() == expected.keys()
    assert all(torch.equal(read.weights[name], tensor) for name, tensor in expected.items())
    assert "utils" not in sys.modules


def test_a_gpt_file_is_read_with_its_plain_config(tmp_path: Path) -> None:
    read = read_torch_file(save_gpt(tmp_path / "anna-e15.ckpt"))
    assert read.config["model"]["n_layer"] == 2
    assert read.config["data"]["max_sec"] == 54
    assert read.weights.keys() == {f"model.{name}" for name in gpt_state()}
    assert all(tensor.dtype == torch.float32 for tensor in read.weights.values())


def test_training_states_are_read_too(tmp_path: Path) -> None:
    state = sovits_state("v2")
    optimizer = {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    content: dict[str, Any] = {"model": state, "iteration": 8, "optimizer": optimizer, "learning_rate": 1e-4}
    read = read_torch_file(save(tmp_path / "G_233333333333.pth", content))
    assert (read.layout, read.config, read.weights.keys()) == ("a SoVITS training state", {}, state.keys())
    content = {
        "epoch": 3,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {f"model.{name}": tensor for name, tensor in gpt_state().items()},
        "optimizer_states": [optimizer],
        "hyper_parameters": {"config": {"model": {"head": 4}}, "output_dir": Path("logs/s1")},
    }
    read = read_torch_file(save(tmp_path / "epoch=3-step=24.ckpt", content))
    assert (read.layout, read.config) == ("a GPT training state", {"model": {"head": 4}})
    assert read.weights.keys() == content["state_dict"].keys()


@given(
    config=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8"), max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", min_size=1), inner, max_size=3),
        max_leaves=12,
    )
)  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_plain_config_is_read_unchanged(config: object, tmp_path: Path) -> None:
    for head, content in ((b"PK", {"a": config}), (b"05", {"a": config})):
        with upstream_utils():
            held = HParams(**content) if head == b"05" else content
            path = save(tmp_path / "x.pth", {"weight": {"t": torch.ones(2)}, "config": held}, head)
        assert read_torch_file(path).config == content


# ---- other contents ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([1, 2], "holds a list"),
        ({}, "holds a dict; a file of weights"),
        ({"a": 1}, "tensors are expected under 'weight'"),
        ({"weight": {}}, "holds no tensor"),
        ({"weight": {"a": 1}}, "'a' should be a named tensor and is not"),
        ({"weight": {3: torch.ones(1)}}, "3 should be a named tensor"),
        ({"weight": {"a": torch.ones(1, dtype=torch.complex64)}}, "would call torch.ComplexFloatStorage"),
        ({"weight": {"a": torch.ones(2).to_sparse()}}, "_rebuild_sparse_tensor"),
        ({"weight": {"a": torch.tensor([1.0, float("nan")]), "b": torch.ones(1)}}, "NaN or infinity in a;"),
        ({"weight": {"a": torch.tensor([float("inf")]).half()}}, "NaN or infinity in a;"),
        ({"weight": {"a": torch.ones(1)}, "lora_rank": 32}, "is a LoRA"),
        ({"weight": {"x.lora_A.weight": torch.ones(1)}}, "is a LoRA"),
        ({"weight": {"a": torch.ones(1)}, "config": [1]}, "its config is a list"),
        ({"weight": {"a": torch.ones(1)}, "config": {"a": float("nan")}}, "which is not a plain value"),
        ({"weight": {"a": torch.ones(1)}, "config": {"a": torch.ones(1)}}, "which is not a plain value"),
        ({"weight": {"a": torch.ones(1)}, "config": {1: 2}}, "a key 1 that is not a text"),
    ],
)  # fmt: skip
def test_other_contents_are_refused_with_a_reason(content: object, match: str, tmp_path: Path) -> None:
    assert_refused(save(tmp_path / "x.pth", content), match)


def test_a_config_that_contains_itself_or_grows_exponentially_is_refused(tmp_path: Path) -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    weight = {"a": torch.ones(1)}
    assert_refused(save(tmp_path / "x.pth", {"weight": weight, "config": loop}), "more than 10000 values or 12 levels")
    laughs: list[Any] = [1]
    for _ in range(11):
        laughs = [laughs] * 8
    assert_refused(save(tmp_path / "x.pth", {"weight": weight, "config": {"a": laughs}}), "more than 10000 values")


def test_tied_weights_and_parameters_are_read(tmp_path: Path) -> None:
    tied = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    weights = OrderedDict(a=tied, b=tied, c=torch.arange(6.0).reshape(3, 2).T, n=torch.tensor(3))
    read = read_torch_file(save(tmp_path / "x.bin", weights))
    assert read.layout == "tensors"
    assert all(torch.equal(read.weights[name], tensor) for name, tensor in weights.items())
    assert read.weights["c"].is_contiguous() and read.weights["n"].dtype == torch.int64
    assert read.weights["a"].data_ptr() != read.weights["b"].data_ptr()
