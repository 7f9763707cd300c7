"""Jobs over HTTP: the documented answers, one job per Idempotency-Key, and the sound with its hash."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from contextlib import asynccontextmanager

import httpx
import pytest
import sqlalchemy as sa
from job_helpers import SmallEngine, make_jobs, settings

from serving.api.app import make_app, make_service
from serving.audit.recorder import AuditRecorder, count_rows
from serving.database import open_database
from serving.errors import ConsentError, InvalidRequestError, RevokedError
from serving.jobs.routes import job_router, read_idempotency_key
from serving.keys.authorization import KeyTable
from serving.keys.store import create_key
from serving.provenance.identity import load_identity, load_trust
from serving.provenance.marking import Marker
from serving.provenance.verification import verify
from serving.tables import JOB_ITEMS

BODY = {"voice": "sample", "input": "Good morning to you. It rains."}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    opened = open_database(tmp_path_factory.mktemp("project"), {})
    opened.migrate()
    yield opened
    opened.close()


@asynccontextmanager
async def serving(database, folder, engine, *, keys=False, marker=None):
    """Give a client of a running service, whose audit goes to the same database."""
    audit = AuditRecorder(database, folder / "audit", settings())
    await audit.start()
    jobs = make_jobs(database, folder / "results", engine, audit=audit.record, marker=marker)
    await jobs.start()
    while not jobs.is_started:
        await asyncio.sleep(0.05)
    table = KeyTable(database)
    await table.start()
    service = make_service(engine, settings(), authenticate=table.authenticate if keys else None)
    app = make_app(service, routers=[job_router(jobs)])
    transport = httpx.ASGITransport(app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8020") as client:
            yield client
    finally:
        await jobs.close()
        await table.close()
        await audit.close()


async def until(client, url, *statuses, **more):
    for _ in range(600):
        job = (await client.get(url, **more)).json()
        if job["status"] in statuses:
            return job
        await asyncio.sleep(0.05)
    raise AssertionError(job)


def test_a_job_is_taken_done_delivered_and_deleted(file, tmp_path):
    async def story():
        async with serving(file, tmp_path, SmallEngine()) as client:
            answer = await client.post("/v1/jobs", json=BODY | {"input": ["One text.", "Another."], "priority": 2})
            assert answer.status_code == 202
            assert (answer.json()["status"], answer.json()["priority"]) == ("queued", 2)
            job = await until(client, answer.headers["location"], "done")
            assert [item["sentences"][0]["outcome"] for item in job["items"]] == ["spoken", "spoken"]
            for item in job["items"]:
                sound = await client.get(item["url"])
                assert sound.headers["content-type"] == "audio/wav"
                assert int(sound.headers["content-length"]) == item["n_bytes"] == len(sound.content)
                assert hashlib.sha256(sound.content).hexdigest() == item["sha256"]
                assert sound.headers["etag"] == f'"{item["sha256"]}"'
            part = await client.get(job["items"][0]["url"], headers={"Range": "bytes=0-3"})
            assert (part.status_code, part.content) == (206, b"RIFF")
            assert (await client.get(f"/v1/jobs/{job['id']}/items/2/audio")).status_code == 404
            assert (await client.post(f"/v1/jobs/{job['id']}:cancel")).json()["status"] == "done"
            assert (await client.delete(f"/v1/jobs/{job['id']}")).json()["status"] == "deleted"
            assert (await client.get(f"/v1/jobs/{job['id']}")).status_code == 410

    asyncio.run(story())
    assert count_rows(file) == 2


def test_the_same_request_with_the_same_key_gets_the_same_job(file, tmp_path):
    async def story():
        async with serving(file, tmp_path, SmallEngine()) as client:
            headers = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
            first = await client.post("/v1/jobs", json=BODY, headers=headers)
            again = await client.post("/v1/jobs", json=BODY, headers=headers)
            assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
            assert again.headers["idempotent-replayed"] == "true"
            assert "idempotent-replayed" not in first.headers
            other = await client.post("/v1/jobs", json=BODY | {"seed": 1}, headers=headers)
            assert (other.status_code, other.json()["error"]["type"]) == (422, "idempotency_mismatch")
            wrong = await client.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": "a" * 300})
            assert (wrong.status_code, wrong.json()["error"]["param"]) == (422, "Idempotency-Key")

    asyncio.run(story())


def test_a_key_sees_its_own_jobs_and_only_what_it_covers(file, tmp_path):
    anna = create_key(file, "anna", voices=["sample"], lanes=["batch"])
    ben = create_key(file, "ben", lanes=["realtime"])
    of_anna, of_ben = ({"Authorization": f"Bearer {key}"} for key in (anna, ben))

    async def story():
        async with serving(file, tmp_path, SmallEngine(), keys=True) as client:
            assert (await client.post("/v1/jobs", json=BODY)).status_code == 401
            assert (await client.post("/v1/jobs", json=BODY, headers=of_ben)).status_code == 403
            url = (await client.post("/v1/jobs", json=BODY, headers=of_anna)).headers["location"]
            await until(client, url, "done", headers=of_anna)
            assert (await client.get(url, headers=of_ben)).status_code == 404
            assert (await client.get(f"{url}/items/0/audio", headers=of_ben)).status_code == 404
            assert (await client.delete(url, headers=of_ben)).status_code == 404
            assert (await client.post(f"{url}:cancel", headers=of_ben)).status_code == 404
            assert (await client.get(f"{url}/items/0/audio", headers=of_anna)).status_code == 200

    asyncio.run(story())


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"input": ""}, 422, "unspeakable_text"),
        ({"input": []}, 422, "invalid_request"),
        ({"input": ["a", "b\x00"]}, 422, "unspeakable_text"),
        ({"input": ["a"] * 1001}, 422, "invalid_request"),
        ({"input": "a" * 20_001}, 413, "text_too_long"),
        ({"input": ["a" * 20_000] * 11}, 413, "text_too_long"),
        ({"input": 7}, 422, "invalid_request"),
        ({"lane": "realtime"}, 422, "invalid_request"),
        ({"speed": 1.5}, 422, "speed_not_served"),
        ({"language": "klingon"}, 422, "language_not_served"),
        ({"response_format": "opus", "sample_rate": 44100}, 422, "invalid_request"),
        ({"priority": 0}, 422, "invalid_request"),
        ({"voice": "../x"}, 422, "invalid_request"),
        ({"unknown": 1}, 422, "invalid_request"),
    ],
)
def test_a_wrong_job_is_a_documented_error_and_nothing_is_written(file, tmp_path, change, status, kind):
    async def story():
        engine = SmallEngine()
        jobs = make_jobs(file, tmp_path, engine)  # not started: what is refused needs no database
        app = make_app(make_service(engine, settings()), routers=[job_router(jobs)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8020") as client:
            answer = await client.post("/v1/jobs", json=BODY | change)
            assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
            for url in ("/v1/jobs/x", f"/v1/jobs/job_{'0' * 31}"):
                assert (await client.get(url)).status_code == 422
            assert (await client.get(f"/v1/jobs/job_{'0' * 32}")).status_code == 404

    asyncio.run(story())


def test_consent_is_checked_at_the_submission_and_at_the_delivery(file, tmp_path):
    async def story():
        engine = SmallEngine()
        async with serving(file, tmp_path, engine) as client:
            url = (await client.post("/v1/jobs", json=BODY)).headers["location"]
            await until(client, url, "done")
            engine.refusal = RevokedError("the consent was revoked")
            assert (await client.get(f"{url}/items/0/audio")).status_code == 410
            engine.refusal = ConsentError("not for that")
            assert (await client.post("/v1/jobs", json=BODY)).status_code == 403

    asyncio.run(story())


@pytest.mark.parametrize(
    ("header", "key"),
    [(None, None), ("abc", "abc"), ('"abc"', "abc"), ('"a b"', "a b"), (" x ", "x")],
)
def test_an_idempotency_key_is_read_with_and_without_quotes(header, key):
    assert read_idempotency_key(header) == key


@pytest.mark.parametrize("header", ["", '""', "a b", 'a"b', "ä", "x" * 256, "a\x00"])
def test_what_cannot_be_an_idempotency_key_is_refused(header):
    with pytest.raises(InvalidRequestError):
        read_idempotency_key(header)


@pytest.mark.parametrize("form", ["wav", "opus"])
def test_the_file_of_a_job_is_marked_and_has_a_sidecar(file, tmp_path, form):
    identity = load_identity(tmp_path, {})

    async def story():
        async with serving(file, tmp_path, SmallEngine(), marker=Marker(identity)) as client:
            answer = await client.post("/v1/jobs", json=BODY | {"response_format": form})
            job = await until(client, answer.headers["location"], "done")
            item = job["items"][0]
            sound, sidecar = [await client.get(item["url"].replace("audio", name)) for name in ("audio", "provenance")]
            (tmp_path / "sound").write_bytes(sound.content)
            found = verify(tmp_path / "sound", trust=load_trust(tmp_path, {}), sidecar=sidecar.content)
            statuses = {layer.layer: layer.status for layer in found.layers}
            assert statuses == {"c2pa": "valid" if form == "wav" else "none", "sidecar": "valid"}
            assert found.sha256 == item["sha256"]
            facts = found.deciding.facts
            assert (facts.voice, facts.version, facts.text_sha256) == ("sample", job["version"], item["text_sha256"])

    asyncio.run(story())


def test_a_job_with_timestamps_has_subtitles_and_shows_no_words_elsewhere(file, tmp_path):
    async def story():
        async with serving(file, tmp_path, SmallEngine()) as client:
            answer = await client.post("/v1/jobs", json=BODY | {"timestamps": True})
            job = await until(client, answer.headers["location"], "done")
            address = job["items"][0]["url"].replace("audio", "words")
            assert "words" not in job["items"][0]["sentences"][0]
            words = (await client.get(f"{address}.json")).json()["words"]
            assert [word["word"] for word in words] == BODY["input"].replace(".", "").split()
            assert [word["start"] for word in words] == sorted(word["start"] for word in words)
            assert words[-1]["sentence"] == 1 and words[-1]["end"] <= job["items"][0]["seconds_of_audio"] + 0.001
            for form, begin in (("srt", "1\n00:00:00,000 -->"), ("vtt", "WEBVTT\n\n00:00:00.000 -->")):
                subtitles = await client.get(f"{address}.{form}")
                assert subtitles.text.startswith(begin) and "morning" in subtitles.text
            assert (await client.get(f"{address}.txt")).status_code == 422
            assert (await client.delete(answer.headers["location"])).json()["status"] == "deleted"
            assert (await client.get(f"{address}.json")).status_code == 410
        with file.transaction() as connection:
            kept = connection.execute(sa.select(JOB_ITEMS.c.sentences).where(JOB_ITEMS.c.job_id == job["id"])).all()
        assert kept == [(None,)]

    asyncio.run(story())


def test_a_job_without_timestamps_has_no_subtitles(file, tmp_path):
    async def story():
        async with serving(file, tmp_path, SmallEngine()) as client:
            answer = await client.post("/v1/jobs", json=BODY)
            job = await until(client, answer.headers["location"], "done")
            missing = await client.get(job["items"][0]["url"].replace("audio", "words.srt"))
            assert missing.status_code == 404 and "timestamps" in missing.json()["error"]["message"]

    asyncio.run(story())
