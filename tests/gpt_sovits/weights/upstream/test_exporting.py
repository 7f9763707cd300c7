"""Pairs are exported to files that the original loads, and imported again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sovits_tiny import TINY_ISTFT, tiny_sovits
from upstream_files import (
    GPT_TINY,
    HEADS,
    SOVITS_TINY,
    gpt_state,
    round_to_float16,
    sovits_state,
    states_equal,
)

from gpt_sovits.gpt.model import GPTConfig
from gpt_sovits.sovits.config import OFFICIAL
from gpt_sovits.weights.base import load_base
from gpt_sovits.weights.checkpoint import CheckpointError
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.upstream.exporting import _check_sizes, export_pair
from gpt_sovits.weights.upstream.importing import import_pair


@given(
    version=st.sampled_from(list(HEADS)),
    dtype=st.sampled_from(["float16", "float32"]),
    with_posterior=st.booleans(),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([1e-6, 1.0, 100.0]),
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_exported_pair_is_imported_unchanged(
    version: str, dtype: str, with_posterior: bool, seed: int, scale: float, tmp_path: Path
) -> None:
    config = SOVITS_TINY[version]
    gpt = gpt_state(seed)
    sovits = {name: scale * tensor for name, tensor in sovits_state(version, seed).items()}
    files = tmp_path / "a.ckpt", tmp_path / "b.pth"
    export_pair((GPT_TINY, gpt), (config, sovits), *files, dtype=dtype, with_posterior=with_posterior, other_sizes=True)
    assert files[1].read_bytes()[:2] == HEADS[version]
    done = import_pair(*files, "x", tmp_path, replace=True)
    assert done.version == version
    base = load_base("x", tmp_path)
    kept = {name: t for name, t in sovits.items() if with_posterior or not name.startswith("enc_q.")}
    as_stored = round_to_float16 if dtype == "float16" else dict
    assert base.gpt_config == GPT_TINY and states_equal(base.gpt_state, as_stored(gpt))
    assert base.sovits_config == config.model_copy(update={} if with_posterior else {"posterior_layers": 0})
    assert states_equal(base.sovits_state, as_stored(kept))
    again = tmp_path / "c.ckpt", tmp_path / "d.pth"
    export_pair(
        (base.gpt_config, base.gpt_state),
        (base.sovits_config, base.sovits_state),
        *again,
        dtype=dtype,
        other_sizes=True,
    )
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]


LOADS_LIKE_THE_ORIGINAL = """
import io, sys, torch
gpt, sovits = sys.argv[1:]
data = open(sovits, "rb").read()
assert data[:2] == b"06", data[:2]
content = torch.load(io.BytesIO(b"PK" + data[2:]), map_location="cpu", weights_only=False)
config = content["config"]
import utils
assert type(config) is utils.HParams and type(config.model) is utils.HParams
assert config.data.filter_length // 2 + 1 == 129 and config.train.segment_size // config.data.hop_length == 32
assert {**config.model}["gin_channels"] == 24 and config.model.version == "v2ProPlus"
assert {t.dtype for t in content["weight"].values()} == {torch.float16} and content["info"] == "anna 3"
gpt = torch.load(gpt, map_location="cpu")
assert gpt["config"]["data"]["max_sec"] == 54 and gpt["config"]["model"]["n_layer"] == 2
assert all(name.startswith("model.") for name in gpt["weight"])
"""
UTILS = """
class HParams:
    def __init__(self, **values):
        raise AssertionError("a pickle does not call it")
    def keys(self):
        return self.__dict__.keys()
    def __getitem__(self, key):
        return getattr(self, key)
"""


def test_the_original_unpickles_its_own_class(tmp_path: Path) -> None:
    """Runs in a separate process, with a module `utils` as the original has it and without our code."""
    files = tmp_path / "a.ckpt", tmp_path / "b.pth"
    sovits = (SOVITS_TINY["v2ProPlus"], sovits_state("v2ProPlus"))
    export_pair((GPT_TINY, gpt_state()), sovits, *files, info="anna 3", other_sizes=True)
    (tmp_path / "utils.py").write_text(UTILS)
    command = [sys.executable, "-c", LOADS_LIKE_THE_ORIGINAL, *map(str, files)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "utils" not in sys.modules


def test_sizes_that_the_files_or_the_original_cannot_hold_are_refused(tmp_path: Path) -> None:
    gpt, files = (GPT_TINY, gpt_state()), (tmp_path / "a.ckpt", tmp_path / "b.pth")
    config, state = SOVITS_TINY["v2"], sovits_state("v2")
    with pytest.raises(WeightsError, match=r"sizes in its code: .*SoVITS n_symbols 20 instead of 732"):
        export_pair(gpt, (config, state), *files)
    with pytest.raises(WeightsError, match=r"cannot record SoVITS mrte_heads 2 \(always 4\)"):
        export_pair(gpt, (config.model_copy(update={"mrte_heads": 2}), state), *files, other_sizes=True)
    with pytest.raises(WeightsError, match=r"cannot record SoVITS generator istft \(always hifigan\)"):
        export_pair(gpt, (TINY_ISTFT, tiny_sovits(config=TINY_ISTFT).state_dict()), *files, other_sizes=True)
    with pytest.raises(WeightsError, match=r"cannot record GPT dropout 0\.5"):
        export_pair((replace(GPT_TINY, dropout=0.5), gpt[1]), (config, state), *files, other_sizes=True)
    with pytest.raises(WeightsError, match=r"SoVITS: ssl_proj\.bias is beyond float16; export with float32"):
        export_pair(gpt, (config, state | {"ssl_proj.bias": torch.full((6,), 1e5)}), *files, other_sizes=True)
    with pytest.raises(CheckpointError, match=r"the SoVITS does not fit its config: missing ssl_proj\.bias"):
        export_pair(gpt, (config, {n: t for n, t in state.items() if n != "ssl_proj.bias"}), *files, other_sizes=True)
    assert list(tmp_path.iterdir()) == []


def test_official_sizes_can_be_exported() -> None:
    for config in OFFICIAL.values():
        _check_sizes(GPTConfig(), config, other_sizes=False)
        _check_sizes(GPTConfig(), config.model_copy(update={"posterior_layers": 0}), other_sizes=False)
