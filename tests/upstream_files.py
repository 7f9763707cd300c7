"""Files in the layouts of the original GPT-SoVITS, written as it writes them, and hostile files."""

from __future__ import annotations

import io
import pickle
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from sovits_tiny import TINY, TINY_DISCRIMINATOR, tiny_sovits
from torch import Tensor

from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.sovits.config import OFFICIAL_DISCRIMINATOR, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.upstream.torch_file import read_torch_file

GPT_TINY = GPTConfig(vocab_size=10, phoneme_vocab_size=20, hidden_size=32, n_heads=4, n_layers=2, bert_dim=8)
# Official files have 4 heads here, which neither shapes nor configs show
SOVITS_TINY: dict[str, SoVITSConfig] = {
    "v2": TINY.model_copy(update={"mrte_heads": 4}),
    "v2Pro": TINY.model_copy(update={"mrte_heads": 4, "speaker_dim": 30, "style_channels": 24}),
    "v2ProPlus": TINY.model_copy(
        update={"mrte_heads": 4, "speaker_dim": 30, "style_channels": 24, "upsample_kernel_sizes": (20, 16)}
    ),
}
HEADS = {"v2": b"PK", "v2Pro": b"05", "v2ProPlus": b"06"}


class HParams:
    """Stand-in for upstream's utils.HParams: an object whose attributes are the config."""

    def __init__(self, **values: Any) -> None:
        for key, value in values.items():
            setattr(self, key, HParams(**value) if isinstance(value, dict) else value)


@contextmanager
def upstream_utils() -> Iterator[type]:
    """Make HParams importable as utils.HParams, and remove the module `utils` afterwards."""
    assert "utils" not in sys.modules
    module = ModuleType("utils")
    module.HParams = HParams
    HParams.__module__ = "utils"
    sys.modules["utils"] = module
    try:
        yield HParams
    finally:
        del sys.modules["utils"]


def gpt_state(seed: int = 0) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return GPT(GPT_TINY).state_dict()


def sovits_state(version: str, seed: int = 0) -> dict[str, Tensor]:
    return tiny_sovits(seed, SOVITS_TINY[version]).state_dict()


def gpt_content(state: Mapping[str, Tensor], dtype: torch.dtype = torch.float16) -> dict[str, Any]:
    """Return the content of an exported GPT .ckpt."""
    model = {
        "vocab_size": 10,
        "phoneme_vocab_size": 20,
        "embedding_dim": 32,
        "hidden_dim": 32,
        "head": 4,
        "linear_units": 2048,  # upstream does not read it
        "n_layer": 2,
        "dropout": 0,
        "EOS": 9,
        "random_bert": 0,
    }
    config = {"train": {"seed": 1234, "epochs": 20}, "data": {"max_sec": 54, "pad_val": 9}, "model": model}
    weight = OrderedDict((f"model.{name}", tensor.to(dtype)) for name, tensor in state.items())
    return {"weight": weight, "config": config, "info": "GPT-e15"}


def sovits_settings(version: str) -> dict[str, Any]:
    """Return the config inside a SoVITS .pth."""
    c = SOVITS_TINY[version]
    return {
        "train": {"segment_size": 20480, "epochs": 100, "learning_rate": 0.0001},
        "data": {
            "max_wav_value": 32768.0,
            "sampling_rate": c.sample_rate,
            "filter_length": c.n_fft,
            "hop_length": c.hop_length,
            "win_length": c.n_fft,
            "n_mel_channels": c.n_mels,
            "mel_fmin": 0.0,
            "mel_fmax": None,
        },
        "model": {
            "inter_channels": c.latent_channels,
            "hidden_channels": c.hidden_channels,
            "filter_channels": c.filter_channels,
            "n_heads": c.n_heads,
            "n_layers": c.n_layers,
            "kernel_size": c.kernel_size,
            "p_dropout": c.p_dropout,
            "resblock": "1",
            "resblock_kernel_sizes": list(c.resblock_kernel_sizes),
            "resblock_dilation_sizes": [list(row) for row in c.resblock_dilations],
            "upsample_rates": list(c.upsample_rates),
            "upsample_kernel_sizes": list(c.upsample_kernel_sizes),
            "upsample_initial_channel": c.upsample_initial_channel,
            "gin_channels": c.style_channels,
            "semantic_frame_rate": "25hz",
            "freeze_quantizer": True,
        },
        "s2_ckpt_dir": "logs/anna",
        "name": "anna",
    }


def sovits_content(
    version: str, state: Mapping[str, Tensor], dtype: torch.dtype = torch.float16, keep_posterior: bool = False
) -> dict[str, Any]:
    """Return the content of an exported SoVITS .pth. Save it inside `upstream_utils`."""
    weight = OrderedDict((n, t.to(dtype)) for n, t in state.items() if keep_posterior or "enc_q" not in n)
    return {"weight": weight, "config": HParams(**sovits_settings(version)), "info": "8epoch_96iteration"}


def save(path: Path, content: object, head: bytes = b"PK") -> Path:
    """Save through memory with the first two bytes replaced, as upstream does."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(head + buffer.getvalue()[2:])
    return path


def save_sovits(path: Path, version: str = "v2", head: bytes | None = None, **options: Any) -> Path:
    with upstream_utils():
        content = sovits_content(version, sovits_state(version), **options)
        return save(path, content, HEADS[version] if head is None else head)


def save_gpt(path: Path, **options: Any) -> Path:
    return save(path, gpt_content(gpt_state(), **options))


def archive(path: Path, data_pkl: bytes, records: Mapping[str, bytes] | None = None, **options: Any) -> Path:
    """Write a zip archive as torch.save does, around any pickle."""
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("archive/data.pkl", data_pkl)
        file.writestr("archive/byteorder", b"little")
        for name, data in (records or {}).items():
            file.writestr(f"archive/data/{name}", data)
        file.writestr("archive/version", b"3\n")
    return path


class Storage:
    """Stand-in for a tensor's storage while a pickle is made. Its claims need not be true."""

    def __init__(self, key: str, numel: int, kind: str = "FloatStorage") -> None:
        self.key, self.numel, self.kind = key, numel, kind


class Claim:
    """A tensor that claims a size, stride and offset."""

    def __init__(self, storage: Storage, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> None:
        self.arguments = (storage, offset, size, stride, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return torch._utils._rebuild_tensor_v2, self.arguments


def pickled(content: object) -> bytes:
    """Return a pickle of protocol 2, as torch.save uses it."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: object) -> tuple[Any, ...] | None:
            if isinstance(value, Storage):
                return ("storage", getattr(torch, value.kind), value.key, "cpu", value.numel)
            return None

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(content)
    return buffer.getvalue()


def discriminator_state(version: str = "v2") -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        periods = OFFICIAL_DISCRIMINATOR[version].periods
        return Discriminator(TINY_DISCRIMINATOR.model_copy(update={"periods": periods})).state_dict()


def states_equal(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def round_to_float16(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.half().float() for name, tensor in state.items()}


def assert_refused(path: Path, match: str) -> str:
    """Check that the file is refused without a warning, with a message of one line that names it, and return it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(WeightsError, match=match) as caught:
            read_torch_file(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    assert "weights_only" not in message, "PyTorch's advice to read without protection must not be passed on"
    return message
