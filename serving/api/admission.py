"""From a body to a request for the engine: what can be told without the voice is refused here."""

from __future__ import annotations

import re
from dataclasses import replace

from gpt_sovits.preset_names import DEFAULT_PRESET
from gpt_sovits.text.languages import language_code
from serving.api.bodies import Manner
from serving.api.callers import Caller
from serving.api.service import Service
from serving.errors import (
    KeyScopeError,
    LaneNotServedError,
    LanguageNotServedError,
    ServingError,
    SpeedNotServedError,
    TextTooLongError,
    UnspeakableTextError,
)
from serving.messages import ServedVoice, SpeechRequest

UNSPEAKABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]"
)  # control characters but white space


def check_text(text: str, *, max_characters: int, param: str) -> None:
    """Check what can be told of a text without reading it.

    Args:
        text: What to say.
        max_characters: The longest that is taken.
        param: Name of its field.

    Raises:
        TextTooLongError: It is longer.
        UnspeakableTextError: It is empty, or has control characters or halves of characters.
    """
    if len(text) > max_characters:
        raise TextTooLongError(
            f"the text has {len(text)} characters, and a request takes {max_characters}", param=param
        )
    if not text.strip():
        raise UnspeakableTextError("the text is empty", param=param)
    if match := UNSPEAKABLE.search(text):
        kind = "half of a character" if "\ud800" <= match[0] <= "\udfff" else "a control character"
        raise UnspeakableTextError(
            f"the text has {kind}, U+{ord(match[0]):04X}, at position {match.start()}; remove it", param=param
        )


async def make_request(
    service: Service,
    caller: Caller,
    manner: Manner,
    *,
    text: str,
    request_id: str,
    traceparent: str | None,
    candidate_id: str | None = None,
) -> SpeechRequest:
    """Return the request for the engine, in a lane that the voice is served in.

    Whether the voice, its version, its preset, its language and its purpose are served is decided by the engine, which
    knows the release.

    Args:
        service: Tells what is served.
        caller: Whoever asks.
        manner: How the text is spoken.
        text: What to say, checked.
        request_id: Id of the request.
        traceparent: Its trace context.
        candidate_id: What spoke the begin of the same session, None where nothing was spoken yet.

    Raises:
        SpeedNotServedError: Another speed than 1 was asked for.
        LanguageNotServedError: The language is not known.
        KeyScopeError: The key does not cover the use.
    """
    served = find_served(service, manner.voice, manner.version, candidate_id)
    if manner.speed != 1.0:
        presets = served.presets if served is not None else (DEFAULT_PRESET,)
        raise SpeedNotServedError(
            f"speed {manner.speed:g} was not judged; leave it out, or take one of the presets {', '.join(presets)}",
            param="speed",
        )
    try:
        language = None if manner.language is None else language_code(manner.language)
    except ValueError as error:
        raise LanguageNotServedError(str(error), param="language") from error
    request = SpeechRequest(
        request_id=request_id,
        text=text,
        voice=manner.voice,
        version=manner.version,
        preset=manner.preset,
        language=language,
        purpose=manner.purpose,
        seed=manner.seed,
        lane=manner.lane or "batch",
        traceparent=traceparent,
        word_times=manner.timestamps,
        candidate_id=candidate_id,
    )
    if manner.lane is None and served is not None and await _may_stream(service, caller, request, served):
        request = replace(request, lane="realtime")
    caller.require_valid()  # a web socket asks for each of its sentences
    caller.require(voice=request.voice, lane=request.lane, purpose=request.purpose)
    return request


async def _may_stream(service: Service, caller: Caller, request: SpeechRequest, served: ServedVoice) -> bool:
    """Return whether a request that names no lane is spoken in real time. A lane is judged for each use by itself."""
    if "realtime" not in served.lanes:
        return False
    streamed = replace(request, lane="realtime")
    try:
        caller.require(voice=request.voice, lane="realtime", purpose=request.purpose)
        if request.preset != DEFAULT_PRESET or request.language not in (None, served.languages[0]):
            await service.engine.check(streamed)
    except (KeyScopeError, LaneNotServedError):
        return False
    except ServingError:
        pass  # the engine says it again when it is asked to speak
    return True


def find_served(
    service: Service, voice: str, version: int | None, candidate_id: str | None = None
) -> ServedVoice | None:
    """Return the version of a voice that a request gets, as the engine serves it. See ServedVoice.is_asked_for."""
    return next((one for one in service.engine.voices() if one.is_asked_for(voice, version, candidate_id)), None)
