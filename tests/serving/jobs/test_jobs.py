"""Jobs: one result each, in spite of refusals, outages, cancellations and repeated requests."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import wave
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from job_helpers import RATE, WISH, SmallEngine, make_jobs, make_queues, speech_of, wait_for

from serving.database import DEFAULT_FILE, open_database
from serving.errors import (
    ConflictError,
    GoneError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    NotReadyError,
    OverCapacityError,
    RevokedError,
    StorageUnreachableError,
    UnknownJobError,
    UnknownVoiceError,
    WorkerLostError,
)
from serving.jobs.speaking import write_all
from serving.storage.keys import key_of
from serving.storage.objects import open_object_store
from serving.tables import JOB_ITEMS, JOBS

TEXT = "Good morning to you. It rains."


class Desk:
    """A running JobService, and short ways to ask it."""

    def __init__(self, jobs):
        self.jobs = jobs

    async def submit(self, *texts, wish=WISH, owner="anna", key=None):
        given = texts or (TEXT,)
        return await self.jobs.submit(wish, given, owner=owner, idempotency_key=key, traceparent=None)

    async def speak(self, *texts, wish=WISH, states=("done",)):
        job, _ = await self.submit(*texts, wish=wish)
        return await wait_for(self.jobs, job.id, *states)


def run(database, tmp_path, story, engine=None, **changes):
    """Run a story with a service that works on jobs, and stop it afterwards."""

    async def go():
        engine_ = engine or SmallEngine()
        jobs = make_jobs(database, tmp_path / "results", engine_, **changes)
        await jobs.start()
        while not jobs.is_started:
            await asyncio.sleep(0.05)
        try:
            return await story(Desk(jobs), engine_)
        finally:
            await jobs.close()

    return asyncio.run(go())


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A database with all tables and queues, which takes two seconds to make."""
    root = tmp_path_factory.mktemp("template")
    opened = open_database(root, {})
    opened.migrate()
    make_queues(opened)
    opened.close()
    return root / DEFAULT_FILE


@pytest.fixture
def database(tmp_path, template):
    (tmp_path / DEFAULT_FILE).parent.mkdir()
    shutil.copy(template, tmp_path / DEFAULT_FILE)
    opened = open_database(tmp_path, {})
    yield opened
    opened.close()


async def open_file(desk, job, item=0):
    """Return the bytes of a file of a job."""
    *_, key = await desk.jobs.open_result(job.id, "anna", item)
    return b"".join(desk.jobs.objects.open(key))


def wav_of(content):
    with wave.open(io.BytesIO(content)) as file:
        return file.getframerate(), file.readframes(file.getnframes())


def test_a_job_ends_as_a_file_with_true_sizes_under_its_hash(serving_database, tmp_path):
    async def story(desk, _):
        job = await desk.speak(TEXT, "Another text.")
        for item, sentences in zip(job.items, (["Good morning to you", "It rains"], ["Another text"]), strict=True):
            content = await open_file(desk, job, item.item)
            assert wav_of(content) == (RATE, b"".join(speech_of(each, 0) for each in sentences))
            assert hashlib.sha256(content).hexdigest() == item.result.sha256
            assert len(content) == item.result.n_bytes
            assert [each["outcome"] for each in item.result.sentences] == ["spoken"] * len(sentences)
        assert (job.version, job.candidate_id, job.attempt) == (3, "c3", 1)
        assert all(item.text is None for item in job.items)

    run(serving_database, tmp_path, story)


def test_nodes_without_a_common_disk_keep_their_files_in_a_bucket(database, tmp_path, s3_server, monkeypatch):
    for name, value in s3_server.settings().items():
        monkeypatch.setenv(name, value)
    objects = open_object_store(f"s3://voxfoundry/{tmp_path.name}", root=tmp_path)

    async def story(desk, _):
        first, second = await desk.speak(), await desk.speak()
        assert wav_of(await open_file(desk, first))[0] == RATE
        await desk.jobs.delete(first.id, "anna")
        assert hashlib.sha256(await open_file(desk, second)).hexdigest() == second.items[0].result.sha256
        await desk.jobs.delete(second.id, "anna")
        assert not objects.holds(key_of(second.items[0].result.sha256))

    run(database, tmp_path, story, objects=objects)
    assert not list(tmp_path.rglob("unfinished/*"))


def test_the_same_text_twice_is_one_file(database, tmp_path):
    async def story(desk, _):
        await desk.speak()
        await desk.speak()

    run(database, tmp_path, story)
    assert len([path for path in (tmp_path / "results").rglob("*") if path.is_file()]) == 1


def test_all_items_are_spoken_by_the_version_of_the_first(database, tmp_path):
    versions = []

    async def story(desk, engine):
        engine.on_sentence = lambda: setattr(engine, "version", 4)
        job = await desk.speak("One.", "Two.", "Three.")
        versions.append(job.version)

    run(database, tmp_path, story)
    assert versions == [3]


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "pcm"])
def test_other_formats_are_what_the_encoder_gives_for_the_whole(database, tmp_path, form):
    from serving.encoding import encode

    async def story(desk, _):
        job = await desk.speak(wish=replace(WISH, format=form))
        content = await open_file(desk, job)
        assert content == encode(form, speech_of("Good morning to you", 0) + speech_of("It rains", 0), RATE)

    run(database, tmp_path, story)


def test_a_sentence_that_was_not_spoken_well_asks_for_a_review(database, tmp_path):
    run(database, tmp_path, lambda desk, _: desk.speak(states=("needs_review",)), SmallEngine(outcome="too_long"))


def test_what_passes_is_waited_for(database, tmp_path):
    passing = [NotReadyError("soon"), OverCapacityError("full", retry_after=0.1), WorkerLostError("died")]
    job = run(database, tmp_path, lambda desk, _: desk.speak(), SmallEngine(errors=passing))
    assert job.attempt == 1


def test_a_voice_that_an_engine_does_not_know_yet_is_waited_for(database, tmp_path, monkeypatch):
    monkeypatch.setattr("serving.jobs.service.WARM_SECONDS", 0.5)
    engine = SmallEngine(errors=[UnknownVoiceError("no voice"), UnknownVoiceError("no voice")], is_ready=False)
    run(database, tmp_path, lambda desk, _: desk.speak(), engine)
    engine = SmallEngine(errors=[UnknownVoiceError("no voice")])
    job = run(database, tmp_path, lambda desk, _: desk.speak(states=("failed",)), engine)
    assert job.error_type == "unknown_voice"


def test_a_text_that_kills_its_worker_each_time_fails(database, tmp_path):
    engine = SmallEngine(errors=[WorkerLostError("died") for _ in range(9)])
    job = run(database, tmp_path, lambda desk, _: desk.speak(states=("failed",)), engine)
    assert job.error_type == "worker_lost"
    assert len(engine.errors) == 6


def test_a_fault_of_the_engine_fails_the_job_without_its_text_in_the_log(database, tmp_path, caplog):
    engine = SmallEngine(errors=[ZeroDivisionError("division")])
    job = run(database, tmp_path, lambda desk, _: desk.speak(states=("failed",)), engine)
    assert job.error_type == "internal_error"
    assert "division" not in job.error_message
    assert "Good morning" not in caplog.text


def test_a_revocation_refuses_the_submission_ends_a_waiting_job_and_stops_delivery(database, tmp_path):
    revoked = RevokedError("the consent was revoked")

    async def story(desk, engine):
        spoken = await desk.speak()
        engine.errors = [revoked]
        waiting, _ = await desk.submit()
        failed = await wait_for(desk.jobs, waiting.id, "failed")
        assert failed.error_type == "revoked"
        engine.refusal = revoked
        with pytest.raises(RevokedError):
            await desk.submit()
        with pytest.raises(RevokedError):
            await desk.jobs.open_result(spoken.id, "anna", 0)

    run(database, tmp_path, story)


def test_one_key_makes_one_job_and_another_body_is_refused(serving_database, tmp_path):
    async def story(desk, _):
        answers = await asyncio.gather(*(desk.submit(key="k") for _ in range(50)), return_exceptions=True)
        made = [answer for answer in answers if isinstance(answer, tuple)]
        assert {type(answer) for answer in answers} <= {tuple, IdempotencyInProgressError}
        assert sum(is_new for _, is_new in made) == 1
        assert len({job.id for job, _ in made}) == 1
        again, is_new = await desk.submit(key="k")
        assert (again.id, is_new) == (made[0][0].id, False)
        with pytest.raises(IdempotencyMismatchError):
            await desk.submit("Another text.", key="k")
        other, is_new = await desk.submit("Another text.", key="k", owner="ben")
        assert is_new
        assert other.id != again.id

    run(serving_database, tmp_path, story)


def test_a_job_is_seen_by_its_owner_only(database, tmp_path):
    async def story(desk, _):
        job, _ = await desk.submit()
        for call in (desk.jobs.find(job.id, "ben"), desk.jobs.cancel(job.id, "ben"), desk.jobs.delete(job.id, "ben")):
            with pytest.raises(UnknownJobError):
                await call

    run(database, tmp_path, story)


def test_a_running_job_stops_at_its_next_sentence_when_it_is_cancelled(database, tmp_path):
    async def story(desk, engine):
        spoken = []
        engine.on_sentence = lambda: spoken.append(1)
        job, _ = await desk.submit("One. " * 100)
        await wait_for(desk.jobs, job.id, "running")
        with pytest.raises(ConflictError):
            await desk.jobs.open_result(job.id, "anna", 0)
        while not spoken:
            await asyncio.sleep(0.02)
        assert (await desk.jobs.cancel(job.id, "anna")).state == "cancelled"
        n_then = len(spoken)
        await asyncio.sleep(0.5)
        assert len(spoken) <= n_then + 2
        assert (await desk.jobs.find(job.id, "anna")).state == "cancelled"
        assert not list((tmp_path / "results").rglob("*.*"))

    run(database, tmp_path, story, SmallEngine(seconds=0.1))
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []


def test_a_queued_job_that_is_cancelled_never_begins(database, tmp_path):
    engine = SmallEngine(seconds=0.5, log=tmp_path / "log")

    async def story(desk, _):
        first, _ = await desk.submit("One. Two. Three.")
        await wait_for(desk.jobs, first.id, "running")
        second, _ = await desk.submit()
        await desk.jobs.cancel(second.id, "anna")
        await wait_for(desk.jobs, first.id, "done")
        await asyncio.sleep(1.5)
        assert second.id not in (tmp_path / "log").read_text()

    run(database, tmp_path, story, engine, jobs__n_at_once=1)


def test_a_deleted_job_takes_its_file_unless_another_job_has_the_same(database, tmp_path):
    async def story(desk, _):
        first, second = await desk.speak(), await desk.speak()
        await desk.jobs.delete(first.id, "anna")
        with pytest.raises(GoneError):
            await desk.jobs.find(first.id, "anna")
        *_, key = await desk.jobs.open_result(second.id, "anna", 0)
        assert desk.jobs.objects.holds(key)
        await desk.jobs.delete(second.id, "anna")
        assert not desk.jobs.objects.holds(key)

    run(database, tmp_path, story)


def test_a_file_that_could_not_be_deleted_with_its_job_is_deleted_later(database, tmp_path):
    async def story(desk, _):
        job = await desk.speak()
        key = key_of(job.items[0].result.sha256)
        objects, away = desk.jobs.objects, StorageUnreachableError("away", retry_after=5)

        def fail(_: str) -> None:
            raise away

        objects.delete = fail
        with pytest.raises(StorageUnreachableError):
            await desk.jobs.delete(job.id, "anna")
        del objects.delete
        assert objects.holds(key)
        await desk.jobs.sweep(datetime.now(UTC) - timedelta(days=1))
        assert not objects.holds(key)
        with pytest.raises(GoneError):
            await desk.jobs.find(job.id, "anna")

    run(database, tmp_path, story)


class SlowDisk(io.RawIOBase):
    """Takes seven bytes at a time, as a disk does that is almost full."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, block) -> int:
        self.content += bytes(block[:7])
        return len(block[:7])


def test_samples_are_written_whole_where_the_disk_takes_parts():
    disk, block = SlowDisk(), bytes(range(100))
    write_all(disk, block)
    assert disk.content == block


def test_old_jobs_are_deleted_with_their_files_and_rows(database, tmp_path):
    async def story(desk, _):
        job = await desk.speak()
        assert await desk.jobs.sweep(datetime.now(UTC) - timedelta(days=1)) == 0
        assert await desk.jobs.sweep(datetime.now(UTC) + timedelta(days=1)) == 1
        with pytest.raises(UnknownJobError):
            await desk.jobs.find(job.id, "anna")

    run(database, tmp_path, story)
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []
    with database.transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(JOBS)) == 0


def test_a_job_that_a_shutdown_interrupts_is_ended_by_the_next_start(database, tmp_path):
    async def begin(desk, _):
        job, _ = await desk.submit("One. Two. Three. Four.")
        await wait_for(desk.jobs, job.id, "running")
        return job.id

    async def end(desk, _):
        job = await wait_for(desk.jobs, interrupted, "done")
        assert job.attempt == 2

    interrupted = run(database, tmp_path, begin, SmallEngine(seconds=0.5))
    assert not list((tmp_path / "results/unfinished").iterdir())
    run(database, tmp_path, end)


def test_the_urgent_job_starts_first(database, tmp_path):
    engine = SmallEngine(seconds=0.2, log=tmp_path / "log")

    async def story(desk, _):
        jobs = [(await desk.submit("One."))[0] for _ in range(6)]
        urgent, _ = await desk.submit("One.", wish=replace(WISH, priority=1))
        for job in (*jobs, urgent):
            await wait_for(desk.jobs, job.id, "done")
        order = [line.split()[1] for line in (tmp_path / "log").read_text().splitlines() if line.startswith("begin")]
        assert order.index(f"{urgent.id}-0") <= 2

    run(database, tmp_path, story, engine, jobs__n_at_once=1)


@pytest.mark.parametrize("keep", [False, True])
def test_texts_stay_only_where_the_settings_say_so(database, tmp_path, keep):
    run(database, tmp_path, lambda desk, _: desk.speak(), keep_text=keep)
    with database.transaction() as connection:
        assert connection.scalar(sa.select(JOB_ITEMS.c.text)) == (TEXT if keep else None)


def test_each_item_is_audited_with_the_lane_and_its_outcome(database, tmp_path):
    records = []

    async def recorder(record):
        records.append(record)

    engine = SmallEngine(errors=[NotReadyError("soon")])
    run(database, tmp_path, lambda desk, _: desk.speak("One.", "Two."), engine, recorders=[recorder])
    assert [(record.status, record.error_type) for record in records] == [(503, "not_ready"), (200, None), (200, None)]
    assert {(record.route, record.request.lane, record.caller) for record in records} == {("job", "batch", "anna")}
    assert not any(record.client_left for record in records)
