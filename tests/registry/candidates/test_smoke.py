"""The smoke test that a promotion uses: a voice that is silent, broken or cannot be loaded does not pass."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from registry.candidates.smoke import CannotSpeakError, speak_once


def speak(monkeypatch, folder: Path, waveform: np.ndarray | Exception, language: str = "en") -> list[str]:
    """Run `speak_once` with a synthesis that returns or raises `waveform`, and return what it was asked to say."""
    said: list[str] = []

    class Synthesizer:
        preset = types.SimpleNamespace(language=language)

        def say(self, text: str, seed: int = 0) -> types.SimpleNamespace:
            said.append(text)
            if isinstance(waveform, Exception):
                raise waveform
            return types.SimpleNamespace(waveform=waveform, sample_rate=32000)

    module = types.ModuleType("gpt_sovits.synthesis.voice")
    module.load_voice = lambda folder: Synthesizer()
    monkeypatch.setitem(sys.modules, "gpt_sovits.synthesis.voice", module)
    speak_once(folder, {"en": "hello", "ja": "やかん"})
    return said


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


@pytest.mark.parametrize(("language", "text"), [("en", "hello"), ("ja", "やかん"), ("all_ja", "やかん")])
def test_a_voice_speaks_the_sentence_of_its_own_language(tmp_path, monkeypatch, language, text):
    assert speak(monkeypatch, tmp_path, np.full(100, 0.1, dtype=np.float32), language) == [text]


def test_a_voice_without_a_sentence_in_its_language_does_not_pass(tmp_path, monkeypatch):
    with pytest.raises(CannotSpeakError, match=r"register\.smoke_text has no sentence in 'ko'; add one"):
        speak(monkeypatch, tmp_path, np.full(100, 0.1, dtype=np.float32), "ko")
