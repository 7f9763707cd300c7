"""One admitted request while it is spoken: its events on the way to the client, and what a second try needs to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gpt_sovits.synthesis.words import read_words
from serving.engine.frames import Header
from serving.engine.pricing import Price
from serving.errors import InternalError, NotReadyError, ServingError, UnspeakableTextError
from serving.messages import AudioPiece, Event, Finished, SentenceDone, WorkSpan
from serving.releases.table import Admission
from serving.tracing.context import is_sampled
from serving.tracing.spans import is_recording


class WorkerLost(ServingError):  # noqa: N818 - a state of the request, which may be spoken again
    """The worker of a request died."""


class Running:
    """A request that a worker speaks.

    Invariant: in the batch lane a sentence reaches the client whole or not at all, so that another worker can go on
    with the next one.
    """

    def __init__(self, admission: Admission, price: Price) -> None:
        """Begin with nothing spoken."""
        self.admission, self.price = admission, price
        self.n_tries = self.n_sentences = 0
        self.received_bytes = self.taken_bytes = 0
        self.bytes_of_earlier_tries = 0  # a worker counts what it sent itself
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self._held: list[AudioPiece] = []
        self._plays_from = time.monotonic()

    @property
    def is_stream(self) -> bool:
        """Return whether it is spoken in real time."""
        return self.admission.request.lane == "realtime"

    @property
    def seconds_left(self) -> float:
        """Return how much of its speech is not made yet, by its price."""
        return max(0.0, self.price.seconds - self._seconds_received)

    @property
    def dry_at(self) -> float:
        """Return when its listener has played all that was made, or its beginning, in seconds of time.monotonic()."""
        return self._plays_from + self._seconds_received

    @property
    def can_be_retried(self) -> bool:
        """Return whether another worker may speak it: once, and a stream only if nothing of it was sent."""
        return self.n_tries < 2 and not (self.is_stream and self.received_bytes)

    def begin(self) -> Header:
        """Count a try, and return what the worker must know."""
        self.n_tries += 1
        self._held.clear()
        self.bytes_of_earlier_tries = self.received_bytes
        request = self.admission.request
        return {
            "kind": "speak",
            "candidate": self.admission.live.pair.candidate_id,
            "preset": request.preset,
            "text": request.text,
            "language": self.admission.language,
            "seed": request.seed,
            "lane": request.lane,
            "continues": request.continues,
            "word_times": request.word_times,
            "first_sentence": self.n_sentences,
            "is_traced": is_recording() and is_sampled(request.traceparent),
            "words": request.words,
        }

    def take(self, header: Header, body: bytes) -> bool:
        """Take a frame of the worker. Return whether it was the last one."""
        kind = header["kind"]
        if kind == "piece":
            piece = AudioPiece(body, header["sentence"])
            if self.is_stream:
                self._put_piece(piece)
            else:
                self._held.append(piece)
        elif kind == "sentence":
            for piece in self._held:
                self._put_piece(piece)
            self._held.clear()
            self.n_sentences += 1
            names = ("sentence", "text_sha256", "outcome", "n_retries", "n_samples", "is_cached")
            words = read_words(header["words"])
            self._events.put_nowait(SentenceDone(**{name: header[name] for name in names}, words=words))
        elif kind == "finished":
            spans = tuple(WorkSpan(*row) for row in header["spans"])
            self._events.put_nowait(Finished(self._seconds_received, header["seconds"], spans))
        else:
            self.fail(_error(header))
        return kind in ("finished", "failed")

    def fail(self, error: Exception) -> None:
        """End it with an error, after what was received before."""
        self._events.put_nowait(error)

    async def events(self, check: Callable[[Admission], None]) -> Event:
        """Return the next event, if it may be delivered.

        Args:
            check: Raises where the permission has ended.

        Raises:
            ServingError: It failed, or may not be delivered any more.
            WorkerLost: Its worker died.
        """
        event = await self._events.get()
        if isinstance(event, Exception):
            raise event
        check(self.admission)
        return event

    @property
    def _seconds_received(self) -> float:
        return self.received_bytes / 2 / self.admission.live.sample_rate

    def _put_piece(self, piece: AudioPiece) -> None:
        if not self.received_bytes:
            self._plays_from = time.monotonic()
        self.received_bytes += len(piece.pcm)
        self._events.put_nowait(piece)


def _error(header: Header) -> ServingError:
    if header["error"] == "text":
        return UnspeakableTextError(header["message"], param="input")
    if header["error"] == "unloaded":
        return NotReadyError("the version was just taken out of memory", retry_after=1)
    return InternalError(f"the speech failed with {header['message']}")
