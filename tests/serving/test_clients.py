"""Clients that others wrote: OpenAI's own package, and schemathesis over the published OpenAPI."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time

import httpx
import openai
import pytest
from job_helpers import SmallEngine, make_jobs
from serving_helpers import running, speak

from serving.database import open_database
from serving.encoding import FORMATS
from serving.jobs.routes import job_router
from serving.provenance.routes import provenance_router
from serving.provenance.service import Provenance
from serving.storage.routes import object_router

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
    attack(service.address)


@pytest.fixture
def jobs(tmp_path):
    """Jobs that run in a thread of their own."""
    database = open_database(tmp_path, {})
    database.migrate()
    jobs = make_jobs(database, tmp_path / "results", SmallEngine())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(jobs.start(), loop).result(30)
    while not jobs.is_started:
        time.sleep(0.05)
    yield jobs
    asyncio.run_coroutine_threadsafe(jobs.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    database.close()


def test_schemathesis_finds_nothing_in_jobs_marks_and_files(jobs, tmp_path):
    provenance = Provenance(tmp_path, seconds=60)
    routers = [job_router(jobs), provenance_router(provenance, max_bytes=100_000), object_router(jobs.objects)]
    with running(provenance=provenance, routers=routers) as service:
        assert attack(service.address, within=("/v1/jobs", "/v1/provenance", "/v1/objects")) >= 8


def attack(address: str, within: tuple[str, ...] = ("/",)) -> int:
    """Send what the schema of each route allows and forbids, and return how many routes there are."""
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    # a schema cannot say which texts a voice can speak: those are refused with 413 or 422
    accepted = {"checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 404, 413, 422]}}}
    config = schemathesis.Config.from_dict(accepted)
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json", config=config)
    operations = [result.ok() for result in schema.get_all_operations()]
    operations = [operation for operation in operations if operation.path.startswith(within)]
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def run(case):
            if isinstance(case.body, dict) and isinstance(case.body.get("voice"), str):
                case.body["voice"] = "anna"  # nearly all others are unknown
            case.call_and_validate(timeout=30)

        run()
    return len(operations)
