"""Clients that others wrote: OpenAI's own package, and schemathesis over the published OpenAPI."""

from __future__ import annotations

import base64
import json

import httpx
import openai
import pytest
from serving_helpers import speak

from serving.encoding import FORMATS

TEXT = "The kettle is on the stove."


@pytest.fixture
def client(service):
    return openai.OpenAI(base_url=f"{service.address}/v1", api_key="none needed", max_retries=0)


@pytest.mark.parametrize("form", FORMATS)
def test_the_openai_client_speaks_in_each_format(service, client, form):
    answer = client.audio.speech.create(model="tts-1", voice="anna", input=TEXT, response_format=form)
    assert answer.content == speak(service, input=TEXT, response_format=form).content


def test_the_openai_client_streams_and_takes_our_fields(service, client, tmp_path):
    extra = {"seed": 5, "purpose": "narration", "preset": "narration", "version": 2}
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="anna", input=TEXT, response_format="wav", extra_body=extra
    ) as answer:
        answer.stream_to_file(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == speak(service, input=TEXT, response_format="wav", seed=5).content


def test_the_openai_client_gets_events(service, client):
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="anna", input=TEXT, response_format="wav", stream_format="sse"
    ) as answer:
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events if event["type"] == "speech.audio.delta")
    assert sound == speak(service, input=TEXT, response_format="wav").content
    assert events[-1]["type"] == "speech.audio.done"


def test_the_openai_client_raises_its_own_errors(service, client):
    with pytest.raises(openai.NotFoundError) as unknown:
        client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)
    assert unknown.value.body["type"] == "unknown_voice"
    with pytest.raises(openai.UnprocessableEntityError, match=r"speed 1\.5 was not judged"):
        client.audio.speech.create(model="tts-1", voice="anna", input=TEXT, speed=1.5)
    assert [model.id for model in client.models.list()] == ["voxfoundry", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"]


def test_the_published_openapi_names_each_route(service):
    spec = httpx.get(f"{service.address}/openapi.json").json()
    assert {"/v1/audio/speech", "/v1/voices", "/v1/voices/{voice}", "/v1/models", "/healthz", "/readyz"} <= set(
        spec["paths"]
    )
    body = spec["components"]["schemas"]["SpeechBody"]["properties"]
    assert all("description" in field for field in body.values())


@pytest.mark.slow
def test_schemathesis_finds_nothing(service):
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    # a schema cannot say which texts a voice can speak: those are refused with 413 or 422
    accepted = {"checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 404, 413, 422]}}}
    config = schemathesis.Config.from_dict(accepted)
    schema = schemathesis.openapi.from_url(f"{service.address}/openapi.json", config=config)
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def run(case):
            if isinstance(case.body, dict) and isinstance(case.body.get("voice"), str):
                case.body["voice"] = "anna"  # nearly all others are unknown
            case.call_and_validate(timeout=30)

        run()
