"""Spans arrive at a real collector, belong to the trace of the client, and quote nothing that a client wrote."""

from __future__ import annotations

import asyncio
import shutil
import time

import httpx
import pytest
from engine_helpers import Project, Served, serve_settings, speak, speech_request
from job_helpers import WISH as JOB_WISH
from job_helpers import SmallEngine, make_jobs, wait_for
from otlp_receiver import attributes_of
from serving_helpers import ThreadEngine, one_key, running

from serving.database import open_database
from serving.errors import WorkerLostError
from serving.messages import Finished
from serving.tracing.context import is_sampled
from serving.tracing.engine import TracedEngine
from serving.tracing.spans import begin_span, export_spans, is_recording, span

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, CALLER_SPAN = CALLER.split("-")[1], CALLER.split("-")[2]
SECRET = "Zanzibar 4711"  # stands in the text
ONE = f"The code is {SECRET}. Take a coat."


def by_name(spans: list) -> dict[str, list]:
    found: dict[str, list] = {}
    for each in spans:
        found.setdefault(each.name, []).append(each)
    return found


def request(service, headers: dict[str, str], **changes) -> httpx.Response:
    body = {"input": ONE, "voice": "anna", "lane": "batch"} | changes
    return httpx.post(f"{service.address}/v1/audio/speech", json=body, headers=headers, timeout=30)


def test_a_request_is_a_span_of_its_callers_trace_with_its_work_below_it(tracing):
    engine = ThreadEngine()
    with running(TracedEngine(engine), authenticate=one_key) as service:
        refused = request(service, {"Authorization": f"Bearer {SECRET}", "traceparent": CALLER})
        spoken = request(
            service, {"Authorization": "Bearer right", "traceparent": CALLER}, lane="realtime", response_format="wav"
        )
        unknown = httpx.get(f"{service.address}/{SECRET}", headers={"Authorization": "Bearer right"})
    assert (refused.status_code, spoken.status_code, unknown.status_code) == (401, 200, 404)
    spans = by_name(tracing.spans())
    assert tracing.collector.service_names() == {"voxfoundry"}
    first, answering = (
        spans["POST /v1/audio/speech"]
        if len(spans.get("POST /v1/audio/speech", [])) == 2
        else (
            spans["POST -"][0],
            spans["POST /v1/audio/speech"][0],
        )
    )
    assert attributes_of(first)["error.type"] == "unauthenticated"
    assert (answering.trace_id.hex(), answering.parent_span_id.hex()) == (TRACE, CALLER_SPAN)
    assert spoken.headers["traceparent"] == f"00-{TRACE}-{answering.span_id.hex()}-01"
    noted = attributes_of(answering)
    assert (noted["http.route"], noted["http.response.status_code"]) == ("/v1/audio/speech", 200)
    (speaking,) = spans["speak"]
    assert speaking.parent_span_id == answering.span_id
    assert attributes_of(speaking)["voxfoundry.voice"] == "anna"
    assert all(each.parent_span_id == answering.span_id for each in spans["encode"])
    assert spans["GET -"][0].status.code == 2
    assert not any(SECRET.encode() in body or b"right" in body for body in tracing.collector.raw)


def test_the_worker_notes_when_it_read_and_spoke(tracing, project: Project):
    async def both(engine) -> list:
        requests = [speech_request(ONE, lane=lane, traceparent=CALLER) for lane in ("batch", "realtime")]
        return await asyncio.gather(*(speak(engine, each) for each in requests))

    begin = time.time_ns()
    with Served(project, serve_settings()) as served:
        spoken = served.run(both(TracedEngine(served.engine)))
        quiet = served.run(speak(served.engine, speech_request(ONE, traceparent=CALLER[:-1] + "0")))
    end = time.time_ns()
    assert quiet[-1].spans == ()
    spans = tracing.spans()
    parts = by_name(spans)
    assert set(parts) == {"speak", "price", "queue", "text", "gpt", "sovits"}
    for speaking in parts["speak"]:
        below = by_name([each for each in spans if each.parent_span_id == speaking.span_id])
        assert set(below) == {"price", "queue", "text", "gpt", "sovits"}
        for each in (one for same in below.values() for one in same):
            assert each.trace_id.hex() == TRACE
            assert begin <= each.start_time_unix_nano <= each.end_time_unix_nano <= end
    for events in spoken:
        assert isinstance(events[-1], Finished) and {each.name for each in events[-1].spans} >= {"gpt", "sovits"}
    assert not any(SECRET.encode() in body for body in tracing.collector.raw)


def test_a_failure_is_noted_by_its_type_only(tracing):
    engine = ThreadEngine(error=WorkerLostError(f"it died at {SECRET}"))
    with running(TracedEngine(engine)) as service:
        assert request(service, {}).status_code == 503
    with pytest.raises(ZeroDivisionError), span("own", None):
        raise ZeroDivisionError(SECRET)
    spans = by_name(tracing.spans())
    assert attributes_of(spans["speak"][0])["error.type"] == "worker_lost"
    assert attributes_of(spans["own"][0])["error.type"] == "ZeroDivisionError"
    assert not any(SECRET.encode() in body for body in tracing.collector.raw)


def test_an_item_of_a_job_belongs_to_the_trace_of_its_submission(tracing, tmp_path):
    database = open_database(tmp_path, {})
    database.migrate()

    async def story() -> None:
        jobs = make_jobs(database, tmp_path / "results", TracedEngine(SmallEngine()))
        await jobs.start()
        while not jobs.is_started:
            await asyncio.sleep(0.05)
        job, _ = await jobs.submit(JOB_WISH, [ONE], owner="anna", idempotency_key=None, traceparent=CALLER)
        await wait_for(jobs, job.id, "done")
        await jobs.close()

    asyncio.run(story())
    database.close()
    spans = by_name(tracing.spans())
    (item,) = spans["job item"]
    assert (item.trace_id.hex(), item.parent_span_id.hex()) == (TRACE, CALLER_SPAN)
    assert attributes_of(item)["voxfoundry.item"] == 0
    assert all(each.parent_span_id == item.span_id for name in ("speak", "encode") for each in spans[name])
    assert not any(SECRET.encode() in body for body in tracing.collector.raw)
    shutil.rmtree(tmp_path / "results")


def test_without_a_collector_nothing_is_recorded_and_it_costs_microseconds():
    end = export_spans({})
    assert not is_recording()
    begin = time.process_time()
    for _ in range(10_000):
        with span("speak", CALLER) as inside:
            inside.note(lane="batch", n_characters=5)
    seconds = time.process_time() - begin
    assert inside.traceparent == CALLER
    assert seconds < 0.5  # 50 us each; 1 or 2 on a machine that does nothing else
    begun = begin_span("request", CALLER, kind="server")
    assert begun.traceparent.startswith(f"00-{TRACE}-") and begun.traceparent != CALLER
    end()


def test_a_collector_that_is_away_neither_fails_nor_holds_up_anything():
    end = export_spans({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    with span("speak", None):
        pass
    begin = time.monotonic()
    end()
    assert time.monotonic() - begin < 5
    assert not is_recording()


@pytest.mark.parametrize(
    ("traceparent", "recorded"),
    [(CALLER, True), (CALLER[:-1] + "0", False), (None, False), ("00-" + "0" * 32 + "-b7ad6b7169203331-01", False)],
)
def test_the_flag_of_the_caller_decides(traceparent, recorded):
    assert is_sampled(traceparent) is recorded
