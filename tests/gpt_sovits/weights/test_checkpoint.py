"""Checkpoints: what is saved is loaded, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gpt_sovits.weights.checkpoint import (
    CheckpointError,
    checkpoint_sha256,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)

CONFIG = {"width": 3, "rates": [2, 4]}


def state() -> dict[str, torch.Tensor]:
    tied = torch.arange(6.0).reshape(2, 3)
    return {"b": tied, "a": tied, "n": torch.tensor([1, 2]), "t": torch.arange(6.0).reshape(3, 2).T}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "net", "gpt", CONFIG, state())
    return tmp_path / "net"


def test_round_trip(folder: Path) -> None:
    config, loaded = load_checkpoint(folder, "gpt")
    assert config == CONFIG
    assert loaded.keys() == state().keys()
    for name, tensor in state().items():
        assert torch.equal(loaded[name], tensor)
        assert loaded[name].dtype == tensor.dtype
    assert sorted(p.name for p in folder.parent.iterdir()) == ["net"]


def test_bytes_depend_on_the_content_only(folder: Path, tmp_path: Path) -> None:
    shuffled = dict(reversed(state().items()))
    save_checkpoint(tmp_path / "elsewhere" / "net2", "gpt", dict(reversed(CONFIG.items())), shuffled)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "elsewhere" / "net2" / path.name).read_bytes()
    first = checkpoint_sha256(folder)
    assert first == checkpoint_sha256(tmp_path / "elsewhere" / "net2")
    save_checkpoint(folder, "gpt", CONFIG | {"width": 4}, state())
    assert checkpoint_sha256(folder) != first
    assert load_checkpoint(folder, "gpt")[0]["width"] == 4


def test_writing_the_same_again_changes_nothing_and_repairs_damage(folder: Path) -> None:
    inode = folder.stat().st_ino
    save_checkpoint(folder, "gpt", CONFIG, state())
    assert folder.stat().st_ino == inode
    (folder / "config.json").write_text("{}")
    save_checkpoint(folder, "gpt", CONFIG, state())
    assert load_checkpoint(folder, "gpt")[0] == CONFIG
    assert sorted(p.name for p in folder.parent.iterdir()) == ["net"]


def test_a_wrong_kind_is_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a 'gpt' checkpoint where 'sovits' is needed"):
        load_checkpoint(folder, "sovits")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "manifest.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=rf"not a complete checkpoint: {name} missing"):
        load_checkpoint(folder, "gpt")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        load_checkpoint(tmp_path / "nothing", "gpt")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_changed_byte_is_found(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"{name} has sha256 .* the file was changed or damaged"):
        load_checkpoint(folder, "gpt")
    with pytest.raises(CheckpointError, match="changed or damaged"):
        checkpoint_sha256(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2, "kind": "gpt", "sha256": {}}', '{"format": 1}'])
def test_a_broken_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"manifest.json is not"):
        load_checkpoint(folder, "gpt")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_is_not_saved_and_not_loaded(folder: Path, tmp_path: Path, bad: float) -> None:
    with pytest.raises(CheckpointError, match="NaN or infinity in x"):
        save_checkpoint(tmp_path / "bad", "gpt", CONFIG, {"x": torch.tensor([bad])})
    assert not (tmp_path / "bad").exists()
    # A checkpoint that another program wrote, with a manifest that agrees
    save_file(load_file(folder / "model.safetensors") | {"x": torch.tensor([bad])}, folder / "model.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    data = (folder / "model.safetensors").read_bytes()
    manifest["sha256"]["model.safetensors"] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="refused: NaN or infinity in x"):
        load_checkpoint(folder, "gpt")


def test_a_failed_save_leaves_the_old_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkpoint_sha256(folder)

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("gpt_sovits.weights.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(folder, "gpt", CONFIG, {"a": torch.zeros(1)})
    assert checkpoint_sha256(folder) == before
    assert not [p for p in folder.parent.iterdir() if p.suffix == ".old"]


def test_an_empty_state_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there are no tensors"):
        save_checkpoint(tmp_path / "x", "gpt", CONFIG, {})


def test_weights_that_do_not_fit_are_named_and_not_loaded() -> None:
    module = torch.nn.Linear(3, 2)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"missing bias; unknown biass; .* weight \(3, 2\) instead of \(2, 3\)"):
        load_weights(module, {"weight": torch.zeros(3, 2), "biass": torch.zeros(2)}, "it")
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    load_weights(module, {"weight": torch.zeros(2, 3), "bias": torch.ones(2)}, "it")
    assert module.bias.tolist() == [1, 1]


def test_a_leftover_of_a_killed_save_does_no_harm(folder: Path) -> None:
    leftover = folder.with_name(".net.1.tmp")
    shutil.copytree(folder, leftover)
    save_checkpoint(folder, "gpt", CONFIG, state())
    load_checkpoint(folder, "gpt")
