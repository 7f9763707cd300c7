"""Make the recordings in tests/data/languages/, in which espeak-ng reads the sentences of the tables there.

    pip install espeakng-loader==0.2.4
    python tests/data/make_languages.py

It is needed only to make the recordings again. They are committed, because espeak-ng's licence is the GPL, so it does
not belong among the packages that the tests install. What it says is not covered by its licence. Opus keeps 3 minutes
of speech below 0.7 MB, and the pipeline decodes it like any other recording.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import soundfile
import soxr
from ruamel.yaml import YAML

LANGUAGES = Path(__file__).resolve().parent / "languages"
SAMPLE_RATE = 16_000
PEAK = 0.5
COMPRESSION = 0.92  # of Opus, 0 to 1: about 30 kbit/s
SPEED, PITCH = 1, 3  # numbers of espeak-ng's parameters
SYNCHRONOUS, UTF8 = 2, 1

Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """espeak-ng through its C interface."""

    def __init__(self) -> None:
        import espeakng_loader

        self._chunks: list[np.ndarray] = []
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(espeakng_loader.get_data_path()).encode()
        self.sample_rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, data, 0)
        self._callback = Callback(self._receive)  # kept, or it would be freed while the library calls it
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: ctypes.POINTER, n: int, _events: int) -> int:
        if samples and n:
            self._chunks.append(np.ctypeslib.as_array(samples, (n,)).copy())
        return 0

    def speak(self, text: str, voice: str, speed: int, pitch: int) -> np.ndarray:
        """Return (n,) float64 in [-1, 1] at `sample_rate`."""
        self._chunks.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        self._library.espeak_SetParameter(SPEED, speed, 0)
        self._library.espeak_SetParameter(PITCH, pitch, 0)
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, UTF8, None, None)
        return np.concatenate(self._chunks) / 2**15


def main() -> None:
    """Write LANGUAGE/SENTENCE.ogg for every sentence of every language."""
    espeak = Espeak()
    for path in sorted(LANGUAGES.glob("*.yaml")):
        table = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        seconds = 0.0
        for sentence in table["sentences"]:
            speech = espeak.speak(sentence.get("spoken", sentence["text"]), **table["espeak"])
            speech = soxr.resample(speech, espeak.sample_rate, SAMPLE_RATE)
            audio = LANGUAGES / table["language"] / f"{sentence['id']}.ogg"
            audio.parent.mkdir(exist_ok=True)
            speech = PEAK * speech / np.abs(speech).max()
            soundfile.write(audio, speech, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=COMPRESSION)
            seconds += len(speech) / SAMPLE_RATE
        print(f"{path.name}: {len(table['sentences'])} recordings, {seconds:.1f} s")


if __name__ == "__main__":
    main()
