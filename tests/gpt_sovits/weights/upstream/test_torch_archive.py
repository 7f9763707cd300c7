"""The zip archive of a file: what torch.save does not write is refused."""

from __future__ import annotations

import shutil
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstream_files import (
    Claim,
    Storage,
    archive,
    assert_refused,
    gpt_state,
    pickled,
    save_gpt,
    save_sovits,
    sovits_state,
)

from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.upstream.torch_file import read_torch_file


@pytest.mark.parametrize(
    ("head", "match"),
    [
        (b"00", r"is a v1 model of GPT-SoVITS \(its first two bytes are 00\)"),
        (b"02", r"is a v3 model of GPT-SoVITS \(its first two bytes are 02\)"),
        (b"03", r"is a v3 LoRA of GPT-SoVITS \(its first two bytes are 03\).* use a full model of v2"),
        (b"04", r"is a v4 LoRA of GPT-SoVITS \(its first two bytes are 04\)"),
        (b"\x80\x02", "a bare pickle"),
        (b"07", "was not written by torch.save: its first bytes are b'07'"),
        (b"<!", "was not written by torch.save"),
    ],
)
def test_heads_of_other_networks_are_refused_by_name(head: bytes, match: str, tmp_path: Path) -> None:
    assert_refused(save_sovits(tmp_path / "x.pth", head=head), match)


@pytest.mark.parametrize(("head", "version"), [(b"PK", None), (b"01", "v2"), (b"05", "v2Pro"), (b"06", "v2ProPlus")])
def test_heads_of_full_models_are_read(head: bytes, version: str | None, tmp_path: Path) -> None:
    path = save_sovits(tmp_path / "x.pth", version or "v2", head=head)
    read = read_torch_file(path)
    assert read.head_version == version
    assert read.weights.keys() == {name for name in sovits_state(version or "v2") if "enc_q" not in name}
    assert path.read_bytes()[:2] == head


def test_a_file_in_the_format_before_archives_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": {"a": torch.ones(1)}}, tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    assert_refused(tmp_path / "x.pth", "a bare pickle")


def test_a_missing_or_empty_file_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.pth", "cannot be read")
    assert_refused(tmp_path, "cannot be read")
    (tmp_path / "empty.pth").touch()
    assert_refused(tmp_path / "empty.pth", "it is empty")


def test_every_truncated_file_is_refused(tmp_path: Path) -> None:
    whole = save_sovits(tmp_path / "whole.pth", "v2Pro").read_bytes()
    path = tmp_path / "x.pth"
    for n in (3, 100, len(whole) // 2, len(whole) - 22, len(whole) - 1):
        path.write_bytes(whole[:n])
        assert_refused(path, "cut off or damaged")


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


def test_a_zip_bomb_is_refused_before_it_expands(tmp_path: Path) -> None:
    data = pickled({"weight": {"a": Claim(Storage("0", 50_000_000), (50_000_000,), (1,))}})
    path = archive(tmp_path / "x.pth", data, {"0": bytes(200_000_000)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    assert_refused(path, "is compressed and would expand")
    assert_refused(archive(tmp_path / "y.pth", data, {"0": bytes(99)}, compression=zipfile.ZIP_LZMA), "is compressed")


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A bomb without compression: several entries of the directory point to the same bytes."""
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}), {"0": bytes(1000), "1": bytes(1000)})
    with zipfile.ZipFile(path, "a") as file:
        file.getinfo("archive/data/1").header_offset = file.getinfo("archive/data/0").header_offset
        file.writestr("archive/data/2", b"")  # so that zipfile writes its directory again
    assert_refused(path, "which belong to other entries")


def test_entries_bigger_than_the_file_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}), {"0": bytes(8)})
    with zipfile.ZipFile(path, "a") as file:
        file.getinfo("archive/data/0").file_size = file.getinfo("archive/data/0").compress_size = 10**12
        file.writestr("archive/data/2", b"")
    assert_refused(path, "or do not exist")


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "archive/../../evil", "other/data/0", "archive\\x", "data.pkl"]
)
def test_names_outside_of_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name, b"x")
    assert_refused(path, "outside of its folder")


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}))
    with zipfile.ZipFile(path, "a") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file.writestr("archive/data.pkl", b"x")
    assert_refused(path, r"entries twice \(archive/data\.pkl\)")


def test_two_entries_that_differ_in_case_are_refused_because_torch_takes_either(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", pickled({"weight": {}}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/DATA.pkl", b"x")
    assert_refused(path, r"entries twice \(archive/data\.pkl\)")


def test_an_archive_with_something_before_or_after_it_is_refused(tmp_path: Path) -> None:
    """In a file with two archives, each reader may find another one."""
    inner = archive(
        tmp_path / "inner.pth", pickled({"weight": {"a": Claim(Storage("0", 1), (1,), (1,))}}), {"0": bytes(4)}
    )
    path = tmp_path / "x.pth"
    path.write_bytes(inner.read_bytes() * 2)
    assert_refused(path, "something besides its zip archive")
    path.write_bytes(b"PK" + bytes(98) + inner.read_bytes())
    assert_refused(path, "something besides its zip archive")
    path.write_bytes(inner.read_bytes() + b"more")
    assert_refused(path, "something besides its zip archive")
    shutil.copy(inner, path)
    with zipfile.ZipFile(path, "a") as file:
        file.comment = inner.read_bytes()
    assert_refused(path, r"something besides its zip archive|cut off or damaged")
    assert read_torch_file(inner).weights.keys() == {"a"}


def test_an_archive_of_something_other_than_weights_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as file:
        file.writestr("word/document.xml", b"x")
    assert_refused(tmp_path / "x.pth", "without data.pkl")
    path = archive(tmp_path / "y.pth", b"")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/constants.pkl", b"x")
    assert_refused(path, "a TorchScript program")
    with zipfile.ZipFile(tmp_path / "z.pth", "w"):
        pass
    assert_refused(tmp_path / "z.pth", "without data.pkl")
