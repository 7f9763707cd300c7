"""The restricted reader: official layouts are read, everything else is refused in one sentence, nothing is run."""

from __future__ import annotations

import builtins
import os
import pickle
import shutil
import sys
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstream_files import (
    HEADS,
    Claim,
    HParams,
    Storage,
    archive,
    gpt_state,
    pickled,
    save,
    save_gpt,
    save_sovits,
    sovits_settings,
    sovits_state,
    upstream_utils,
)

from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.upstream.torch_file import read_torch_file


def refuse(path: Path, match: str) -> str:
    """The file is refused with a message of one line that names it, without any warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(WeightsError, match=match) as caught:
            read_torch_file(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    assert "weights_only" not in message, "torch's advice to read without protection must not be passed on"
    return message


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
def test_every_plain_config_comes_back_as_it_was(config: object, tmp_path: Path) -> None:
    for head, content in ((b"PK", {"a": config}), (b"05", {"a": config})):
        with upstream_utils():
            held = HParams(**content) if head == b"05" else content
            path = save(tmp_path / "x.pth", {"weight": {"t": torch.ones(2)}, "config": held}, head)
        assert read_torch_file(path).config == content


# ---- files that want to run something ---------------------------------------------------------------------------


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
    message = refuse(path, "do not load it elsewhere either")
    assert name in message
    assert not (tmp_path / "ran").exists()
    # the same file does run it when it is read without protection: the test is about something
    if name == "os.makedirs":
        torch.load(save(tmp_path / "y.pth", content[place]), weights_only=False)
        assert (tmp_path / "ran").exists()


def test_calling_the_stand_in_with_anything_does_nothing(tmp_path: Path) -> None:
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
    refuse(save(tmp_path / "x.pth", content), r"asks for types\.SimpleNamespace")


def test_names_reached_in_other_ways_than_the_usual_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    refuse(archive(path, b"\x80\x02X\x05\x00\x00\x00posixX\x06\x00\x00\x00system\x93."), "STACK_GLOBAL")
    refuse(archive(path, b"\x80\x02(X\x02\x00\x00\x00idiposix\nsystem\n."), "INST")
    refuse(archive(path, pickle.dumps({"a": 1}, 4)), "FRAME")


@pytest.mark.parametrize("utils", ["absent", "hostile"])
def test_a_module_named_utils_is_never_imported(utils: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_sovits(tmp_path / "x.pth")
    if utils == "hostile":
        (tmp_path / "utils.py").write_text("raise SystemExit('imported')")
        monkeypatch.syspath_prepend(str(tmp_path))
    assert read_torch_file(path).config["model"]["gin_channels"] == 12
    assert "utils" not in sys.modules


# ---- archives that are not what torch.save writes ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "match"),
    [
        (b"00", "a GPT-SoVITS v1 model"),
        (b"03", "a GPT-SoVITS v3 model"),
        (b"04", "a GPT-SoVITS v4 model"),
        (b"\x80\x02", "a bare pickle"),
        (b"07", "no file of torch.save: its first bytes are b'07'"),
        (b"<!", "no file of torch.save"),
    ],
)
def test_other_heads_are_refused_by_name(head: bytes, match: str, tmp_path: Path) -> None:
    refuse(save_sovits(tmp_path / "x.pth", head=head), match)


def test_a_file_before_the_archives_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": {"a": torch.ones(1)}}, tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    refuse(tmp_path / "x.pth", "a bare pickle")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path / "absent.pth", "cannot be read")
    refuse(tmp_path, "cannot be read")
    (tmp_path / "empty.pth").touch()
    refuse(tmp_path / "empty.pth", "it is empty")


def test_every_cut_is_refused(tmp_path: Path) -> None:
    whole = save_sovits(tmp_path / "whole.pth", "v2Pro").read_bytes()
    path = tmp_path / "x.pth"
    for n in (3, 100, len(whole) // 2, len(whole) - 22, len(whole) - 1):
        path.write_bytes(whole[:n])
        refuse(path, "cut off or damaged")


@given(where=st.integers(0, 10**9), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_is_refused_or_changes_nothing(where: int, bit: int, tmp_path: Path) -> None:
    source = tmp_path / "whole.ckpt"
    whole = source.read_bytes() if source.exists() else save_gpt(source).read_bytes()
    data = bytearray(whole)
    data[where % len(data)] ^= 1 << bit
    path = tmp_path / "x.ckpt"
    path.write_bytes(data)
    expected = {f"model.{name}": tensor.half().float() for name, tensor in gpt_state().items()}
    try:
        read = read_torch_file(path)
    except WeightsError as error:
        assert "\n" not in str(error)
    else:
        assert all(torch.equal(read.weights[name], tensor) for name, tensor in expected.items())


def test_a_zip_bomb_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    data = pickled({"weight": {"a": Claim(Storage("0", 50_000_000), (50_000_000,), (1,))}})
    path = archive(tmp_path / "x.pth", data, {"0": bytes(200_000_000)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    refuse(path, "is compressed and would unfold")
    refuse(archive(tmp_path / "y.pth", data, {"0": bytes(99)}, compression=zipfile.ZIP_LZMA), "is compressed")


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A bomb without compression: many entries of the directory point to one place."""
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}), {"0": bytes(1000), "1": bytes(1000)})
    with zipfile.ZipFile(path, "a") as file:
        file.getinfo("archive/data/1").header_offset = file.getinfo("archive/data/0").header_offset
        file.writestr("archive/data/2", b"")  # makes zipfile write its directory again
    refuse(path, "which other entries have")


def test_entries_bigger_than_the_file_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}), {"0": bytes(8)})
    with zipfile.ZipFile(path, "a") as file:
        file.getinfo("archive/data/0").file_size = file.getinfo("archive/data/0").compress_size = 10**12
        file.writestr("archive/data/2", b"")
    refuse(path, "or which are not there")


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "archive/../../evil", "other/data/0", "archive\\x", "data.pkl"]
)
def test_names_outside_of_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name, b"x")
    refuse(path, "outside of its folder")


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}))
    with zipfile.ZipFile(path, "a") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file.writestr("archive/data.pkl", b"x")
    refuse(path, r"entries twice \(archive/data\.pkl\)")


def test_two_entries_that_differ_in_case_are_refused_because_torch_takes_either(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/DATA.pkl", b"x")
    refuse(path, r"entries twice \(archive/data\.pkl\)")


def test_an_archive_with_something_before_or_after_it_is_refused(tmp_path: Path) -> None:
    """Two archives in one file: which one a reader finds is its own choice."""
    inner = archive(
        tmp_path / "inner.pth", pickled({"weight": {"a": Claim(Storage("0", 1), (1,), (1,))}}), {"0": bytes(4)}
    )
    path = tmp_path / "x.pth"
    path.write_bytes(inner.read_bytes() * 2)
    refuse(path, "something besides its zip archive")
    path.write_bytes(b"PK" + bytes(98) + inner.read_bytes())
    refuse(path, "something besides its zip archive")
    path.write_bytes(inner.read_bytes() + b"more")
    refuse(path, "something besides its zip archive")
    shutil.copy(inner, path)
    with zipfile.ZipFile(path, "a") as file:
        file.comment = inner.read_bytes()
    refuse(path, r"something besides its zip archive|cut off or damaged")
    assert read_torch_file(inner).weights.keys() == {"a"}


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as file:
        file.writestr("word/document.xml", b"x")
    refuse(tmp_path / "x.pth", "without data.pkl")
    path = archive(tmp_path / "y.pth", b"")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/constants.pkl", b"x")
    refuse(path, "a TorchScript program")
    with zipfile.ZipFile(tmp_path / "z.pth", "w"):
        pass
    refuse(tmp_path / "z.pth", "without data.pkl")


# ---- pickles that are allowed and make no sense ------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim",
    [
        Claim(Storage("0", 4000), (4000,), (1,)),  # a storage bigger than its entry
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
    refuse(archive(tmp_path / "x.pth", pickled({"weight": {"a": claim}}), {"0": bytes(16)}), "damaged or was made to")


class ClaimThenSet(Claim):
    """A tensor that is made as it should be and then told to be bigger."""

    def __reduce__(self) -> tuple[Any, ...]:
        storage = self.arguments[0]
        return (*super().__reduce__(), (storage, 0, (10**6,), (1,)))


def test_a_tensor_cannot_be_made_bigger_afterwards(tmp_path: Path) -> None:
    data = pickled({"weight": {"a": ClaimThenSet(Storage("0", 4), (4,), (1,))}})
    refuse(archive(tmp_path / "x.pth", data, {"0": bytes(16)}), "damaged or was made to")


def test_tuples_nested_until_python_would_crash_are_refused(tmp_path: Path) -> None:
    data = b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns."  # a dict whose key is ((((...))))
    refuse(archive(tmp_path / "x.pth", data), "makes 1000000 tuples")
    refuse(
        archive(tmp_path / "x.pth", data.replace(b"\x85" * 1_000_000, b"\x85" * 20_000)), "tensors are expected under"
    )


def test_a_tensor_that_repeats_its_storage_is_a_bomb_too(tmp_path: Path) -> None:
    claim = Claim(Storage("0", 4), (10**9, 4), (0, 1))
    path = archive(tmp_path / "x.pth", pickled({"weight": {"a": claim}}), {"0": bytes(16)})
    refuse(path, "would unfold to 16000000000 bytes")


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x80\x02", b"\x80\x02}", b"\x80\x02(.", b"\x80\x02N}}s.", b"\x80\x02h\x05."]
)
def test_senseless_pickles_are_refused(data: bytes, tmp_path: Path) -> None:
    refuse(archive(tmp_path / "x.pth", data), "damaged")


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
def test_any_change_of_the_pickle_is_refused_or_read(changes: list[tuple[int, str, bytes]], tmp_path: Path) -> None:
    """Under a right checksum: whatever torch's unpickler makes of it, what comes out is a WeightsError or tensors."""
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


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([1, 2], "holds a list"),
        ({}, "holds a dict; a file of weights"),
        ({"a": 1}, "tensors are expected under 'weight'"),
        ({"weight": {}}, "holds no tensor"),
        ({"weight": {"a": 1}}, "'a' should be a named tensor and is not"),
        ({"weight": {3: torch.ones(1)}}, "3 should be a named tensor"),
        ({"weight": {"a": torch.ones(1, dtype=torch.complex64)}}, "asks for torch.ComplexFloatStorage"),
        ({"weight": {"a": torch.ones(2).to_sparse()}}, "_rebuild_sparse_tensor"),
        ({"weight": {"a": torch.tensor([1.0, float("nan")]), "b": torch.ones(1)}}, "NaN or infinity in a;"),
        ({"weight": {"a": torch.tensor([float("inf")]).half()}}, "NaN or infinity in a;"),
        ({"weight": {"a": torch.ones(1)}, "lora_rank": 32}, "is a LoRA"),
        ({"weight": {"x.lora_A.weight": torch.ones(1)}}, "is a LoRA"),
        ({"weight": {"a": torch.ones(1)}, "config": [1]}, "its config is a list"),
        ({"weight": {"a": torch.ones(1)}, "config": {"a": float("nan")}}, "which is no plain value"),
        ({"weight": {"a": torch.ones(1)}, "config": {"a": torch.ones(1)}}, "which is no plain value"),
        ({"weight": {"a": torch.ones(1)}, "config": {1: 2}}, "a key 1 that is no text"),
    ],
)  # fmt: skip
def test_other_contents_are_refused_with_the_reason(content: object, match: str, tmp_path: Path) -> None:
    refuse(save(tmp_path / "x.pth", content), match)


def test_a_config_that_holds_itself_or_doubles_without_end_is_refused(tmp_path: Path) -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    weight = {"a": torch.ones(1)}
    refuse(save(tmp_path / "x.pth", {"weight": weight, "config": loop}), "more than 10000 values or 12 levels")
    laughs: list[Any] = [1]
    for _ in range(11):
        laughs = [laughs] * 8
    refuse(save(tmp_path / "x.pth", {"weight": weight, "config": {"a": laughs}}), "more than 10000 values")


def test_tied_weights_and_parameters_are_read(tmp_path: Path) -> None:
    tied = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    weights = OrderedDict(a=tied, b=tied, c=torch.arange(6.0).reshape(3, 2).T, n=torch.tensor(3))
    read = read_torch_file(save(tmp_path / "x.bin", weights))
    assert read.layout == "tensors"
    assert all(torch.equal(read.weights[name], tensor) for name, tensor in weights.items())
    assert read.weights["c"].is_contiguous() and read.weights["n"].dtype == torch.int64
    assert read.weights["a"].data_ptr() != read.weights["b"].data_ptr()
