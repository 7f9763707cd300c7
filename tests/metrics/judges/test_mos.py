"""The MOS judge: it hears noise, and says what to install where its package is missing."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from metrics.errors import JudgeUnavailableError
from metrics.judges.mos import Dnsmos, load_mos_judge

SAMPLE = Path(__file__).resolve().parents[3] / "data/1_recordings/sample/wavs/sample_001.flac"


@pytest.fixture(scope="module")
def dnsmos() -> Dnsmos:
    pytest.importorskip("speechmos", reason="the MOS predictor is not installed: pip install 'voxfoundry[mos]'")
    return load_mos_judge("dnsmos")


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, int]:
    return soundfile.read(SAMPLE, dtype="float32")


def test_clean_speech_scores_higher_than_noisy(dnsmos: Dnsmos, speech: tuple[np.ndarray, int]) -> None:
    waveform, rate = speech
    noise = np.random.default_rng(0).normal(size=len(waveform)).astype(np.float32) * waveform.std() / 2
    assert 1 <= dnsmos.predict(waveform + noise, rate) + 1 < dnsmos.predict(waveform, rate) <= 5


def test_the_same_speech_has_the_same_score(dnsmos: Dnsmos, speech: tuple[np.ndarray, int]) -> None:
    assert dnsmos.predict(*speech) == Dnsmos().predict(*speech)


def test_longer_speech_than_its_window_is_the_mean_of_windows(dnsmos: Dnsmos, speech: tuple[np.ndarray, int]) -> None:
    waveform, rate = speech
    windows = [dnsmos.predict(np.resize(waveform, n * rate + rate // 50), rate) for n in (9, 12)]
    assert windows[0] == pytest.approx(windows[1], abs=0.3)


@pytest.mark.parametrize(
    "waveform", [np.zeros(0), np.zeros(32_000), np.full(1000, 0.1)], ids=["none", "silence", "60 ms"]
)
def test_silence_has_no_score(dnsmos: Dnsmos, waveform: np.ndarray) -> None:
    assert dnsmos.predict(waveform.astype(np.float32), 16_000) is None


def test_overdriven_speech_is_scored(dnsmos: Dnsmos, speech: tuple[np.ndarray, int]) -> None:
    waveform, rate = speech
    assert 1 <= dnsmos.predict(np.clip(20 * waveform, -1, 1), rate) <= 5


def test_the_version_names_package_and_weights(dnsmos: Dnsmos) -> None:
    assert dnsmos.version.startswith("0.0.1.1 269fbebdb513 onnxruntime ")


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speechmos", None)
    with pytest.raises(JudgeUnavailableError, match=r"needs the package speechmos.*pip install 'voxfoundry\[mos\]'"):
        load_mos_judge("dnsmos")


def test_an_unknown_mos_judge_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no MOS judge 'ears'; there are dnsmos"):
        load_mos_judge("ears")
