"""POST /v1/audio/speech, as OpenAI has it: the sound alone while it is made, or events with the sound in them.

The headers wait for the first sound, so that whatever fails before it is an answer with its own status. What fails
after it ends a stream of events with the event `error`, and a plain stream without its regular end.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.api.admission import check_text, find_served, make_request
from serving.api.bodies import ErrorBody, SentenceInfo, SpeechBody
from serving.api.service import current_caller, request_id_of, service_of
from serving.api.streams import Utterance, encoded, while_connected
from serving.encoding import MEDIA_TYPES, Format, open_encoder, output_rate
from serving.errors import InvalidRequestError, ServingError
from serving.messages import AudioPiece, Finished, SentenceDone, Started

TOKENS_PER_SECOND = 25  # semantic tokens of the models, which OpenAI's clients see as output_tokens
router = APIRouter()


@router.post(
    "/v1/audio/speech",
    response_class=Response,
    responses={
        200: {
            "description": "The sound, or events.",
            "content": {kind: {} for kind in (*MEDIA_TYPES.values(), "text/event-stream")},
        },
        "4XX": {"model": ErrorBody, "description": "The request is the reason."},
        "5XX": {"model": ErrorBody, "description": "The service is the reason."},
    },
)
async def speech(body: SpeechBody, request: Request) -> Response:
    """Speak a text."""
    service, caller, state = service_of(request), current_caller(request), request.scope["state"]
    if body.instructions:
        raise InvalidRequestError(
            "instructions are not taken, because a voice speaks as it was judged; name a preset instead",
            param="instructions",
        )
    check_text(body.input, max_characters=service.settings.limits.max_text_characters, param="input")
    output_rate(body.response_format, 32_000, body.sample_rate)  # refuses what the format cannot have
    wanted = await make_request(
        service, caller, body, text=body.input, request_id=request_id_of(request), traceparent=state["traceparent"]
    )
    utterance = Utterance(service=service, request=wanted, route="speech", caller=caller, form=body.response_format)
    return SpeechResponse(
        utterance, Output(form=body.response_format, rate=body.sample_rate, stream=body.stream_format)
    )


@dataclass(frozen=True)
class Output:
    """How the sound is sent.

    Attributes:
        form: Format of the sound.
        rate: Samples per second, None for the default.
        stream: The sound alone, or events.
    """

    form: Format
    rate: int | None
    stream: Literal["audio", "sse"]


class SpeechResponse(Response):
    """An answer that is sent while the engine speaks."""

    def __init__(self, utterance: Utterance, output: Output) -> None:
        super().__init__()
        self._utterance, self._output = utterance, output
        self._has_begun = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Send the answer, unless the client goes away."""
        utterance, state = self._utterance, scope["state"]
        try:
            utterance.client_left = not await while_connected(self._send(send), receive)
        except ServingError as error:
            utterance.error, utterance.status = error, error.status
            state["error_type"] = error.type
            if not self._has_begun:
                raise
            if self._output.stream == "sse":
                event = {"type": "error", **error.body(utterance.request.request_id)}
                await send({"type": "http.response.body", "body": _event(event), "more_body": False})
        finally:
            await utterance.record()

    async def _send(self, send: Any) -> None:
        async with aclosing(self._parts()) as parts:
            async for part in parts:
                if not self._has_begun:
                    self._has_begun = True
                    await send({"type": "http.response.start", "status": 200, "headers": self._headers()})
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _headers(self) -> list[tuple[bytes, bytes]]:
        utterance, output = self._utterance, self._output
        started, request = utterance.started, utterance.request
        assert started is not None
        served = find_served(utterance.service, request.voice, started.version)
        headers = {
            "content-type": "text/event-stream" if output.stream == "sse" else MEDIA_TYPES[output.form],
            "x-voice": request.voice,
            "x-voice-version": str(started.version),
            "x-candidate-id": started.candidate_id,
            "x-preset": started.preset,
            "x-lane": request.lane,
            "x-sample-rate": str(output_rate(output.form, started.sample_rate, output.rate)),
            "x-expected-seconds": f"{started.expected_seconds:.2f}",
            "x-cache": "hit" if started.is_cached else "miss",
            "x-accel-buffering": "no",  # proxies pass on what arrives
        }
        if request.lane == "realtime" and served is not None and not served.has_judged_lane:
            headers["x-lane-judged"] = "false"
        return [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]

    async def _parts(self) -> AsyncIterator[bytes]:
        """Yield what the body consists of."""
        utterance, output = self._utterance, self._output
        encoder, is_sse = None, output.stream == "sse"
        async with aclosing(utterance.events()) as events:
            async for event in events:
                match event:
                    case Started():
                        encoder = open_encoder(output.form, event.sample_rate, output.rate)
                        continue
                    case AudioPiece():
                        sound = await encoded(utterance.service, encoder, event.pcm)
                    case SentenceDone():
                        if is_sse:
                            yield _event({"type": "speech.sentence.done", **SentenceInfo.of(event).model_dump()})
                        continue
                    case Finished():
                        sound = await encoded(utterance.service, encoder, None)
                utterance.note_sent(len(sound))
                if sound:
                    yield _delta(sound) if is_sse else sound
        if is_sse:
            yield _event(self._done())

    def _done(self) -> dict[str, Any]:
        """Return the last event, which counts like OpenAI's."""
        utterance, finished = self._utterance, self._utterance.finished
        assert finished is not None and utterance.started is not None
        n_in, n_out = len(utterance.request.text), round(finished.seconds_of_audio * TOKENS_PER_SECOND)
        return {
            "type": "speech.audio.done",
            "usage": {"input_tokens": n_in, "output_tokens": n_out, "total_tokens": n_in + n_out},
            "version": utterance.started.version,
            "candidate_id": utterance.started.candidate_id,
            "seconds_of_audio": finished.seconds_of_audio,
            "seconds": finished.seconds,
            "sentences": [SentenceInfo.of(sentence).model_dump() for sentence in utterance.sentences],
        }


def _delta(sound: bytes) -> bytes:
    return _event({"type": "speech.audio.delta", "audio": base64.b64encode(sound).decode()})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
