"""The audit: one row per request, in spite of outages, kills and full disks, and no text where it is not wanted."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from job_helpers import settings
from postgres_server import running_postgres

from serving.audit import recorder as recorder_module
from serving.audit.recorder import AuditRecorder, count_rows
from serving.audit.rows import as_columns, make_row
from serving.audit.spool import Spool
from serving.database import SETTING, open_database
from serving.errors import DatabaseUnreachableError
from serving.messages import Finished, RequestRecord, SentenceDone, SpeechRequest, Started
from serving.tables import REQUESTS

TRACE = "0af7651916cd43dd8448eb211c80319c"
REQUEST = SpeechRequest(
    request_id="r1",
    text="Words that stay here.",
    voice="sample",
    version=None,
    preset="default",
    language="en",
    purpose="testing",
    seed=7,
    lane="realtime",
    traceparent=f"00-{TRACE}-b7ad6b7169203331-01",
)
STARTED = Started(
    version=3,
    candidate_id="c3",
    preset="default",
    sample_rate=32_000,
    n_sentences=1,
    expected_seconds=1.5,
    pause_seconds=0.3,
)
SENTENCE = SentenceDone(sentence=0, text_sha256="ab", outcome="spoken", n_retries=2, n_samples=9)
RECORD = RequestRecord(
    request=REQUEST,
    route="speech",
    caller="anna",
    format="mp3",
    started_at=datetime(2026, 11, 29, 16, tzinfo=UTC),
    started=STARTED,
    sentences=(SENTENCE,),
    finished=Finished(1.4, {"queue": 0.01, "gpt": 0.2}),
    status=200,
    error_type=None,
    client_left=False,
    first_audio_seconds=0.08,
    total_seconds=0.5,
    n_bytes=1000,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(recorder_module, "RETRY_SECONDS", 0.05)


@pytest.fixture
def file(tmp_path):
    opened = open_database(tmp_path, {})
    opened.migrate()
    yield opened
    opened.close()


def write(database, folder, records, on_lost=lambda _: None, **changes) -> AuditRecorder:
    """Record, and stop when everything is written or left on disk."""

    async def go() -> AuditRecorder:
        recorder = AuditRecorder(database, folder, settings(**changes), on_lost=on_lost)
        await recorder.start()
        for record in records:
            await recorder.record(record)
        await recorder.close()
        return recorder

    return asyncio.run(go())


def rows_of(database) -> list:
    with database.transaction() as connection:
        return connection.execute(sa.select(REQUESTS).order_by(REQUESTS.c.request_id)).all()


def test_a_request_becomes_one_row_with_everything_but_its_text(serving_database, tmp_path):
    write(serving_database, tmp_path / "audit", [RECORD])
    (row,) = rows_of(serving_database)
    assert (row.trace_id, row.caller, row.voice, row.version, row.candidate_id) == (TRACE, "anna", "sample", 3, "c3")
    assert (row.lane, row.route, row.status, row.seed, row.purpose) == ("realtime", "speech", 200, 7, "testing")
    assert (row.first_audio_seconds, row.total_seconds, row.part_seconds["gpt"]) == (0.08, 0.5, 0.2)
    assert (row.sentences[0]["outcome"], row.cache) == ("spoken", "miss")
    assert row.started_at == RECORD.started_at
    assert row.text is None
    assert len(row.text_sha256) == 64
    assert list((tmp_path / "audit").iterdir()) == []


def test_the_text_is_kept_where_the_settings_say_so(file, tmp_path):
    write(file, tmp_path / "audit", [RECORD], keep_text=True)
    assert rows_of(file)[0].text == REQUEST.text


def test_speech_from_the_cache_is_marked(file, tmp_path):
    write(file, tmp_path / "audit", [replace(RECORD, started=replace(STARTED, is_cached=True))])
    assert rows_of(file)[0].cache == "hit"


def test_a_refused_request_has_a_row_too(file, tmp_path):
    refused = replace(RECORD, started=None, finished=None, sentences=(), status=429, error_type="over_capacity")
    write(file, tmp_path / "audit", [refused])
    assert (rows_of(file)[0].status, rows_of(file)[0].error_type, rows_of(file)[0].version) == (
        429,
        "over_capacity",
        None,
    )


def test_rows_of_an_outage_wait_on_disk_and_are_written_once_when_it_ends(tmp_path, caplog):
    with running_postgres(synchronous_commit="on") as server:
        database = open_database(tmp_path, {SETTING: server.url(server.make_database())})
        database.migrate()

        async def story() -> AuditRecorder:
            recorder = AuditRecorder(database, tmp_path / "audit", settings())
            await recorder.start()
            await recorder.record(RECORD)
            await asyncio.sleep(0.5)
            server.stop(crash=True)
            begin = time.monotonic()
            for _ in range(500):
                await recorder.record(RECORD)
            assert time.monotonic() - begin < 1  # nobody waits for the database
            await asyncio.sleep(0.5)
            assert not recorder.is_writable
            assert sum(path.stat().st_size for path in (tmp_path / "audit").iterdir()) > 100_000
            server.start()  # here, because the server dies with the thread that started it
            for _ in range(100):
                if await asyncio.to_thread(_count_if_up, database) == 501:
                    break
                await asyncio.sleep(0.1)
            await recorder.close()
            return recorder

        recorder = asyncio.run(story())
        assert count_rows(database) == 501
        assert recorder.n_lost == 0
        database.close()
    assert "Words that stay" not in caplog.text


def _count_if_up(database) -> int:
    try:
        return count_rows(database)
    except DatabaseUnreachableError:
        return 0


def test_what_a_killed_process_left_is_written_by_the_next_one(file, tmp_path):
    folder = tmp_path / "audit"
    dead = Spool(folder, 10**6)
    dead.append([make_row(RECORD, keep_text=False) for _ in range(3)])
    whole = dead.path.read_bytes()
    dead.path.write_bytes(whole + whole[:50])  # killed within a line
    dead.close()
    living = Spool(folder, 10**6)
    living.append([make_row(RECORD, keep_text=False)])
    write(file, folder, [RECORD])
    assert count_rows(file) == 4
    assert list(folder.iterdir()) == [living.path]  # its process has the lock
    living.close()


def test_a_damaged_line_that_was_left_stops_neither_the_rows_around_it_nor_those_that_come(file, tmp_path):
    folder = tmp_path / "audit"
    dead = Spool(folder, 10**6)
    dead.append([make_row(RECORD, keep_text=False) for _ in range(2)])
    dead.path.write_bytes(dead.path.read_bytes().replace(b"\n", b"\n\0\0{\n[]\n", 1))
    dead.close()
    recorder = write(file, folder, [RECORD])
    assert count_rows(file) == 3
    assert recorder.is_writable
    assert list(folder.iterdir()) == []


def test_rows_that_neither_disk_nor_memory_can_take_are_counted_as_lost(file, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "MAX_WAITING", 10)
    (tmp_path / "audit").write_text("a file where the folder of the spool would be")
    told = []

    async def go() -> AuditRecorder:
        recorder = AuditRecorder(file, tmp_path / "audit", settings(), on_lost=told.append)
        await recorder.start()
        for _ in range(25):
            await recorder.record(RECORD)
            await asyncio.sleep(0.02)
        await recorder.close()
        return recorder

    assert asyncio.run(go()).n_lost == sum(told) == 25


def test_rows_beyond_the_bound_of_the_spool_are_counted_as_lost(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    database = open_database(tmp_path, {SETTING: "postgresql://anna:sesame@127.0.0.1:1/none"})
    told = []
    recorder = write(database, tmp_path / "audit", [RECORD] * 3000, on_lost=told.append, audit__max_spool_megabytes=1)
    n_kept = sum(len(path.read_text().splitlines()) for path in (tmp_path / "audit").iterdir())
    assert 500 < n_kept < 3000
    assert recorder.n_lost == sum(told) == 3000 - n_kept
    assert sum(path.stat().st_size for path in (tmp_path / "audit").iterdir()) <= 1_000_000
    assert "sesame" not in caplog.text


@pytest.mark.parametrize("is_required", [False, True])
def test_requests_are_refused_while_rows_cannot_be_written_only_where_that_is_required(file, tmp_path, is_required):
    away = tmp_path / "away"

    async def story() -> None:
        recorder = AuditRecorder(file, tmp_path / "audit", settings(audit__is_required=is_required))
        await recorder.start()

        async def anybody(_: str | None) -> str:
            return "anna"

        check = recorder.guard(anybody)
        assert await check(None) == "anna"
        file.close()
        (tmp_path / ".vox").rename(away)
        await recorder.record(RECORD)
        await asyncio.sleep(1)
        if is_required:
            with pytest.raises(DatabaseUnreachableError):
                await check(None)
        else:
            assert await check(None) == "anna"
        away.rename(tmp_path / ".vox")
        await asyncio.sleep(1)
        assert await check(None) == "anna"
        await recorder.close()

    asyncio.run(story())
    assert count_rows(file) == 1


def test_a_row_that_the_table_cannot_hold_does_not_stop_the_others(serving_database, tmp_path):
    wrong = replace(RECORD, n_bytes=2**70)
    recorder = write(serving_database, tmp_path / "audit", [RECORD, wrong, RECORD])
    assert count_rows(serving_database) == 2
    assert recorder.n_lost == 1


def test_rows_wait_on_disk_while_the_table_takes_none(serving_database, tmp_path):
    def rename(before: str, after: str) -> None:
        with serving_database.transaction() as connection:
            connection.execute(sa.text(f"ALTER TABLE serving_requests RENAME COLUMN {before} TO {after}"))

    rename("caller", "client")
    recorder = write(serving_database, tmp_path / "audit", [RECORD, RECORD])
    assert (recorder.n_lost, recorder.is_writable) == (0, False)
    rename("client", "caller")
    write(serving_database, tmp_path / "audit", [RECORD])
    assert count_rows(serving_database) == 3


def test_rows_wait_on_disk_while_the_service_may_not_write_them(postgres, tmp_path):
    owned = open_database(tmp_path, {SETTING: postgres.url(postgres.make_database())})
    owned.migrate()
    role = f"reader_{secrets.token_hex(4)}"
    with owned.transaction() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role}"))
        connection.execute(sa.text(f"GRANT SELECT ON serving_requests TO {role}"))
    limited = open_database(tmp_path, {SETTING: owned.uri})
    sa.event.listen(limited.engine, "begin", lambda connection: connection.exec_driver_sql(f"SET LOCAL ROLE {role}"))
    recorder = write(limited, tmp_path / "audit", [RECORD])
    assert (recorder.n_lost, recorder.is_writable) == (0, False)
    write(owned, tmp_path / "audit", [RECORD])
    assert count_rows(owned) == 2
    limited.close()
    owned.close()


@given(st.text(), st.text(max_size=300), st.text(max_size=300))
def test_any_text_and_name_becomes_a_row_that_can_be_stored(text, voice, caller):
    request = replace(REQUEST, text=text, voice=voice)
    row = make_row(replace(RECORD, request=request, caller=caller), keep_text=True)
    assert as_columns(json.loads(json.dumps(row)))["started_at"] == RECORD.started_at
    assert "\0" not in row["text"] + row["voice"] + row["caller"]
    assert len(row["voice"]) <= 100
    row["text"].encode()
