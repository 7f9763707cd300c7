"""POST /v1/audio/speech, as OpenAI has it: the sound alone while it is made, or events with the sound in them.

serving/api/whole.py has the answers that are sent at once.

The headers wait for the first sound, so that whatever fails before it is an answer with its own status. What fails
after it ends a stream of events with the event `error`, and a plain stream without its regular end.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.api.admission import check_text, make_request
from serving.api.answers import MEDIA_TYPES_OF, Output, headers_of, last_event, remember
from serving.api.bodies import ErrorBody, SentenceInfo, SpeechBody
from serving.api.service import current_caller, request_id_of, service_of
from serving.api.streams import Utterance, encoded, while_connected
from serving.api.whole import WholeResponse
from serving.encoding import MEDIA_TYPES, open_encoder, output_rate
from serving.errors import InvalidRequestError, ServingError, WordTimesNotServedError
from serving.messages import AudioPiece, Finished, SentenceDone, Started

router = APIRouter()


@router.post(
    "/v1/audio/speech",
    response_class=Response,
    responses={
        200: {
            "description": "The sound, events, or JSON.",
            "content": {kind: {} for kind in (*MEDIA_TYPES.values(), *MEDIA_TYPES_OF.values())},
        },
        "4XX": {"model": ErrorBody, "description": "The request is the reason."},
        "5XX": {"model": ErrorBody, "description": "The service is the reason."},
    },
)
async def speech(body: SpeechBody, request: Request) -> Response:
    """Speak a text."""
    service, caller, state = service_of(request), current_caller(request), request.scope["state"]
    state["asked"] = body
    if body.instructions:
        raise InvalidRequestError(
            "instructions are not taken, because a voice speaks as it was judged; name a preset instead",
            param="instructions",
        )
    check_text(body.input, max_characters=service.settings.limits.max_text_characters, param="input")
    if body.timestamps and body.stream_format not in ("sse", "json"):
        raise WordTimesNotServedError(
            f"an answer with stream_format {body.stream_format} has no place for timestamps; take sse or json",
            param="timestamps",
        )
    output_rate(body.response_format, 32_000, body.sample_rate)  # refuses what the format cannot have
    wanted = await make_request(
        service, caller, body, text=body.input, request_id=request_id_of(request), traceparent=state["traceparent"]
    )
    utterance = Utterance(service=service, request=wanted, route="speech", caller=caller, form=body.response_format)
    state["is_recorded"] = True  # from here on by the utterance
    output = Output(form=body.response_format, rate=body.sample_rate, stream=body.stream_format)
    return WholeResponse(utterance, output) if output.is_whole else SpeechResponse(utterance, output)


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
            async with utterance.recorded():
                utterance.client_left = not await while_connected(self._send(send), receive)
        except ServingError as error:
            state["error_type"] = error.type
            if not self._has_begun:
                raise
            if self._output.stream == "sse":
                event = {"type": "error", **error.body(utterance.request.request_id)}
                await send({"type": "http.response.body", "body": _event(event), "more_body": False})

    async def _send(self, send: Any) -> None:
        async with aclosing(self._parts()) as parts:
            async for part in parts:
                if not self._has_begun:
                    self._has_begun = True
                    headers = headers_of(self._utterance, self._output)
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _parts(self) -> AsyncIterator[bytes]:
        """Yield what the body consists of."""
        utterance, output = self._utterance, self._output
        encoder, is_sse = None, output.stream == "sse"
        sent, n_bytes = hashlib.sha256(), 0
        async with aclosing(utterance.events()) as events:
            async for event in events:
                match event:
                    case Started():
                        encoder = open_encoder(output.form, event.sample_rate, output.rate)
                        continue
                    case AudioPiece():
                        sound = await encoded(utterance, encoder, event.pcm)
                    case SentenceDone():
                        if is_sse:
                            words = {"words": utterance.words_of(event)} if event.words is not None else {}
                            done = SentenceInfo.of(event).model_dump()
                            yield _event({"type": "speech.sentence.done", **done, **words})
                        continue
                    case Finished():
                        sound = await encoded(utterance, encoder, None)
                utterance.note_sent(len(sound))
                sent.update(sound)
                n_bytes += len(sound)
                if sound:
                    yield _delta(sound) if is_sse else sound
        remember(utterance, utterance.request.request_id, sha256=sent.hexdigest(), n_bytes=n_bytes)
        if is_sse:
            yield _event(last_event(utterance))


def _delta(sound: bytes) -> bytes:
    return _event({"type": "speech.audio.delta", "audio": base64.b64encode(sound).decode()})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
