"""POST /v1/audio/speech over real sockets, as clients of OpenAI use it."""

from __future__ import annotations

import base64
import json

import httpx
import numpy as np
import pytest
from serving_helpers import ThreadEngine, running

from serving.encoding import FORMATS, MEDIA_TYPES, encode, open_encoder
from serving.errors import OverCapacityError, WorkerLostError

TEXT = "The kettle is on the stove. Who is there?"


def speak(service, **changes) -> httpx.Response:
    body = {"model": "tts-1", "input": TEXT, "voice": "anna"} | changes
    return httpx.post(f"{service.address}/v1/audio/speech", json=body, timeout=30)


@pytest.mark.parametrize("form", FORMATS)
def test_a_text_is_spoken_in_each_format(service, form):
    answer = speak(service, response_format=form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPES[form]
    assert answer.headers["x-voice-version"] == "2"
    assert answer.headers["x-lane"] == "realtime"
    whole = service.engine.synthesizer.say(TEXT)
    assert len(answer.content) > 100
    if form == "wav":
        assert (len(answer.content) - 44) / 2 == len(whole.waveform)
