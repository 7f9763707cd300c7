"""The web socket /v1/audio/speech/stream: text in while it is written, sound out while it is made.

The messages are those of vllm-omni. A client sends session.config, then input.text as often as it likes, then
input.done. For each sentence it gets audio.start, the sound as binary messages, and audio.done. At the end it gets
session.done. Closing the socket cancels everything. One pair of models speaks the whole session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Annotated, TypeVar

from fastapi import APIRouter, WebSocket
from pydantic import Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocketDisconnect

from gpt_sovits.synthesis.pieces import has_words
from serving.api.admission import check_text, make_request
from serving.api.bodies import MAX_SEED, InputDone, InputText, SentenceInfo, SessionConfig, WordInfo
from serving.api.failures import FAULT, internal_error, invalid_fields
from serving.api.incremental_text import IncrementalText
from serving.api.service import current_caller, request_id_of, service_of
from serving.api.streams import CHECK_SECONDS, Utterance, encoded
from serving.encoding import Encoder, open_encoder, output_rate
from serving.errors import (
    DeadlineError,
    InternalError,
    InvalidJsonError,
    InvalidRequestError,
    RequestTimeoutError,
    ServingError,
    TextTooLongError,
)
from serving.messages import AudioPiece, Event, SentenceDone, SpeechRequest, Started

SLICE_CHARACTERS = 1000  # of a message that are read at once
T = TypeVar("T")
router = APIRouter()
Input = TypeAdapter(Annotated[InputText | InputDone, Field(discriminator="type")])
Config = TypeAdapter(SessionConfig)


@router.websocket("/v1/audio/speech/stream")
async def speech_stream(socket: WebSocket) -> None:
    """Hold one session."""
    await socket.accept()
    session = Session(socket)
    try:
        await session.run()
        await socket.close()
    except WebSocketDisconnect:
        socket.scope["state"]["error_type"] = "client_left"
    except Exception as error:  # noqa: BLE001 - a client that hears of no error waits for more
        reason = error if isinstance(error, ServingError) else internal_error(error, request_id_of(socket))
        socket.scope["state"]["error_type"] = reason.type
        with suppress(WebSocketDisconnect, RuntimeError):  # the client may have gone meanwhile
            await socket.send_json({"type": "error", **reason.body(request_id_of(socket))})
            await socket.close(reason.close_code, reason.type)


class Session:
    """One web socket from its first message to its last."""

    def __init__(self, socket: WebSocket) -> None:
        """Take an accepted socket."""
        self._socket, self._service, self._caller = socket, service_of(socket), current_caller(socket)
        self._limits = self._service.settings.limits
        self._sentences: asyncio.Queue[str | None] = asyncio.Queue()
        self._n_spoken, self._seconds = 0, 0.0
        self._speaker: Started | None = None  # of the first sentence, which speaks the others too
        self._limit = asyncio.timeout(None)
        self._reading: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Speak until the text ends.

        Raises:
            ServingError: A message is wrong, or the engine refused or failed.
            WebSocketDisconnect: The client went away.
        """
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                config = await self._config()
        except TimeoutError as error:
            raise RequestTimeoutError(
                f"session.config did not arrive within {self._limits.body_seconds:g} s"
            ) from error
        self._limit = asyncio.timeout(self._limits.max_request_seconds)
        try:
            async with self._limit, asyncio.TaskGroup() as tasks:
                self._reading = tasks.create_task(self._read())
                await self._speak_all(config)
                self._reading.cancel()  # it watches for a client that goes away
        except TimeoutError as error:
            raise self._late() from error
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        done = {"type": "session.done", "total_sentences": self._n_spoken, "seconds_of_audio": self._seconds}
        await self._socket.send_json({**done, "version": self._speaker.version if self._speaker is not None else None})

    def _reason(self) -> ServingError | None:
        """Return what ends the session while it speaks, None where that is the client, who goes away."""
        if self._limit.expired():
            return self._late()
        fault = self._fault_of_reading()
        if fault is None or isinstance(fault, WebSocketDisconnect):
            return None
        return fault if isinstance(fault, ServingError) else InternalError(FAULT)

    def _fault_of_reading(self) -> BaseException | None:
        """Return what the reading ended with, None while it goes on."""
        reading = self._reading
        return reading.exception() if reading is not None and reading.done() and not reading.cancelled() else None

    def _late(self) -> DeadlineError:
        return DeadlineError(f"the session took longer than {self._limits.max_request_seconds:g} s")

    async def _config(self) -> SessionConfig:
        config = _parsed(Config, await self._message())
        self._socket.scope["state"]["asked"] = config
        output_rate(config.response_format, 32_000, config.sample_rate)  # refuses what the format cannot have
        return config

    async def _message(self) -> str:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        if message.get("text") is None:
            raise InvalidJsonError("a message is text with a JSON object, not binary")
        return message["text"]

    async def _read(self) -> None:
        """Put each sentence into the queue once it is whole. Afterwards, wait for the client to go away."""
        text, n_characters = IncrementalText(), 0
        while True:
            message = _parsed(Input, await self._message())
            if isinstance(message, InputDone):
                break
            n_characters += len(message.text)
            if n_characters > self._limits.max_job_characters:
                raise TextTooLongError(
                    f"the session has {n_characters} characters, at most {self._limits.max_job_characters}",
                    param="text",
                )
            for begin in range(0, len(message.text), SLICE_CHARACTERS):
                for sentence in text.push(message.text[begin : begin + SLICE_CHARACTERS]):
                    self._sentences.put_nowait(sentence)
                if text.n_waiting > self._limits.max_text_characters:
                    raise TextTooLongError(
                        f"{text.n_waiting} characters without the end of a sentence, at most "
                        f"{self._limits.max_text_characters}",
                        param="text",
                    )
                await asyncio.sleep(0)  # others have turns while a long message is read
        for sentence in text.finish():
            self._sentences.put_nowait(sentence)
        self._sentences.put_nowait(None)
        await self._message()
        raise InvalidRequestError("nothing can follow input.done", param="type")

    async def _speak_all(self, config: SessionConfig) -> None:
        place = 0
        async for sentence in self._sentences_to_say():
            request = await make_request(
                self._service,
                self._caller,
                config,
                text=sentence,
                request_id=f"{request_id_of(self._socket)}-{place}",
                traceparent=self._socket.scope["state"]["traceparent"],
                candidate_id=self._speaker.candidate_id if self._speaker is not None else None,
            )
            # a sentence that comes twice sounds different, as within one text
            seed = (request.seed + place) % (MAX_SEED + 1)
            await self._speak(replace(request, seed=seed, continues=place > 0), config)
            place += 1

    async def _sentences_to_say(self) -> AsyncIterator[str]:
        """Yield the sentences that have words. Where none has, yield all, as of a text that comes as a whole."""
        without_words, is_silent = list[str](), True
        while (sentence := await self._next_sentence()) is not None:
            check_text(sentence, max_characters=self._limits.max_text_characters, param="text")
            if has_words(sentence):
                is_silent = False
                yield sentence
            elif is_silent:
                without_words.append(sentence)
        for sentence in without_words if is_silent else ():
            yield sentence

    async def _next_sentence(self) -> str | None:
        """Return the next sentence, None at the end. Whoever waits for it needs a key that still counts."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    return await self._sentences.get()
            self._caller.require_valid()

    async def _speak(self, request: SpeechRequest, config: SessionConfig) -> None:
        """Speak one sentence of the client, which the engine may cut into several."""
        utterance = Utterance(
            service=self._service, request=request, route="stream", caller=self._caller, form=config.response_format
        )
        self._socket.scope["state"]["is_recorded"] = True  # by the utterance
        files = SentenceFiles(self._socket, utterance, config, first=self._n_spoken)
        async with utterance.recorded():
            try:
                async with aclosing(utterance.events()) as events:
                    async for event in events:
                        await files.take(event)
            except (WebSocketDisconnect, asyncio.CancelledError):
                reason = self._reason()
                if reason is not None:
                    utterance.fail(reason)
                utterance.client_left = reason is None
                raise
            except RuntimeError as error:  # of uvicorn, where something is sent after the client was seen to go away
                if not isinstance(self._fault_of_reading(), WebSocketDisconnect):
                    raise
                utterance.client_left = True
                raise WebSocketDisconnect(1006) from error
        assert utterance.started is not None and utterance.finished is not None
        self._speaker = self._speaker or utterance.started
        self._n_spoken += len(utterance.sentences)
        self._seconds += files.seconds


class SentenceFiles:
    """Sends each sentence as a file of its own, between audio.start and audio.done.

    Attributes:
        seconds: Length of the sound so far.
    """

    def __init__(self, socket: WebSocket, utterance: Utterance, config: SessionConfig, *, first: int) -> None:
        """Take where to send to.

        Args:
            socket: The client's.
            utterance: What is spoken.
            config: Format and rate.
            first: Number of sentences that the session has spoken before.
        """
        self._socket, self._utterance, self._config, self._first = socket, utterance, config, first
        self._encoder: Encoder | None = None
        self._silence = 0.0  # before the sound of the sentence, in its file
        self.seconds = 0.0

    async def take(self, event: Event) -> None:
        """Send what an event of the engine brings."""
        match event:
            case AudioPiece():
                opening = self._encoder is None
                if opening:
                    await self._open(event.sentence)
                # a text that comes as a whole has the pause at the end of a sentence, where more is known to follow
                silence = self._pause() if opening and event.sentence == 0 and self._first else b""
                self._silence = len(silence) / 2 / self._started().sample_rate if opening else self._silence
                await self._send(silence + event.pcm)
            case SentenceDone():
                if self._encoder is None:
                    await self._open(event.sentence)
                await self._send(None)
                self._encoder = None
                done = SentenceInfo.of(event).model_dump(exclude={"sentence"})
                if event.words is not None:  # each sentence is a file of its own
                    done["words"] = [WordInfo.of(word, self._silence).model_dump() for word in event.words]
                await self._socket.send_json(
                    {"type": "audio.done", "sentence_index": self._first + event.sentence, "error": False, **done}
                )

    async def _open(self, sentence: int) -> None:
        rate, config = self._started().sample_rate, self._config
        self._encoder = open_encoder(config.response_format, rate, config.sample_rate)
        start = {
            "type": "audio.start",
            "sentence_index": self._first + sentence,
            "sentence_text": self._utterance.request.text,
            "format": config.response_format,
            "sample_rate": output_rate(config.response_format, rate, config.sample_rate),
            "version": self._started().version,
            "lane": self._utterance.request.lane,
            "is_lane_judged": self._started().is_lane_judged,
        }
        await self._socket.send_json(start)

    async def _send(self, pcm: bytes | None) -> None:
        assert self._encoder is not None
        self.seconds += len(pcm or b"") / 2 / self._started().sample_rate
        sound = await encoded(self._utterance, self._encoder, pcm)
        self._utterance.note_sent(len(sound))
        if sound:
            await self._socket.send_bytes(sound)

    def _pause(self) -> bytes:
        return bytes(2 * round(self._started().pause_seconds * self._started().sample_rate))

    def _started(self) -> Started:
        assert self._utterance.started is not None
        return self._utterance.started


def _parsed(kind: TypeAdapter[T], message: str) -> T:
    """Return a message as its type.

    Raises:
        InvalidJsonError: It is not JSON.
        InvalidRequestError: It has another shape.
    """
    try:
        return kind.validate_json(message)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        if faults[0]["type"] == "json_invalid":
            raise InvalidJsonError("the message is not JSON") from error
        raise invalid_fields(
            [(fault["loc"], fault["msg"], fault["type"], fault.get("input")) for fault in faults]
        ) from error
