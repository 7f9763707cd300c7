"""A champion that MLflow lost and got back has another number there. The service goes on with that of its release."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from engine_helpers import Project, serve_settings, speech_request, until_warm
from job_helpers import WISH, wait_for, working
from serving_helpers import make_settings
from serving_projects import register
from websockets.asyncio.client import connect

from campaigns.check.speaker import find_speaker
from campaigns.records import CampaignSettings
from registry.releases.service import find_servable
from registry.storage.store import mlflow_client
from serving.api.app import make_app, make_service
from serving.api.server import DrainingServer
from serving.database import open_database
from serving.engine.client import EngineClient
from serving.errors import RevokedError, UnknownVersionError
from serving.messages import Started
from serving.releases.follower import Follower
from serving.releases.pairs import find_pair
from serving.releases.table import LivePair, ReleaseTable

TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def again(project: Project) -> Project:
    """Return the project after MLflow has lost version 2 of anna, its champion, and got it back as version 3."""
    mlflow_client(project.store).delete_model_version("anna", "2")
    register(project.store, "anna", 1)
    recordings = project.recordings("anna")
    assert find_servable(project.store, "anna", recordings_dir=recordings, today=TODAY).version == 3
    return project


@asynccontextmanager
async def listening(engine: EngineClient) -> AsyncIterator[str]:
    """Give the address of the web socket of a service over an engine."""
    settings = make_settings()
    service = make_service(engine, settings)
    server = DrainingServer(make_app(service), service, settings=settings)
    sockets, address = server.bind()
    task = asyncio.create_task(server.run_until_drained(sockets))
    try:
        yield address.replace("http", "ws") + "/v1/audio/speech/stream"
    finally:
        server.drain()
        await task


async def versions_of(engine: EngineClient, **changes: object) -> tuple[int, str]:
    async with aclosing(engine.speak(speech_request("Yes.", **changes))) as events:
        started = await anext(events)
        assert isinstance(started, Started)
        return started.version, started.candidate_id


async def session(address: str, *texts: str) -> list[dict]:
    async with connect(address) as socket:
        for message in (
            {"type": "session.config", "voice": "anna"},
            *({"type": "input.text", "text": text} for text in texts),
            {"type": "input.done"},
        ):
            await socket.send(json.dumps(message))
        return [json.loads(message) async for message in socket if isinstance(message, str)]


def test_sessions_jobs_and_named_versions_are_spoken_by_it(again: Project, tmp_path):
    async def story() -> None:
        async with EngineClient(serve_settings(), again.store) as engine:
            await until_warm(engine)
            listed = {(one.voice, one.is_champion): one for one in engine.voices()}
            champion = listed["anna", True]
            assert (champion.version, listed["anna", False].version) == (2, 1)
            for version in (None, 2):
                assert await versions_of(engine, version=version) == (2, champion.candidate_id)
            async with listening(engine) as address:
                told = await session(address, "The kettle is on. Who is there? Nobody.")
            assert told[-1] | {"seconds_of_audio": 0} == {
                "type": "session.done",
                "total_sentences": 3,
                "seconds_of_audio": 0,
                "version": 2,
            }
            database = open_database(tmp_path, {})
            database.migrate()
            wish = replace(WISH, voice="anna", preset="narration")
            async with working(database, tmp_path, engine) as jobs:
                job, _ = await jobs.submit(wish, ("One.", "Two."), owner="anna", idempotency_key=None, traceparent=None)
                job = await wait_for(jobs, job.id, "done", "needs_review", seconds=120)
            database.close()
            assert (job.version, job.candidate_id) == (2, champion.candidate_id)

    asyncio.run(asyncio.wait_for(story(), 270))


def test_a_campaign_keeps_the_number_that_it_was_started_with(again: Project):
    settings = CampaignSettings(name="c", voice="anna", purpose="testing", template="Hello.")
    speaker = find_speaker(again.store, settings, TODAY)
    assert speaker.version == 2
    assert find_speaker(again.store, settings.model_copy(update={"version": 2}), TODAY) == speaker


def test_a_number_that_the_journal_changes_counts_at_once_and_what_was_begun_goes_on(again: Project):
    async def story() -> None:
        table = ReleaseTable(allow_unjudged_lane=False)
        follower = Follower(again.store, table)
        await follower.look()
        for release in table.snapshots["anna"].past:
            table.add_loaded(LivePair(pair=find_pair(again.store, "anna", release, TODAY), sample_rate=32_000))
        champion = table.candidate_of("anna", None)
        assert table.candidate_of("anna", 2) == champion
        again.rollback("anna")
        again.rollback("anna", to=3)  # which the journal writes as version 3, because MLflow has it so
        assert await follower.look()
        assert [(one.version, one.is_champion) for one in table.voices()] == [(3, True), (1, False)]
        assert table.candidate_of("anna", 3) == table.candidate_of("anna", None) == champion
        assert table.candidate_of("anna", 2, candidate_id=champion) == champion
        with pytest.raises(UnknownVersionError, match="anna has no released version 2; released versions: 1, 3"):
            table.candidate_of("anna", 2)
        with pytest.raises(RevokedError):
            table.candidate_of("anna", 3, candidate_id="0" * 64)
        await follower.close()

    asyncio.run(story())
