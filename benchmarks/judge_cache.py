"""A judge that remembers on disk what it answered, so that a benchmark can be repeated or resumed quickly."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from metrics.judges.transcriber import Transcriber


class CachedJudge:
    """A Transcriber whose answers are kept in an SQLite file.

    Invariant: an answer is keyed by the judge's version, the method, the samples and all other arguments, so a cached
    answer is the one that the judge would give.
    """

    def __init__(self, judge: Transcriber, path: Path) -> None:
        self._judge = judge
        self.name, self.version, self.languages = judge.name, judge.version, judge.languages
        path.parent.mkdir(parents=True, exist_ok=True)
        self._answers = sqlite3.connect(path, isolation_level=None)
        self._answers.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT)")

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard. See Transcriber."""
        return self._answer("transcribe", waveform, sample_rate, language)

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """Return the ISO 639 code of the likeliest language. See Transcriber."""
        return self._answer("spoken_language", waveform, sample_rate)

    def log_probabilities(self, waveform: np.ndarray, sample_rate: int, texts: list[str], language: str) -> list[float]:
        """Return the log-probability of each text. See TextScorer."""
        return self._answer("log_probabilities", waveform, sample_rate, texts, language)

    def _answer(self, method: str, waveform: np.ndarray, *arguments: Any) -> Any:
        samples = hashlib.sha256(np.ascontiguousarray(waveform).tobytes()).hexdigest()
        key = hashlib.sha256(json.dumps([self.version, method, samples, arguments]).encode()).hexdigest()
        if row := self._answers.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone():
            return json.loads(row[0])
        answer = getattr(self._judge, method)(waveform, *arguments)
        self._answers.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))
        return answer
