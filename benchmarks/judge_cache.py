"""A judge that remembers on disk what it answered, so that a benchmark can be repeated or resumed quickly."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from metrics.forced_alignment import AlignedWord
from metrics.judges.transcriber import Transcriber, Transcription


class Answers:
    """Answers that are kept in an SQLite file.

    Invariant: an answer is keyed by everything that it depends on.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._database.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT)")

    def answer(self, question: Sequence[Any], waveform: np.ndarray, give_answer: Callable[[], Any]) -> Any:
        """Return the answer to a question, which `give_answer` gives the first time.

        Args:
            question: who is asked, in which version, and for what, as JSON takes it.
            waveform: (n,) float32 that the question is about.
            give_answer: returns what JSON takes.
        """
        samples = hashlib.sha256(np.ascontiguousarray(waveform).tobytes()).hexdigest()
        version, method, *arguments = question
        key = hashlib.sha256(json.dumps([version, method, samples, arguments]).encode()).hexdigest()
        if row := self._database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone():
            return json.loads(row[0])
        answer = give_answer()
        self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))
        return answer


class CachedJudge:
    """A Transcriber whose answers are kept in an SQLite file.

    Invariant: an answer is keyed by the judge's version, the method, the samples and all other arguments, so a cached
    answer is the one that the judge would give.
    """

    def __init__(self, judge: Transcriber, answers: Answers) -> None:
        self._judge = judge
        self.name, self.version, self.languages = judge.name, judge.version, judge.languages
        self._answers = answers

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard. See Transcriber."""
        return self._answer("transcribe", waveform, sample_rate, language)

    def listen(self, waveform: np.ndarray, sample_rate: int, language: str) -> Transcription:
        """Return the words heard, or why there are none. See Transcriber."""
        return Transcription(*self._answer("listen", waveform, sample_rate, language))

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """Return the ISO 639 code of the likeliest language. See Transcriber."""
        return self._answer("spoken_language", waveform, sample_rate)

    def align_words(
        self, waveform: np.ndarray, sample_rate: int, words: Sequence[str], language: str
    ) -> list[AlignedWord]:
        """Find when each word of a known text is spoken. See Transcriber."""
        return [AlignedWord(*word) for word in self._answer("_align", waveform, sample_rate, list(words), language)]

    def _align(self, *arguments: Any) -> list[tuple[Any, ...]]:
        return [astuple(word) for word in self._judge.align_words(*arguments)]

    def _answer(self, method: str, waveform: np.ndarray, *arguments: Any) -> Any:
        answerer = self if method == "_align" else self._judge
        question = [self.version, method, *arguments]
        return self._answers.answer(question, waveform, lambda: getattr(answerer, method)(waveform, *arguments))
