"""An engine whose speech has spans."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from serving.engine_layer import EngineLayer
from serving.messages import Event, Finished, SentenceDone, SpeechRequest, Started
from serving.tracing.spans import Span, record_span, span


class TracedEngine(EngineLayer):
    """An engine that records a span for each request, with what the worker has noted below it."""

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[Event, None]:
        """Yield the events of a request.

        Args:
            request: What to say.

        Raises:
            ServingError: It may not be spoken, or the engine failed.
        """
        with span("speak", request.traceparent) as speaking:
            speaking.note(lane=request.lane, n_characters=len(request.text))
            inside = replace(request, traceparent=speaking.traceparent)
            async with aclosing(self._engine.speak(inside)) as events:
                async for event in events:
                    _note(speaking, request, event)
                    yield event


def _note(speaking: Span, request: SpeechRequest, event: Event) -> None:
    match event:
        case Started():  # from here on the name of the voice is not only what a client wrote
            speaking.note(
                voice=request.voice,
                version=event.version,
                candidate=event.candidate_id,
                preset=event.preset,
                n_sentences=event.n_sentences,
                is_cached=event.is_cached,
            )
        case SentenceDone() if event.outcome != "spoken":
            speaking.note(outcome=event.outcome)
        case Finished():
            speaking.note(seconds_of_audio=event.seconds_of_audio)
            for work in event.spans:
                record_span(work.name, speaking.traceparent, work.begin, work.end, **work.attributes)
