"""Campaigns over HTTP, of a service with a small engine and a voice that was released."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from campaign_helpers import speaker
from campaign_nodes import running_node, wait_for
from job_helpers import SmallEngine, settings

from campaigns.api import checking
from campaigns.api.routes import campaign_router
from serving.api.app import make_app, make_service
from serving.errors import RevokedError
from serving.messages import ServedVoice
from serving.storage.routes import object_router

BODY = {
    "campaign": {
        "name": "parcels",
        "voice": "sample",
        "purpose": "testing",
        "template": "Hello {{ first_name | name }}. Thank you.",
        "format": "wav",
        "quality": {"share": 0.0},
    },
    "recipients": [
        {"recipient_id": f"r-{number}", "first_name": "Anna", "opt_in_reference": "form 7"} for number in range(5)
    ],
}


class Engine(SmallEngine):
    """A small engine whose voice the API can see."""

    def voices(self) -> tuple[ServedVoice, ...]:
        return (
            ServedVoice(
                voice="sample",
                version=3,
                candidate_id="c3",
                is_champion=True,
                verdict_sha256=None,
                verdict_outcome=None,
                languages=("en",),
                purposes=("testing",),
                valid_until=None,
                presets=("narration",),
                lanes=("batch",),
                sample_rate=32_000,
            ),
        )


@pytest.fixture(autouse=True)
def released(monkeypatch):
    """Stands for the registry: a version 3 that may say everything for tests."""
    monkeypatch.setattr(checking, "find_speaker", lambda *_: speaker(voice="sample", candidate_id="c3"))


def with_client(folder, database, scenario, engine=None):
    async def run():
        chosen = engine or Engine()
        async with running_node(folder, database, chosen) as service:
            routers = [campaign_router(service, database, None), object_router(service.objects)]
            app = make_app(make_service(chosen, settings(require_keys=False)), routers=routers)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await scenario(client, service)

    return asyncio.run(run())


def test_a_campaign_is_submitted_spoken_and_delivered_by_signed_addresses(tmp_path, database):
    async def scenario(client, service):
        answer = await client.post("/v1/campaigns", json=BODY)
        assert answer.status_code == 202, answer.text
        assert (answer.json()["n_new"], answer.json()["version"]) == (5, 3)
        place = answer.headers["location"]
        await wait_for(service, answer.json()["id"], "done")
        info = (await client.get(place)).json()
        assert (info["status"], info["rows"]["done"], info["progress"]) == ("done", 5, 1.0)
        page = (await client.get(f"{place}/assets", params={"status": "done", "limit": 3})).json()
        assert len(page["data"]) == 3
        rest = (await client.get(f"{place}/assets", params={"cursor": page["next_cursor"]})).json()
        assert [row["recipient_id"] for row in page["data"] + rest["data"]] == [f"r-{number}" for number in range(5)]
        sound = await client.get(page["data"][0]["url"])
        assert (sound.status_code, sound.content[:4]) == (200, b"RIFF")
        assert "immutable" in sound.headers["cache-control"]
        table = await client.get(f"{place}/report.csv")
        assert table.text.count("\r\n") == 6
        report = await client.get(f"{place}/report.html")
        assert "5 of 5 recipients" in report.text and "data:audio" in report.text
        assert "script-src" not in report.headers["content-security-policy"]
        assert (await client.get(f"{place}/report.json")).json()["rows"]["done"] == 5
        again = await client.post("/v1/campaigns", json=BODY)
        assert (again.json()["n_same"], again.json()["status"]) == (5, "done")
        assert len((await client.get("/v1/campaigns")).json()["data"]) == 1

    with_client(tmp_path, database, scenario)


def test_fifty_equal_requests_at_once_make_one_campaign(tmp_path, database):
    engine = Engine(log=tmp_path / "log")

    async def scenario(client, service):
        answers = await asyncio.gather(*(client.post("/v1/campaigns", json=BODY) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        await wait_for(service, answers[0].json()["id"], "done")

    with_client(tmp_path, database, scenario, engine)
    assert sum(line.startswith("begin") for line in (tmp_path / "log").read_text().splitlines()) == 5


def test_a_dry_run_speaks_nothing_and_refused_rows_must_be_accepted(tmp_path, database):
    body = BODY | {"recipients": [*BODY["recipients"], {"recipient_id": "r-9", "opt_in_reference": "form 9"}]}

    async def scenario(client, service):
        report = await client.post("/v1/campaigns", json=body | {"dry_run": True})
        assert (report.status_code, report.json()["n_accepted"], report.json()["n_rows"]) == (200, 5, 6)
        refused = await client.post("/v1/campaigns", json=body)
        assert (refused.status_code, refused.json()["error"]["type"]) == (422, "rows_refused")
        assert (await client.get("/v1/campaigns")).json()["data"] == []
        accepted = await client.post("/v1/campaigns", json=body | {"accept_rejects": True})
        assert accepted.json()["rejects"] == {"unknown_variable": 1}

    with_client(tmp_path, database, scenario)


def test_a_short_request_for_endless_texts_is_refused_before_they_fill_the_memory(tmp_path, database, monkeypatch):
    monkeypatch.setattr(checking, "MAX_CHARACTERS", 90)

    async def scenario(client, service):
        answer = await client.post("/v1/campaigns", json=BODY)
        assert (answer.status_code, answer.json()["error"]["type"]) == (422, "campaign_refused")
        assert "more than 90 characters" in answer.json()["error"]["message"]

    with_client(tmp_path, database, scenario)


@pytest.mark.parametrize("name", ["template_file", "lexicon_file", "recipients_file"])
def test_a_request_that_names_a_file_is_refused(tmp_path, database, name):
    campaign = {key: value for key, value in BODY["campaign"].items() if key != name.removesuffix("_file")}

    async def scenario(client, service):
        answer = await client.post("/v1/campaigns", json=BODY | {"campaign": campaign | {name: "/etc/passwd"}})
        assert (answer.status_code, answer.json()["error"]["type"]) == (422, "campaign_refused")

    with_client(tmp_path, database, scenario)


def test_actions_need_a_campaign_that_the_key_owns_and_that_may_be_spoken(tmp_path, database):
    engine = Engine(seconds=0.05)

    async def scenario(client, service):
        place = (await client.post("/v1/campaigns", json=BODY)).headers["location"]
        assert (await client.post(f"{place}:pause")).json()["status"] == "paused"
        assert (await client.post(f"{place}:resume")).json()["status"] in ("running", "done")
        unknown = await client.post(f"/v1/campaigns/campaign_{'0' * 24}:pause")
        assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "unknown_campaign")
        cancelled = (await client.post(f"{place}:cancel", params={"delete": True})).json()
        assert cancelled["status"] in ("cancelled", "done")
        engine.refusal = RevokedError("the consent to the voice sample was revoked")
        for answer in (await client.post(f"{place}:retry"), await client.get(f"{place}/assets")):
            assert (answer.status_code, answer.json()["error"]["type"]) == (410, "revoked")

    with_client(tmp_path, database, scenario, engine)


def test_the_report_of_a_revoked_voice_has_figures_and_no_sound(tmp_path, database):
    engine = Engine()

    async def scenario(client, service):
        answer = await client.post("/v1/campaigns", json=BODY)
        await wait_for(service, answer.json()["id"], "done")
        engine.refusal = RevokedError("the consent to the voice sample was revoked")
        report = await client.get(f"{answer.headers['location']}/report.html")
        assert (report.status_code, "5 of 5 recipients" in report.text) == (200, True)
        assert "data:audio" not in report.text

    with_client(tmp_path, database, scenario, engine)


@pytest.mark.parametrize("cursor", [2**31, 2**63, 24465844881218401680228352])
def test_a_cursor_that_no_row_can_have_is_refused(tmp_path, database, cursor):
    async def scenario(client, service):
        place = (await client.post("/v1/campaigns", json=BODY)).headers["location"]
        answer = await client.get(f"{place}/assets", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["error"]["type"]) == (422, "invalid_request")
        last = await client.get(f"{place}/assets", params={"cursor": 2**31 - 1})
        assert (last.status_code, last.json()["data"], last.json()["next_cursor"]) == (200, [], None)

    with_client(tmp_path, database, scenario)
