"""The MOS judge: a predicted opinion of the sound, 1 to 5, which is shown beside the scores and never gated.

dnsmos is Microsoft's DNSMOS P.835 (overall quality). Its weights, one megabyte, are in the wheel of the package
`speechmos`, so it works offline. It was made to judge noise suppression: it hears noise and artefacts, and knows little
of whether speech is natural. So a gate must not read it.
"""

from __future__ import annotations

import hashlib
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from metrics.audio import checked_waveform, is_silent, to_rate
from metrics.errors import JudgeUnavailableError

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 144_160  # 9.01 s, what the network takes
MIN_SECONDS = 0.3  # shorter speech than 9 s is repeated, and less than a syllable would become a buzz
MOS_JUDGES = ("dnsmos",)
INSTALL = "pip install 'voxfoundry[mos]'"


class MosJudge(Protocol):
    """A predictor of mean opinion scores.

    Attributes:
        name: name of the judge.
        version: package, weights and runtime.
    """

    name: str
    version: str

    def predict(self, waveform: np.ndarray, sample_rate: int) -> float | None:
        """Predict the opinion of an utterance.

        Args:
            waveform: (n,) float32 in [-1, 1].
            sample_rate: in Hz.

        Returns:
            About 1 (bad) to 5 (excellent), or None for silence and for less than MIN_SECONDS.

        Raises:
            ValueError: the waveform has another shape, NaN or infinity.
        """
        ...


class Dnsmos:
    """DNSMOS P.835's overall score, as the mean of windows of WINDOW_SAMPLES that start one second apart.

    Shorter speech is repeated. The network and its calibration are the package's. They are run here on one thread,
    because the package's own `run` also computes a second model, and starts as many threads as there are cores in each
    of the processes that score.
    """

    name = "dnsmos"

    def __init__(self) -> None:
        import onnxruntime

        try:
            from speechmos import dnsmos
        except ImportError as error:
            raise JudgeUnavailableError(
                f"MOS judge dnsmos needs the package speechmos, which holds its weights; install it with `{INSTALL}`, "
                "or set evaluate.mos to null"
            ) from error
        path = Path(dnsmos.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
        if not path.is_file():
            raise JudgeUnavailableError(
                f"MOS judge dnsmos: {path} is missing; install speechmos again with `{INSTALL}`"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._calibrated = partial(dnsmos.DNSMOS.get_polyfit_val, None)  # a method that does not use its instance
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.version = f"{version('speechmos')} {digest[:12]} onnxruntime {version('onnxruntime')}"

    def predict(self, waveform: np.ndarray, sample_rate: int) -> float | None:
        """Predict the opinion of an utterance. See MosJudge."""
        waveform = checked_waveform(waveform, sample_rate)
        if len(waveform) < MIN_SECONDS * sample_rate or is_silent(waveform):
            return None
        repeated = np.clip(to_rate(waveform, sample_rate, SAMPLE_RATE), -1.0, 1.0)  # resampling may overshoot
        repeated = np.resize(repeated, max(len(repeated), WINDOW_SAMPLES))
        starts = range(0, len(repeated) - WINDOW_SAMPLES + 1, SAMPLE_RATE)
        scores = [self._score(repeated[None, start : start + WINDOW_SAMPLES]) for start in starts]
        return round(float(np.mean(scores)), 3)

    def _score(self, window: np.ndarray) -> float:
        """Score one window, (1, WINDOW_SAMPLES) float32."""
        (signal, background, overall), *_ = self._network.run(None, {"input_1": window})[0]
        return self._calibrated(signal, background, overall, False)[2]


def load_mos_judge(name: str) -> MosJudge:
    """Load a MOS judge.

    Raises:
        ValueError: no judge has this name.
        JudgeUnavailableError: its package is missing.
    """
    if name not in MOS_JUDGES:
        raise ValueError(f"there is no MOS judge {name!r}; there are {', '.join(MOS_JUDGES)}")
    return Dnsmos()
