"""Voices, models, health and metrics."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving_helpers import ANNA, ROOT, ThreadEngine, make_settings, one_key, running, speak

from serving.api.app import make_service
from serving.api.callers import Anonymous
from serving.errors import KeyScopeError


def test_the_api_imports_no_torch():
    heavy = "{'torch', 'mlflow', 'numba', 'transformers'}"
    code = f"import sys, serving.api.app, serving.api.server; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_voices_are_listed_with_their_release():
    old, ben = ANNA.but(version=1, is_champion=False), ANNA.but(voice="ben", valid_until=date(2030, 1, 31))
    with running(ThreadEngine(served=(ben, old, ANNA))) as service:
        listed = httpx.get(f"{service.address}/v1/voices").json()
        assert [(one["voice"], one["version"]) for one in listed["data"]] == [("anna", 2), ("ben", 2)]
        assert listed["data"][1]["valid_until"] == "2030-01-31"
        assert listed["data"][0] == {
            "voice": "anna",
            "version": 2,
            "candidate_id": "c2",
            "is_champion": True,
            "verdict_sha256": "ab" * 32,
            "verdict_outcome": "pass",
            "languages": ["en"],
            "purposes": ["narration", "assistant"],
            "valid_until": None,
            "presets": ["narration"],
            "lanes": ["realtime", "batch"],
            "has_judged_lane": True,
            "sample_rate": 32_000,
        }
        versions = httpx.get(f"{service.address}/v1/voices/anna").json()
        assert [one["version"] for one in versions["versions"]] == [2, 1]


def test_models_are_those_that_a_request_takes(service):
    for model in httpx.get(f"{service.address}/v1/models").json()["data"]:
        assert speak(service, model=model["id"], input="Yes.").status_code == 200


def test_readiness_says_why_not():
    with running(ThreadEngine(ready=False)) as service:
        answer = httpx.get(f"{service.address}/readyz")
        assert answer.status_code == 503 and answer.json()["reasons"] == ["no worker is warm"]
        assert httpx.get(f"{service.address}/healthz").status_code == 200
        service.engine.ready = True
        answer = httpx.get(f"{service.address}/readyz")
        assert answer.status_code == 200 and answer.json()["workers"][0]["state"] == "ready"


def metrics_of(service) -> dict[tuple, float]:
    text = httpx.get(f"{service.address}/metrics").text
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_requests_and_hold_no_text():
    with running() as service:
        for text in ("The secret word.", "Yes."):
            service.record_of(speak(service, input=text).headers["x-request-id"])
        service.record_of(speak(service, voice="sesame").headers["x-request-id"])
        httpx.get(f"{service.address}/v1/sesame")
        found = metrics_of(service)
        assert found["voxfoundry_answers_total", "", "/v1/audio/speech", "200"] == 2
        assert found["voxfoundry_answers_total", "/v1/audio/speech", "404", "unknown_voice"] == 1
        assert found["voxfoundry_first_audio_seconds_count", "realtime"] == 2
        assert found["voxfoundry_audio_seconds_total", "anna", "realtime"] > 0
        assert sum(value for key, value in found.items() if key[0] == "voxfoundry_sentences_total") == 2
        assert found["voxfoundry_backlog_seconds",] == 1.5
        assert found["voxfoundry_worker_resident_bytes", "cpu-0"] == 10**8
        text = httpx.get(f"{service.address}/metrics").text
        assert "secret" not in text and "sesame" not in text


def test_without_a_right_key_nothing_is_answered():
    settings = make_settings().model_copy(update={"require_keys": True})
    ben = ANNA.but(voice="ben")
    with running(ThreadEngine(served=(ANNA, ben)), settings, authenticate=one_key) as service:
        post = f"{service.address}/v1/audio/speech"
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = httpx.post(post, content=b"{", headers=headers)  # the body is not even read
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["type"] == "unauthenticated"
        assert httpx.get(f"{service.address}/v1/voices", headers={"Authorization": "Bearer busy"}).status_code == 429
        for path in ("/healthz", "/readyz", "/metrics", "/", "/openapi.json"):
            assert httpx.get(f"{service.address}{path}").status_code == 200
        key = {"Authorization": "Bearer right"}
        listed = httpx.get(f"{service.address}/v1/voices", headers=key).json()
        assert [one["voice"] for one in listed["data"]] == ["anna"]
        body = {"model": "tts-1", "input": "Yes.", "voice": "anna"}
        right = httpx.post(post, json=body, headers=key, timeout=30)
        assert right.status_code == 200
        assert service.record_of(right.headers["x-request-id"]).caller == "shop"
        for changes in ({"lane": "batch"}, {"voice": "ben"}):
            answer = httpx.post(post, json=body | changes, headers=key)
            assert answer.status_code == 403 and answer.json()["error"]["type"] == "key_scope"


def test_a_key_for_batch_alone_is_not_refused_where_no_lane_is_named():
    class BatchKey(Anonymous):
        def require(self, *, voice, lane, purpose):
            if lane != "batch":
                raise KeyScopeError("this key is for batch", param="lane")

    async def batch_key(authorization):
        return BatchKey()

    with running(authenticate=batch_key) as service:
        assert speak(service).headers["x-lane"] == "batch"
        assert speak(service, lane="realtime").status_code == 403


def test_a_service_that_needs_keys_does_not_start_without_what_checks_them():
    settings = make_settings().model_copy(update={"require_keys": True})
    with pytest.raises(ValueError, match="nothing that checks keys"):
        make_service(ThreadEngine(), settings)


def test_no_log_holds_a_key_or_a_text(caplog):
    caplog.set_level("DEBUG")
    settings = make_settings().model_copy(update={"require_keys": True})
    with running(settings=settings, authenticate=one_key) as service:
        for key in ("right", "a-stranger-s-key"):
            for body in ({"input": "Said in confidence."}, {"input": "Said in confidence.", "voice": 7}):
                httpx.post(
                    f"{service.address}/v1/audio/speech",
                    json={"model": "tts-1", "voice": "anna"} | body,
                    headers={"Authorization": f"Bearer {key}"},
                    timeout=30,
                )
    lines = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert any("401" in line for line in lines)
    assert not [line for line in lines if "confidence" in line or "Bearer" in line or "stranger" in line]
