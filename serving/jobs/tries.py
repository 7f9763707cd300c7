"""One try at an item of a job, and what is recorded of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from serving.errors import ServingError
from serving.jobs.records import Item, Job, Result
from serving.jobs.speaking import Speech
from serving.messages import RequestRecord, SpeechRequest


@dataclass(kw_only=True)
class Try:
    """A try at an item.

    Attributes:
        job: The attempt that it belongs to.
        item: What is spoken.
        request: What the engine is asked.
        speech: What has happened so far.
        begun: When it began.
        clock: The same on the monotonic clock, in seconds.
        is_audited: Whether its row of the audit was written with its result.
    """

    job: Job
    item: Item
    request: SpeechRequest
    speech: Speech = field(default_factory=lambda: Speech(sentences=[]))
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)
    is_audited: bool = False

    def record(self, *, result: Result | None, error: ServingError | None = None) -> RequestRecord:
        """Return what is recorded of the try.

        Args:
            result: Its file, None where it has none.
            error: What it ended with. Without a result and an error, somebody has ended the job or taken it.
        """
        return RequestRecord(
            request=self.request,
            route="job",
            caller=self.job.owner,
            format=self.job.wish.format,
            started_at=self.begun,
            started=self.speech.started,
            sentences=tuple(self.speech.sentences),
            finished=self.speech.finished,
            status=error.status if error else 200,
            error_type=error.type if error else None,
            client_left=error is None and result is None,
            first_audio_seconds=None,
            total_seconds=time.monotonic() - self.clock,
            n_bytes=result.n_bytes if result else 0,
        )
