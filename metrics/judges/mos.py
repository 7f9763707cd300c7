"""A predicted opinion of the sound, 1 to 5: shown beside the scores, never gated.

dnsmos is Microsoft's DNSMOS P.835 (overall quality), whose weights are in the wheel of the package `speechmos`: one
megabyte, offline, made to judge noise suppression. It hears noise and artefacts, and knows little of whether speech is
natural, so a gate must not read it.
"""

from __future__ import annotations

import hashlib
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from metrics.judges.audio import checked_waveform, is_silent, to_rate
from metrics.judges.errors import JudgeUnavailableError

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 144_160  # 9.01 s, what the network takes
MIN_SECONDS = 0.3  # it repeats what is shorter than 9 s; of less than a syllable that would be a buzz
MOS_JUDGES = ("dnsmos",)
INSTALL = "pip install 'voxfoundry[mos]'"


class MosJudge(Protocol):
    """A predictor of mean opinion scores."""

    name: str
    version: str

    def predict(self, waveform: np.ndarray, sample_rate: int) -> float | None:
        """About 1 (bad) to 5 (excellent); None for silence and for less than MIN_SECONDS.

        waveform: (n,) float32 in [-1, 1] at sample_rate Hz. Raises ValueError for another shape, NaN or infinity.
        """
        ...


class Dnsmos:
    """DNSMOS P.835's overall score, the mean of windows of WINDOW_SAMPLES a second apart; shorter speech is repeated.

    The network and its calibration are the package's. It is run here, on one thread: the package's own `run` computes
    a second model too, and starts as many threads as there are cores in each of the processes that judge.
    """

    name = "dnsmos"

    def __init__(self) -> None:
        import onnxruntime

        try:
            from speechmos import dnsmos
        except ImportError as error:
            raise JudgeUnavailableError(
                f"MOS judge dnsmos needs the package speechmos, whose weights are in it: `{INSTALL}`, "
                "or set evaluate.mos to null"
            ) from error
        path = Path(dnsmos.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
        if not path.is_file():
            raise JudgeUnavailableError(f"MOS judge dnsmos: {path} is missing; install speechmos again: `{INSTALL}`")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._calibrated = partial(dnsmos.DNSMOS.get_polyfit_val, None)  # uses no instance
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.version = f"{version('speechmos')} {digest[:12]} onnxruntime {version('onnxruntime')}"

    def predict(self, waveform: np.ndarray, sample_rate: int) -> float | None:
        """See MosJudge."""
        waveform = checked_waveform(waveform, sample_rate)
        if len(waveform) < MIN_SECONDS * sample_rate or is_silent(waveform):
            return None
        heard = np.clip(to_rate(waveform, sample_rate, SAMPLE_RATE), -1.0, 1.0)  # resampling may overshoot
        heard = np.resize(heard, max(len(heard), WINDOW_SAMPLES))  # repeats
        starts = range(0, len(heard) - WINDOW_SAMPLES + 1, SAMPLE_RATE)
        scores = [self._score(heard[None, start : start + WINDOW_SAMPLES]) for start in starts]
        return round(float(np.mean(scores)), 3)

    def _score(self, window: np.ndarray) -> float:
        """window: (1, WINDOW_SAMPLES) float32"""
        (signal, background, overall), *_ = self._network.run(None, {"input_1": window})[0]
        return self._calibrated(signal, background, overall, False)[2]


def load_mos_judge(name: str) -> MosJudge:
    """The predictor of that name. Raises ValueError for a name that is none, JudgeUnavailableError where absent."""
    if name not in MOS_JUDGES:
        raise ValueError(f"no MOS judge is named {name!r}; there are {', '.join(MOS_JUDGES)}")
    return Dnsmos()
