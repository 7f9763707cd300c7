"""What both lanes of a worker share: the request, where its events go, and sound as int16."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gpt_sovits.synthesis.speech import SentenceReport, Timings
from serving.engine.frames import Header

Send = Callable[[Header, bytes], None]
MAX_SPANS = 200  # of a request


@dataclass(frozen=True, kw_only=True)
class Speak:
    """A request as a worker gets it.

    Attributes:
        id: Number of the request, unique in its worker.
        candidate: Id of the pair that speaks it.
        preset: Name of one of the pair's presets.
        text: What to say.
        language: ISO 639 code of the text.
        seed: Seed of the text.
        continues: Whether it goes on after other speech.
        word_times: Whether to tell when each word is said.
        first_sentence: Sentences before it were delivered already, by a worker that died.
        is_traced: Whether to note when its work was done.
        words: Language, word and pronunciation of each entry that takes precedence over the voice's own.
    """

    id: int
    candidate: str
    preset: str
    text: str
    language: str
    seed: int
    continues: bool = False
    word_times: bool = False
    first_sentence: int = 0
    is_traced: bool = False
    words: Sequence[Sequence[str]] = ()


class Output:
    """The events of one request on their way to the API.

    Invariant: sound that the client has not taken is bounded. Beyond the bound the request waits and others speak.
    """

    def __init__(
        self, number: int, send: Send, *, sample_rate: int, max_unread_bytes: int, is_traced: bool = False
    ) -> None:
        """Begin with nothing sent.

        Args:
            number: The request's.
            send: Sends a frame to the API.
            sample_rate: Samples per second.
            max_unread_bytes: Sound that may wait for the client.
            is_traced: Whether to note when its work was done.
        """
        self.number, self._send, self._rate, self._most = number, send, sample_rate, max_unread_bytes
        self.started, self.first_sent = time.monotonic(), 0.0
        self.sent_bytes = self.taken_bytes = self.known_bytes = 0
        self.busy, self.timings = 0.0, Timings()
        self._spans: list[tuple[str, int, int, dict[str, float]]] | None = [] if is_traced else None
        self._arrived = time.time_ns()

    @property
    def is_full(self) -> bool:
        """Return whether the client must take something first."""
        return self.sent_bytes - self.taken_bytes > self._most

    @property
    def seconds_sent(self) -> float:
        """Return how much sound was sent, in seconds."""
        return self.sent_bytes / 2 / self._rate

    def piece(self, waveform: np.ndarray, sentence: int, *, is_cached: bool = False) -> None:
        """Send sound. None is not an event.

        Args:
            waveform: (n,) float32 in [-1, 1].
            sentence: Index of its sentence.
            is_cached: Whether it was spoken for somebody else.
        """
        if not len(waveform):
            return
        if not self.sent_bytes:
            self.first_sent = time.monotonic()
        pcm = np.rint(waveform * 32767).astype("<i2").tobytes()
        self.sent_bytes += len(pcm)
        self.known_bytes += len(pcm) if is_cached else 0
        self._send({"kind": "piece", "id": self.number, "sentence": sentence}, pcm)

    def sentence(self, index: int, report: SentenceReport, *, is_cached: bool = False) -> None:
        """Send what happened to a sentence.

        Args:
            index: Of the sentence.
            report: What happened.
            is_cached: Whether it was spoken for somebody else.
        """
        header = {
            "kind": "sentence",
            "id": self.number,
            "sentence": index,
            "text_sha256": hashlib.sha256(report.text.encode()).hexdigest(),
            "outcome": report.outcome,
            "n_retries": report.n_retries,
            "n_samples": report.n_samples,
            "is_cached": is_cached,
            "words": report.words,
        }
        self._send(header, b"")

    def note_begin(self) -> None:
        """Note that the first turn has come."""
        if self._spans is not None and not self._spans:
            self._spans.append(("queue", self._arrived, time.time_ns(), {}))

    def note_work(self, work: Timings, **attributes: float) -> None:
        """Note work that ends now: text, then GPT, then SoVITS.

        Args:
            work: Seconds of each part, by the clock. Others may have had turns meanwhile.
            attributes: Numbers about it.
        """
        if self._spans is None or len(self._spans) >= MAX_SPANS:
            return
        begin = time.time_ns() - round(work.total * 1e9)
        for name in ("text", "gpt", "sovits"):
            end = begin + round(getattr(work, name) * 1e9)
            if end > begin:
                self._spans.append((name, begin, end, attributes))
            begin = end

    def finish(self) -> None:
        """Send that all is said, and where the time went."""
        elapsed, work = time.monotonic() - self.started, self.timings
        scale = self.busy / work.total if work.total else 0.0  # the clock of a part runs on while others have turns
        parts = {"text": work.text * scale, "gpt": work.gpt * scale, "sovits": work.sovits * scale}
        seconds = {"queue": max(0.0, elapsed - self.busy), **parts}
        made = (self.sent_bytes - self.known_bytes) / 2 / self._rate  # by which the speed of the worker is measured
        header = {"kind": "finished", "id": self.number, "audio": made, "busy": self.busy}
        self._send({**header, "seconds": seconds, "spans": self._spans or []}, b"")

    def fail(self, error: Exception) -> None:
        """Send why it could not be said. A ValueError is about the text, everything else is a fault of ours."""
        kind = "text" if isinstance(error, ValueError) else "fault"
        message = " ".join(str(error).split()) if kind == "text" else type(error).__name__
        self._send({"kind": "failed", "id": self.number, "error": kind, "message": message}, b"")
