"""The configs inside exported files, and how upstream's class `utils.HParams` is written without importing it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from gpt_sovits.gpt.model import GPTConfig
from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.weights.sizes import GPT_KEYS, SOVITS_DATA_KEYS, SOVITS_KEYS, version_of
from gpt_sovits.weights.upstream.pickle_scan import UPSTREAM_CONFIG

MAX_GPT_SECONDS = 54  # upstream's data.max_sec, without which it loads no GPT
SEGMENT_FRAMES = 32  # length of the segments that upstream builds its generator for


class HParams:
    """Stand-in for upstream's class of this name. Each key is an attribute, and dicts inside are HParams too."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        vars(self).update({k: HParams(v) if isinstance(v, Mapping) else v for k, v in values.items()})


class _Pickler(pickle._Pickler):  # the Python version, because only it can write a class under another name
    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is HParams:
            self.write(pickle.GLOBAL + UPSTREAM_CONFIG.replace(" ", "\n").encode() + b"\n")
            self.memoize(obj)
        else:
            super().save_global(obj, name)


UPSTREAM_PICKLE = SimpleNamespace(__name__="pickle", Pickler=_Pickler)  # for torch.save(pickle_module=...)


def gpt_file_config(config: GPTConfig) -> dict[str, Any]:
    """Return the `config` of a GPT .ckpt."""
    sizes = config.to_dict()
    model = {key: sizes[field] for key, field in GPT_KEYS.items()}
    return {
        "data": {"max_sec": MAX_GPT_SECONDS, "pad_val": config.eos_token},
        "model": model
        | {"linear_units": 4 * config.hidden_size, "dropout": 0, "EOS": config.eos_token, "random_bert": 0},
        "inference": {"top_k": 15},
    }


def sovits_file_config(config: SoVITSConfig) -> HParams:
    """Return the `config` of a SoVITS .pth."""
    sizes = config.to_dict()
    model = {key: sizes[field] for key, field in SOVITS_KEYS.items()}
    data = {key: sizes[field] for key, field in SOVITS_DATA_KEYS.items()}
    return HParams(
        {
            "train": {"segment_size": SEGMENT_FRAMES * config.hop_length},
            "data": data
            | {"max_wav_value": 32768.0, "win_length": config.n_fft, "mel_fmin": 0.0, "mel_fmax": None}
            | {"add_blank": True, "n_speakers": 300, "cleaned_text": True},
            "model": model
            | {"resblock": "1", "n_layers_q": 3, "use_spectral_norm": False}
            | {"semantic_frame_rate": "25hz", "freeze_quantizer": True, "version": version_of(config)},
        }
    )
