"""Pickles that try to run something, or are well formed but make no sense: refused, and nothing is run."""

from __future__ import annotations

import builtins
import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstream_files import (
    Claim,
    HParams,
    Storage,
    archive,
    assert_refused,
    pickled,
    save,
    save_sovits,
    upstream_utils,
)

from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.upstream.torch_file import read_torch_file

# ---- pickles that try to run something ---------------------------------------------------------------------------


class Run:
    """A value whose pickle calls a function when it is read."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def hostile(tmp_path: Path) -> dict[str, Run]:
    marker = tmp_path / "ran"
    return {
        f"{os.system.__module__}.system": Run(os.system, f"touch {marker}"),
        "eval": Run(builtins.eval, f"open({str(marker)!r}, 'w')"),
        "getattr": Run(getattr, 1, "real"),
        "os.makedirs": Run(os.makedirs, str(marker)),
        "torch.serialization.load": Run(torch.load, "x"),
        "bytearray": Run(bytearray, 10**12),
    }


@pytest.mark.parametrize("place", ["weights", "config", "alone"])
@pytest.mark.parametrize(
    "name", ["posix.system", "eval", "getattr", "os.makedirs", "torch.serialization.load", "bytearray"]
)
def test_a_pickle_that_calls_a_function_is_refused_by_name_and_not_run(name: str, place: str, tmp_path: Path) -> None:
    run = hostile(tmp_path)[name]
    content = {
        "weights": {"weight": {"a": run}},
        "config": {"weight": {"a": torch.ones(1)}, "config": run},
        "alone": run,
    }
    path = save(tmp_path / "x.pth", content[place], b"06")
    message = assert_refused(path, "do not load it elsewhere either")
    assert name in message
    assert not (tmp_path / "ran").exists()
    # Without protection the same file does run it, so the test is not empty
    if name == "os.makedirs":
        torch.load(save(tmp_path / "y.pth", content[place]), weights_only=False)
        assert (tmp_path / "ran").exists()


def test_calling_the_stand_in_does_nothing(tmp_path: Path) -> None:
    with upstream_utils():
        run = Run(HParams)
        run.call = (HParams, ())
        config = pickled({"weight": {"a": Claim(Storage("0", 1), (1,), (1,))}, "config": run})
    before, call, after = config.rpartition(b")R")  # the empty arguments become one text
    assert call
    path = archive(tmp_path / "x.pth", before + b"(X\x02\x00\x00\x00hitR" + after, {"0": bytes(4)})
    assert read_torch_file(path).config == {}


def test_a_config_of_another_class_is_refused_by_name(tmp_path: Path) -> None:
    content = {"weight": {"a": torch.ones(1)}, "config": SimpleNamespace(a=1)}
    assert_refused(save(tmp_path / "x.pth", content), r"would call types\.SimpleNamespace")


def test_names_reached_by_other_instructions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    assert_refused(archive(path, b"\x80\x02X\x05\x00\x00\x00posixX\x06\x00\x00\x00system\x93."), "STACK_GLOBAL")
    assert_refused(archive(path, b"\x80\x02(X\x02\x00\x00\x00idiposix\nsystem\n."), "INST")
    assert_refused(archive(path, pickle.dumps({"a": 1}, 4)), "FRAME")


@pytest.mark.parametrize("utils", ["absent", "hostile"])
def test_a_module_named_utils_is_never_imported(utils: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_sovits(tmp_path / "x.pth")
    if utils == "hostile":
        (tmp_path / "utils.py").write_text("raise SystemExit('imported')")
        monkeypatch.syspath_prepend(str(tmp_path))
    assert read_torch_file(path).config["model"]["gin_channels"] == 12
    assert "utils" not in sys.modules


# ---- pickles that make no sense ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim",
    [
        Claim(Storage("0", 4000), (4000,), (1,)),  # a storage larger than its entry
        Claim(Storage("0", 4), (400,), (1,)),
        Claim(Storage("0", 4), (4,), (1,), 10**6),
        Claim(Storage("0", 4), (4,), (-1,)),
        Claim(Storage("0", -4), (4,), (1,)),
        Claim(Storage("9", 4), (4,), (1,)),
        Claim(Storage("../data.pkl", 4), (4,), (1,)),
        Claim(Storage("0", 4), (2, 2), (1, 10**9)),
    ],
    ids=lambda claim: str(claim.arguments[1:4]),
)
def test_tensors_beyond_their_storage_are_refused(claim: Claim, tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", pickled({"weight": {"a": claim}}), {"0": bytes(16)})
    assert_refused(path, "damaged or only looks")


class ClaimThenSet(Claim):
    """A tensor that is built correctly and then set to a larger size."""

    def __reduce__(self) -> tuple[Any, ...]:
        storage = self.arguments[0]
        return (*super().__reduce__(), (storage, 0, (10**6,), (1,)))


def test_a_tensor_cannot_be_made_bigger_afterwards(tmp_path: Path) -> None:
    data = pickled({"weight": {"a": ClaimThenSet(Storage("0", 4), (4,), (1,))}})
    assert_refused(archive(tmp_path / "x.pth", data, {"0": bytes(16)}), "damaged or only looks")


def test_tuples_nested_until_python_would_crash_are_refused(tmp_path: Path) -> None:
    data = b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns."  # a dict whose key is ((((...))))
    assert_refused(archive(tmp_path / "x.pth", data), "makes 1000000 tuples")
    assert_refused(
        archive(tmp_path / "x.pth", data.replace(b"\x85" * 1_000_000, b"\x85" * 20_000)), "tensors are expected under"
    )


def test_a_tensor_that_repeats_its_storage_is_a_bomb_too(tmp_path: Path) -> None:
    claim = Claim(Storage("0", 4), (10**9, 4), (0, 1))
    path = archive(tmp_path / "x.pth", pickled({"weight": {"a": claim}}), {"0": bytes(16)})
    assert_refused(path, "would expand to 16000000000 bytes")


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x80\x02", b"\x80\x02}", b"\x80\x02(.", b"\x80\x02N}}s.", b"\x80\x02h\x05."]
)
def test_malformed_pickles_are_refused(data: bytes, tmp_path: Path) -> None:
    assert_refused(archive(tmp_path / "x.pth", data), "damaged")


@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, 10**6), st.sampled_from(["replace", "insert", "delete"]), st.binary(min_size=1, max_size=3)
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_to_the_pickle_is_refused_or_read(changes: list[tuple[int, str, bytes]], tmp_path: Path) -> None:
    """With a valid checksum the result is a WeightsError or tensors, whatever PyTorch's unpickler makes of it."""
    with upstream_utils():
        content = {
            "weight": {"a": Claim(Storage("0", 4), (2, 2), (2, 1))},
            "config": HParams(a={"b": [1, 2.5, "x", None]}),
        }
        data = bytearray(pickled(content | {"info": "x"}))
    for where, how, new in changes:
        at = where % len(data)
        data[at : at + (0 if how == "insert" else len(new))] = b"" if how == "delete" else new
    path = archive(tmp_path / "x.pth", bytes(data), {"0": bytes(16)})
    try:
        read = read_torch_file(path)
    except WeightsError as error:
        assert "\n" not in str(error)
    else:
        assert all(tensor.numel() <= 8 for tensor in read.weights.values())
