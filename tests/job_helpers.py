"""A small engine, a node that runs jobs in a process of its own, and requests to it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from ruamel.yaml import YAML

from gpt_sovits.synthesis.words import Word
from serving.database import SETTING, Database, open_database
from serving.errors import ServingError
from serving.jobs.durable import DurableQueue, Work
from serving.jobs.records import OPEN_STATES, Job, Wish
from serving.jobs.service import JobService
from serving.messages import AudioPiece, Event, Finished, Health, SentenceDone, SpeechRequest, Started
from serving.settings import ServeSettings, parse_settings
from serving.storage.folder import FolderStore
from serving.tables import NODES
from stages.execution.processes import die_with_parent

ROOT = Path(__file__).resolve().parent.parent
RATE = 32_000
WISH = Wish(
    voice="sample",
    version=None,
    preset="default",
    language=None,
    purpose=None,
    seed=0,
    format="wav",
    sample_rate=None,
    priority=5,
)


def settings(**changes: object) -> ServeSettings:
    """Return the section `serve` of the project's params.yaml with changed keys of `jobs` and `audit`."""
    raw = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["serve"]
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            raw[section][key] = value
        else:
            raw[section] = value
    return parse_settings(raw)


@dataclass
class SmallEngine:
    """Speaks 0.1 s of samples per word that depend on the text and the seed. A full stop ends a sentence.

    Attributes:
        seconds: How long a sentence takes.
        errors: Raised by the next calls of speak, one after the other.
        refusal: Raised by check.
        outcome: Of every sentence.
        version: Of the champion.
        is_ready: Whether its voices are loaded.
        log: Where the begin and the end of each request are noted.
    """

    seconds: float = 0.0
    errors: list[Exception] = field(default_factory=list)
    refusal: ServingError | None = None
    outcome: str = "spoken"
    version: int = 3
    is_ready: bool = True
    log: Path | None = None
    on_sentence: Callable[[], None] | None = None

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[Event, None]:
        self._note("begin", request)
        if self.errors:
            raise self.errors.pop(0)
        if self.refusal is not None:
            raise self.refusal
        sentences = [part.strip() for part in request.text.split(".") if part.strip()]
        version = request.version or self.version
        yield Started(
            version=version,
            candidate_id=f"c{version}",
            preset=request.preset,
            sample_rate=RATE,
            n_sentences=len(sentences),
            expected_seconds=1.0,
            pause_seconds=0.0,
        )
        n_all = 0
        for place, sentence in enumerate(sentences):
            await asyncio.sleep(self.seconds)
            pcm = speech_of(sentence, request.seed)
            yield AudioPiece(pcm, place)
            n_all += len(pcm) // 2
            if self.on_sentence is not None:
                self.on_sentence()
            yield SentenceDone(
                sentence=place,
                text_sha256=hashlib.sha256(sentence.encode()).hexdigest(),
                outcome=self.outcome,
                n_retries=0,
                n_samples=len(pcm) // 2,
                words=_words_of(sentence) if request.word_times else None,
            )
        yield Finished(n_all / RATE, {"gpt": self.seconds})
        self._note("end", request)

    async def check(self, request: SpeechRequest, *, candidate_id: str | None = None) -> None:
        if self.refusal is not None:
            raise self.refusal

    def health(self) -> Health:
        return Health(
            ready=self.is_ready, reasons=(), workers=(), backlog_seconds=0.0, registry_reachable=True, n_failed_loads=0
        )

    def _note(self, what: str, request: SpeechRequest) -> None:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{what} {request.request_id} {os.getpid()} {time.time():.3f}\n")


def speech_of(sentence: str, seed: int) -> bytes:
    """Return the samples of a sentence."""
    word = hashlib.sha256(f"{sentence} {seed}".encode()).digest()
    return word * (RATE * 2 // 10 * len(sentence.split()) // len(word))


def make_jobs(database, folder: Path, engine: SmallEngine, **changes: object) -> JobService:
    parts = {name: changes.pop(name) for name in ("audit", "recorders", "marker") if name in changes}
    objects = changes.pop("objects", None) or FolderStore(folder)
    return JobService(database, objects, engine, settings(**changes), **parts)


@asynccontextmanager
async def working(database, folder: Path, engine: SmallEngine, **changes: object) -> AsyncIterator[JobService]:
    """Give jobs that are worked on, with their files in the folder `results`, and stop them."""
    jobs = make_jobs(database, folder / "results", engine, **changes)
    await jobs.start()
    while not jobs.is_started:
        await asyncio.sleep(0.05)
    try:
        yield jobs
    finally:
        await jobs.close()


async def submit(jobs: JobService, *texts: str) -> str:
    """Submit a job of Anna's and return its id."""
    job, _ = await jobs.submit(WISH, texts or ("One.",), owner="anna", idempotency_key=None, traceparent=None)
    return job.id


def make_queues(database: Database, *others: tuple[str, str]) -> None:
    """Make the tables of DBOS and the rows of the queues, as the first node of a database does.

    DBOS looks for new queues once per second. A node that finds them at its start works a second earlier.

    Args:
        database: Migrated, and not used by any node.
        others: The workflow and the queue of each kind of work besides jobs.
    """

    async def refuse(work_id: str) -> None:
        raise AssertionError(f"nothing was queued, but {work_id} is to be done")

    works = [Work(workflow=workflow, queue=name, run=refuse, n_at_once=1) for workflow, name in others]
    queue = DurableQueue(database, refuse, n_at_once=1, others=works)
    queue.start()
    with closing(asyncio.new_event_loop()) as loop:
        queue.take_work(loop)
        queue.close()
    with database.transaction() as connection:  # the others would watch this node until it counts as dead
        connection.execute(sa.delete(NODES))


def _words_of(sentence: str) -> tuple[Word, ...]:
    """The words of a sentence, of 0.1 s each."""
    return tuple(Word(word, 0.1 * place, 0.1 * place + 0.1) for place, word in enumerate(sentence.split()))


async def wait_for(jobs: JobService, job_id: str, *states: str, seconds: float = 30, owner: str = "anna") -> Job:
    """Return a job once it is in one of these states."""
    end = time.monotonic() + seconds
    while True:
        job = await jobs.find(job_id, owner)
        if job.state in states:
            return job
        has_ended = job.state not in OPEN_STATES
        assert time.monotonic() < end and not has_ended, f"the job is {job.state}: {job.error_message}"
        await asyncio.sleep(0.05)


def start_node(folder: Path, uri: str, *, seconds: float, n_at_once: int = 2) -> subprocess.Popen:
    """Start a process that runs jobs, as the API does."""
    errors = (folder / "errors").open("a")
    return subprocess.Popen(
        [sys.executable, __file__, str(folder), str(seconds), str(n_at_once)],
        env=os.environ | {SETTING: uri, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path])},
        stderr=errors,
        preexec_fn=die_with_parent,
    )


async def _run_node(folder: Path, seconds: float, n_at_once: int) -> None:
    database = open_database(folder)
    engine = SmallEngine(seconds=seconds, log=folder / "log")
    jobs = make_jobs(database, folder / "results", engine, jobs__n_at_once=n_at_once)
    await jobs.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run_node(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
