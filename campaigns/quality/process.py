"""The process of the judges: a question per line of stdin, an answer per line of stdout. It ends with its stdin."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from metrics.errors import MetricsError
from metrics.judges.asr import load_transcriber
from metrics.judges.speaker import SpeakerJudge, cosine, load_speaker_judge
from metrics.judges.transcriber import check_language
from metrics.normalize import normalize_text
from metrics.wer import word_errors

NICE = 5  # the voice comes first
MAX_RECORDINGS = 20
RECORDING_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")


class Judges:
    """The ASR judge, and the speaker judge once it is needed."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Load the ASR judge.

        Args:
            options: Of judging.JudgeOptions, as JSON.
        """
        self._options = options
        self._asr = load_transcriber(options["asr"], _folder(options.get("asr_weights")), download=False)
        self._speaker: SpeakerJudge | None = None
        self._voices: dict[str, np.ndarray] = {}

    def prepare(self, language: str | None, voice: str | None) -> None:
        """Load what is needed to hear a language, and to compare with a voice. None where that is not needed."""
        if language is not None:
            check_language(self._asr, language)
        if voice is None:
            return
        if self._speaker is None:
            weights = _folder(self._options.get("speaker_weights"))
            self._speaker = load_speaker_judge(self._options["speaker"], weights, download=False)
        if voice not in self._voices:
            self._voices[voice] = self._embed_recordings(voice)

    def hear(self, file: str, sample_rate: int, text: str, language: str, voice: str | None) -> dict[str, Any]:
        """Return the answer about a file of int16 samples."""
        samples = np.fromfile(file, "<i2").astype(np.float32) / 32768
        said = normalize_text(text, language)
        heard = normalize_text(self._asr.transcribe(samples, sample_rate, language), language)
        wer = word_errors(said, heard).rate if said else 0.0
        similarity = None if voice is None else self._similarity(samples, sample_rate, voice)
        return {"wer": wer, "similarity": similarity}

    def _similarity(self, samples: np.ndarray, sample_rate: int, voice: str) -> float | None:
        self.prepare(None, voice)
        assert self._speaker is not None
        try:
            return cosine(self._speaker.embed(samples, sample_rate), self._voices[voice])
        except ValueError:  # no speaker is heard
            return None

    def _embed_recordings(self, voice: str) -> np.ndarray:
        """Return the mean direction of a speaker's recordings, (D,) float32 of unit norm."""
        assert self._speaker is not None
        folder = Path(self._options["recordings"].get(voice, "/nonexistent"))
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in RECORDING_SUFFIXES)
        found = []
        for path in files[:MAX_RECORDINGS]:
            waveform, rate = soundfile.read(path, dtype="float32", always_2d=True)
            found.append(self._speaker.embed(waveform.mean(axis=1), rate))
        if not found:
            raise MetricsError(f"there are no recordings of {voice} here to compare with; leave min_similarity out")
        mean = np.mean(found, axis=0, dtype=np.float64)
        return (mean / np.linalg.norm(mean)).astype(np.float32)


def _folder(given: str | None) -> Path | None:
    return None if given is None else Path(given)


def main() -> None:
    """Answer until stdin ends."""
    os.nice(NICE)
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print too
    judges: Judges | None = None
    for line in sys.stdin:
        question = json.loads(line)
        try:
            judges = judges or Judges(json.loads(sys.argv[1]))
            if "file" in question:
                answer = judges.hear(**question)
            else:
                answer = {}
                judges.prepare(**question)
        except (MetricsError, OSError, ValueError) as error:
            answer = {"error": " ".join(str(error).split())[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
