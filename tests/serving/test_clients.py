"""Clients that others wrote: OpenAI's own package, and schemathesis over the published OpenAPI."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
import time
from contextlib import contextmanager

import httpx
import openai
import pytest
from campaign_helpers import speaker
from job_helpers import SmallEngine, make_jobs
from job_helpers import settings as job_settings
from serving_helpers import ANNA, running, speak

from campaigns.api import checking
from campaigns.extension import with_campaigns
from registry.storage.store import Store
from serving.database import open_database
from serving.encoding import FORMATS
from serving.extensions import Parts
from serving.jobs.routes import job_router
from serving.jobs.service import JobService
from serving.provenance.routes import provenance_router
from serving.provenance.service import Provenance
from serving.storage.folder import FolderStore
from serving.storage.routes import object_router

TEXT = "The kettle is on the stove."
CAMPAIGN = {
    "campaign": {
        "name": "parcels",
        "voice": "anna",
        "purpose": "testing",
        "template": "Hello {{ first_name | name }}. Thank you.",
        "format": "wav",
        "quality": {"share": 0.0},
    },
    "recipients": [{"recipient_id": "r-1", "first_name": "Anna", "opt_in_reference": "form 7"}],
}


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


class ThreadOfWork:
    """An event loop in a thread of its own, for what runs beside the service."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, call):
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(30)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextmanager
def running_jobs(database, jobs, added=()):
    """Run jobs, and what was added to them, in a thread of their own."""
    work = ThreadOfWork()

    async def start():
        for extension in added:
            extension.start(jobs.queue)
        await jobs.start()

    work.run(start())
    while not jobs.is_started:
        time.sleep(0.05)
    yield
    for extension in added:
        work.run(extension.close())
    work.run(jobs.close())
    work.close()
    database.close()


@pytest.fixture
def jobs(tmp_path):
    """Jobs that run in a thread of their own."""
    database = open_database(tmp_path, {})
    database.migrate()
    jobs = make_jobs(database, tmp_path / "results", SmallEngine())
    with running_jobs(database, jobs):
        yield jobs


def test_schemathesis_finds_nothing_in_jobs_marks_and_files(jobs, tmp_path):
    provenance = Provenance(tmp_path, seconds=60)
    routers = [job_router(jobs), provenance_router(provenance, max_bytes=100_000), object_router(jobs.objects)]
    with running(provenance=provenance, routers=routers) as service:
        assert attack(service.address, within=("/v1/jobs", "/v1/provenance", "/v1/objects")) >= 8


class EngineOfAnna(SmallEngine):
    """A small engine whose voice campaigns can see."""

    def voices(self):
        return (ANNA.but(purposes=("testing",)),)


@pytest.fixture
def campaign_routers(tmp_path, monkeypatch):
    """The routes of campaigns as `vox serve` adds them, of a voice that may say everything for tests."""
    monkeypatch.setattr(checking, "find_speaker", lambda *_: speaker(voice="anna", version=2, candidate_id="c2"))
    database = open_database(tmp_path, {})
    database.migrate()
    parts = Parts(
        settings=job_settings(),
        store=Store(tmp_path, "sqlite:///none.db", "sqlite:///none.db", None),
        database=database,
        engine=EngineOfAnna(),
        objects=FolderStore(tmp_path / "results"),
        marker=None,
    )
    added = with_campaigns(None)(parts)
    jobs = JobService(database, parts.objects, parts.engine, parts.settings, others=added.works)
    with running_jobs(database, jobs, [added]):
        yield [*added.routers, object_router(parts.objects)]


def test_schemathesis_finds_nothing_in_campaigns(campaign_routers):
    with running(routers=campaign_routers) as service:
        submitted = httpx.post(f"{service.address}/v1/campaigns", json=CAMPAIGN, timeout=30)
        assert submitted.status_code == 202, submitted.text
        known = submitted.json()["id"]
        assert attack(service.address, within=("/v1/campaigns",), campaign_id=known) == 9
        assert httpx.get(f"{service.address}/v1/campaigns/{known}").status_code == 200


def attack(address: str, within: tuple[str, ...] = ("/",), campaign_id: str = "") -> int:
    """Send what the schema of each route allows, and return how many routes there are.

    Args:
        address: Of the service.
        within: Begins of the paths of these routes.
        campaign_id: Takes the place of other well-formed ids, which nobody knows.
    """
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    # a schema cannot say which texts a voice can speak: those are refused with 413 or 422. A campaign may have expired
    # before it begins (403) or have ended already (409)
    expected = ["2xx", 404, 413, 422, *([403, 409] if campaign_id else [])]
    accepted = {"checks": {"positive_data_acceptance": {"expected-statuses": expected}}}
    config = schemathesis.Config.from_dict(accepted)
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json", config=config)
    operations = [result.ok() for result in schema.get_all_operations()]
    operations = [operation for operation in operations if operation.path.startswith(within)]
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def run(case):
            make_likely(case, campaign_id)
            case.call_and_validate(timeout=30)

        run()
    return len(operations)


def make_likely(case, campaign_id: str) -> None:
    """Put names that exist into a request, because chance finds none and all others would be refused alike."""
    body = case.body if isinstance(case.body, dict) else {}
    if isinstance(body.get("voice"), str):
        body["voice"] = "anna"
    if isinstance(settings := body.get("campaign"), dict):
        for name in [name for name in settings if name.endswith("_file")]:
            del settings[name]
        known = {"language": "en", "purpose": "testing", "disclosure": None, "lexicon": None, "version": None}
        settings |= known | {"voice": "anna", "template": CAMPAIGN["campaign"]["template"]}
        for row, recipient in enumerate(body.get("recipients", ())):
            recipient |= {"recipient_id": f"r-{row}", "first_name": "Anna", "opt_in_reference": "form 7"}
    if campaign_id and re.fullmatch("campaign_[0-9a-f]{24}", str((case.path_parameters or {}).get("campaign_id"))):
        case.path_parameters["campaign_id"] = campaign_id
