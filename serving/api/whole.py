"""Answers that are sent when all is spoken: a file with its true length and its mark inside, or JSON with such a file.

Nothing is sent before the last sentence was spoken, so every failure has its own status.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import MutableMapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response

from serving.api.answers import Output, facts_of, headers_of, last_event, remember
from serving.api.streams import Utterance, while_connected
from serving.encoding import encode
from serving.errors import ServingError
from serving.messages import AudioPiece
from serving.tracing.spans import span


class WholeResponse(Response):
    """An answer that is sent at once."""

    def __init__(self, utterance: Utterance, output: Output) -> None:
        super().__init__()
        self._utterance, self._output = utterance, output

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Speak, and send the answer unless the client goes away before."""
        utterance = self._utterance
        try:
            async with utterance.recorded():
                utterance.client_left = not await while_connected(self._send(send), receive)
        except ServingError as error:
            scope["state"]["error_type"] = error.type
            raise

    async def _send(self, send: Any) -> None:
        utterance = self._utterance
        content, sha256, n_bytes = await asyncio.get_running_loop().run_in_executor(
            utterance.service.file_encoders, self._content, await self._speak()
        )
        await utterance.check_delivery()  # a revocation may have come while a long file was encoded
        if sha256 is not None:
            remember(utterance, utterance.request.request_id, sha256=sha256, n_bytes=n_bytes)
        headers = [*headers_of(utterance, self._output), (b"content-length", str(len(content)).encode())]
        utterance.note_sent(n_bytes)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})

    async def _speak(self) -> bytes:
        """Return all samples."""
        pcm = bytearray()
        async with aclosing(self._utterance.events()) as events:
            async for event in events:
                if isinstance(event, AudioPiece):
                    pcm += event.pcm
        return bytes(pcm)

    def _content(self, pcm: bytes) -> tuple[bytes, str | None, int]:
        """Return the answer, the sha256 of its file where that has a sidecar, and the file's size. It blocks."""
        file, sidecar = self._encode(pcm)
        sha256 = hashlib.sha256(file).hexdigest() if sidecar is not None else None
        return (file if self._output.stream == "file" else self._json(file, sidecar)), sha256, len(file)

    def _encode(self, pcm: bytes) -> tuple[bytes, bytes | None]:
        """Return the file with its mark inside, or with its sidecar."""
        utterance, output = self._utterance, self._output
        assert utterance.started is not None
        with span("encode", utterance.request.traceparent):
            file = encode(output.form, pcm, utterance.started.sample_rate, output.rate)
        provenance = utterance.service.provenance
        if provenance is None or not provenance.is_marking:
            return file, None
        return provenance.mark_bytes(file, output.form, facts_of(utterance))

    def _json(self, file: bytes, sidecar: bytes | None) -> bytes:
        utterance = self._utterance
        told = {name: value for name, value in last_event(utterance).items() if name != "type"}
        is_timed = utterance.request.word_times
        answer = {
            "object": "speech",
            "format": self._output.form,
            "audio": base64.b64encode(file).decode(),
            **told,
            "words": [word for one in utterance.sentences for word in utterance.words_of(one)] if is_timed else None,
            "provenance": json.loads(sidecar) if sidecar is not None else None,
        }
        return json.dumps(answer, ensure_ascii=False).encode()
