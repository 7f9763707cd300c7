"""The smoke test that a promotion uses: a voice that is silent, broken or cannot be loaded does not pass."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from registry.candidates.smoke import CannotSpeakError, speak_once


def speak(monkeypatch, folder: Path, waveform: np.ndarray | Exception) -> None:
    """Run `speak_once` with a synthesis that returns the waveform, or raises it."""

    class Synthesizer:
        def say(self, text: str, seed: int = 0) -> types.SimpleNamespace:
            if isinstance(waveform, Exception):
                raise waveform
            return types.SimpleNamespace(waveform=waveform, sample_rate=32000)

    module = types.ModuleType("gpt_sovits.synthesis.voice")
    module.load_voice = lambda folder: Synthesizer()
    monkeypatch.setitem(sys.modules, "gpt_sovits.synthesis.voice", module)
    speak_once(folder, "hello")


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(100, dtype=np.float32), "said nothing"),
        (np.zeros(0, dtype=np.float32), "said nothing"),
        (np.full(100, np.nan, dtype=np.float32), "said nothing"),
        (ValueError("model.safetensors: wrong shape"), "cannot speak .model.safetensors: wrong shape"),
    ],
)
def test_silent_nan_or_unloadable_voice_does_not_pass(tmp_path, monkeypatch, waveform, message):
    with pytest.raises(CannotSpeakError, match=message):
        speak(monkeypatch, tmp_path, waveform)


def test_voice_that_sounds_passes(tmp_path, monkeypatch):
    speak(monkeypatch, tmp_path, np.full(100, 0.1, dtype=np.float32))
