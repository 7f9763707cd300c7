"""How fast campaigns are checked, queued and delivered, and what the reuse of fixed sentences is worth.

    python -m benchmarks.campaigns [--only enqueue status nodes] [--rows 10000] [--markdown FILE]
    python -m benchmarks.campaigns --only reuse --project FOLDER --voice NAME --purpose testing

All but `reuse` replace synthesis by a stand-in, StandIn below. It waits for a fixed time per sentence and gives noise.
So they measure tables, queue, loudness, encoding and store, and not the voice.

    enqueue   rows checked and queued per second, and the memory of the process with 1000 rows and with all
    status    how long the figures of a campaign with that many rows take
    nodes     rows delivered per second, and CPU seconds per 1000 rows, by 1, 2 and 4 processes on one database
    reuse     assets per minute of a real voice with and without the cache of sentences, 3 of 4 sentences fixed
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import soundfile
from ruamel.yaml import YAML

from campaigns.check.rows import Check
from campaigns.check.speaker import Speaker, find_speaker
from campaigns.database import migrate_campaigns
from campaigns.execution import control, submitting
from campaigns.execution.plan import QUEUE, WORKFLOW
from campaigns.execution.sealing import open_sealer
from campaigns.execution.service import CampaignService
from campaigns.node import open_node
from campaigns.recipients.reading import read_recipients, recipients_of
from campaigns.records import CampaignSettings, Reject, RenderedRow
from campaigns.report.assets import all_assets
from campaigns.report.summary import Summary, summarize
from gpt_sovits.synthesis.preset import default_preset
from registry.consent.record import Consent, Scope
from registry.storage.store import open_store
from serving.database import SETTING, Database, open_database
from serving.jobs.durable import DurableQueue
from serving.jobs.service import JobService
from serving.messages import AudioPiece, Event, Finished, Health, SentenceDone, SpeechRequest, Started
from serving.settings import ServeSettings, parse_settings
from serving.storage.objects import open_object_store

ROOT = Path(__file__).resolve().parent.parent
RATE = 32_000
SENTENCE_SECONDS = 0.15  # that the stand-in waits, so that the machine and not the stand-in is idle
AUDIO_SECONDS = 0.5  # of noise per sentence
CANDIDATE, VERSION, OWNER = "stand-in", 1, "benchmark"
N_STATUS = 20
NODE_COUNTS = (1, 2, 4)
ROWS_OF_NODES = 400
REUSE_ROWS = 60
N_COMPARED = 6
PARTS = ("enqueue", "status", "nodes")
TEMPLATE = (
    "Hello {{ first_name | name }}, here is {{ other | name }}. Your parcel is ready to be collected at our station. "
    "The parcel waits for you at the station until six. Thank you for the parcel from the station and good bye."
)
NOTHING_FIXED = TEMPLATE.replace("parcel", "{{ thing }}").replace(
    "station", "{{ place }}"
)  # as long, and nothing twice
NAMES = ("Anna", "Bert", "Carla", "David", "Emma", "Frank", "Grace", "Henry", "Irene", "James")
THINGS = ("parcel", "letter", "basket", "kettle", "ticket", "pencil", "jacket", "candle", "bottle", "mirror")
PLACES = ("station", "counter", "chapel", "market", "harbour", "garden", "castle", "factory", "cottage", "theatre")
COLUMNS = ("recipient_id", "first_name", "other", "thing", "place", "opt_in_reference")


class StandIn:
    """Takes the place of the engine: it waits, and gives the same noise for the same sentence."""

    name = f"stand-in: {SENTENCE_SECONDS * 1000:g} ms of waiting and {AUDIO_SECONDS:g} s of noise per sentence"

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[Event, None]:
        """Yield the events of a request."""
        sentences = [part for part in request.text.split(". ") if part]
        yield Started(
            version=VERSION,
            candidate_id=CANDIDATE,
            preset=request.preset,
            sample_rate=RATE,
            n_sentences=len(sentences),
            expected_seconds=AUDIO_SECONDS * len(sentences),
            pause_seconds=0.0,
        )
        n_samples = int(RATE * AUDIO_SECONDS)
        for place, sentence in enumerate(sentences):
            await asyncio.sleep(SENTENCE_SECONDS)
            sha256 = hashlib.sha256(sentence.encode())
            noise = np.random.default_rng(int.from_bytes(sha256.digest()[:8], "little")).normal(0, 3000, n_samples)
            yield AudioPiece(noise.astype("<i2").tobytes(), place)
            done = {"outcome": "spoken", "n_retries": 0, "n_samples": n_samples}
            yield SentenceDone(sentence=place, text_sha256=sha256.hexdigest(), **done)
        yield Finished(AUDIO_SECONDS * len(sentences), {"gpt": 0.0, "sovits": 0.0})

    async def check(self, request: SpeechRequest, *, candidate_id: str | None = None) -> None:
        """Allow everything."""

    def health(self) -> Health:
        """Return that it is ready."""
        return Health(ready=True, reasons=(), workers=(), backlog_seconds=0.0, registry_reachable=True)


def campaign_settings(**changes: object) -> CampaignSettings:
    """Return a campaign of four sentences, of which three are the same for everybody."""
    raw = {"name": "benchmark", "voice": "sample", "purpose": "testing", "template": TEMPLATE, "format": "wav"}
    return CampaignSettings.model_validate(raw | {"quality": {"share": 0.0}, "max_attempts": 10} | changes)


def write_recipients(path: Path, n_rows: int) -> Path:
    """Write a table of invented recipients."""
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")
        file.writelines(",".join(invented(number).values()) + "\n" for number in range(n_rows))
    return path


def invented(number: int) -> dict[str, str]:
    """Return a recipient. Among a hundred no two have the same words."""
    first, second = number % 10, number // 10 % 10
    words = (NAMES[first], NAMES[second], THINGS[first], PLACES[second])
    return dict(zip(COLUMNS, (f"r-{number:06}", *words, f"form {number}"), strict=True))


def stand_in_speaker() -> Speaker:
    """Return a speaker who may say everything in English."""
    consent = Consent(
        speaker="nobody",
        kind="synthetic",
        purposes=("testing",),
        scope=Scope(languages=None, territories=None, commercial=False),
        granted_on=date(2026, 1, 1),
        valid_until=None,
        evidence=None,
        evidence_sha256=None,
        revoked_on=None,
    )
    return Speaker(
        voice="sample",
        version=VERSION,
        candidate_id=CANDIDATE,
        preset=default_preset("en", 0.08),
        languages=("en",),
        lexicon=None,
        consent=consent,
    )


def serve_settings(project: Path = ROOT) -> ServeSettings:
    """Return the section `serve` of a project's params.yaml."""
    return parse_settings(YAML(typ="safe").load((project / "params.yaml").read_text(encoding="utf-8"))["serve"])


def opened(folder: Path) -> Database:
    """Return the database of a folder, with all tables."""
    database = open_database(folder)
    database.migrate()
    migrate_campaigns(database)
    return database


def chunks(rows: Iterable[RenderedRow], size: int = 250) -> Iterator[list[RenderedRow]]:
    """Yield rows in lists."""
    chunk: list[RenderedRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def enqueue(folder: Path, n_rows: int) -> dict[str, float]:
    """Check and queue a campaign in this process. Return seconds, CPU seconds and the largest memory in MB."""
    settings, database = campaign_settings(), opened(folder)
    file = write_recipients(folder / "recipients.csv", n_rows)
    queue = DurableQueue(database, lambda _: None, n_at_once=1)  # type: ignore[arg-type,return-value]
    begun, used = time.perf_counter(), time.process_time()
    check = Check(settings, stand_in_speaker())
    campaign = submitting.begin(database, settings, owner=OWNER, version=VERSION, candidate_id=CANDIDATE)
    sealer, place = open_sealer(folder), 0
    accepted = (row for row in check.rows(read_recipients(file, check.language)) if not isinstance(row, Reject))
    for chunk in chunks(accepted):
        submitting.add_rows(database, campaign, sealer, chunk, first_place=place)
        place += len(chunk)
    submitting.start(
        database,
        campaign,
        lambda connection, work: queue.enqueue_work(connection, work, workflow=WORKFLOW, queue=QUEUE),
        rejects={},
        expected_seconds=None,
    )
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    database.close()
    return {"seconds": seconds, "cpu": cpu, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_process(*arguments: str) -> subprocess.Popen[str]:
    """Start this benchmark in another process."""
    command = [sys.executable, "-m", "benchmarks.campaigns", *arguments]
    environ = {name: value for name, value in os.environ.items() if name != SETTING}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environ)


def measure_enqueue(n_rows: int) -> list[str]:
    """Return the lines about checking and queueing."""
    found = {}
    for n in (1000, n_rows):
        with tempfile.TemporaryDirectory() as folder:
            make_dbos_tables(Path(folder))
            process = in_process("--child", "enqueue", folder, str(n))
            found[n] = json.loads(process.communicate()[0])
    last = found[n_rows]
    return [
        f"check and enqueue, {n_rows} rows: {n_rows / last['seconds']:.0f} rows/s ({n_rows / last['cpu']:.0f} per CPU "
        "second)",
        f"largest memory: {found[1000]['megabytes']:.0f} MB with 1000 rows, {last['megabytes']:.0f} MB with {n_rows}",
    ]


def measure_status(n_rows: int) -> list[str]:
    """Return the line about the figures of a campaign."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_dbos_tables(folder)
        enqueue(folder, n_rows)
        database = opened(folder)
        campaign = control.find_all(database)[0]
        times = []
        for _ in range(N_STATUS):
            begun = time.perf_counter()
            summary = summarize(database, campaign)
            times.append(1000 * (time.perf_counter() - begun))
        database.close()
    return [f"status of {summary.n_rows} rows: median {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms"]


def measure_nodes(n_rows: int) -> list[str]:
    """Return a line per number of nodes."""
    lines = [StandIn.name]
    for n_nodes in NODE_COUNTS:
        with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
            folder = Path(place)
            make_dbos_tables(folder)
            enqueue(folder, n_rows)
            database = opened(folder)
            stack.callback(database.close)
            nodes = [in_process("--child", "node", place) for _ in range(n_nodes)]
            used = [json.loads(node.communicate()[0]) for node in nodes]
            campaign = control.find_all(database)[0]
            assert campaign.started_at is not None and campaign.finished_at is not None
            seconds = (campaign.finished_at - campaign.started_at).total_seconds()
        cpu = sum(each["cpu"] for each in used)
        lines.append(
            f"{n_nodes} nodes: {n_rows / seconds:.1f} rows/s, {1000 * cpu / n_rows:.1f} CPU s per 1000 rows "
            f"({n_rows} rows in {seconds:.1f} s)"
        )
    return lines


def make_dbos_tables(folder: Path) -> None:
    """Make the tables of DBOS, as the first node does."""
    from dbos import DBOS

    database = opened(folder)
    DBOS.migrate(database.uri)
    database.close()


async def run_node(folder: Path) -> dict[str, float]:
    """Work on the campaign of a folder until it ends. Return the CPU seconds that it took, without the start."""
    database, engine, settings = opened(folder), StandIn(), serve_settings()
    objects = open_object_store("folder:results", root=folder)
    service = CampaignService(database, engine, objects, settings, folder)
    jobs = JobService(database, objects, engine, settings, others=[service.work])
    service.start(jobs.queue)
    await jobs.start()
    used = time.process_time()
    while not (await asyncio.to_thread(control.find_all, database))[0].has_ended:
        await asyncio.sleep(0.2)
    used = time.process_time() - used
    await service.close()
    await jobs.close()
    database.close()
    return {"cpu": used}


async def measure_reuse(project: Path, voice: str, purpose: str) -> list[str]:
    """Return the lines about fixed sentences, spoken by a real voice.

    The first campaign has other words in every sentence, so that nothing is reused. The last has the rows of the second
    with the same seed, one row at a time and without a cache, so that the samples can be compared.
    """
    os.chdir(project)
    reusing = serve_settings(project)
    nothing = {"memory_megabytes": 0, "disk_megabytes": 0}
    alone = reusing.engine.model_copy(update={"batch_size": 1})
    plain = reusing.model_copy(update={"cache": reusing.cache.model_copy(update=nothing), "engine": alone})
    speeds, sounds, seed = [], [], time.time_ns() % 2**31
    runs = (("nothing fixed", NOTHING_FIXED, reusing), ("3 of 4 fixed", TEMPLATE, reusing), ("again", TEMPLATE, plain))
    for label, template, serve in runs:
        n_rows = N_COMPARED if serve is plain else REUSE_ROWS
        how = {"seed": seed + (template is TEMPLATE), "template": template}  # first sentences must not be known either
        plan = campaign_settings(name=f"reuse-{time.time_ns()}", voice=voice, purpose=purpose, **how)
        seconds, summary, sound = await speak_invented(serve, project, plan, n_rows)
        speeds.append(60 * n_rows / seconds)
        sounds.append(sound)
        work = summary.gpt_seconds + summary.sovits_seconds
        line = f"{label}: {n_rows} rows, {speeds[-1]:.0f} assets/min, {work:.1f} s of work"
        print(f"{line}, {summary.reused_seconds:.0f} of {summary.seconds:.0f} s of audio reused", flush=True)
    differences = [float(np.abs(sounds[1][name] - sounds[2][name]).max()) for name in sounds[2] if name in sounds[1]]
    return [
        f"3 of 4 sentences fixed: {speeds[1] / speeds[0]:.1f} times the assets per minute of the same without reuse",
        f"largest difference of a sample to one row at a time without a cache: {max(differences):.1e} of full scale",
    ]


async def speak_invented(
    serve: ServeSettings, project: Path, plan: CampaignSettings, n_rows: int
) -> tuple[float, Summary, dict[str, np.ndarray]]:
    """Speak a campaign of invented recipients. Return its seconds, its figures and the samples of each recipient."""
    store = open_store(project)
    check = Check(plan, find_speaker(store, plan, datetime.now(UTC).date()))
    rows = [row for row in check.rows(recipients_of(map(invented, range(n_rows)))) if isinstance(row, RenderedRow)]
    async with open_node(serve, store, voices=[plan.voice], judges=None) as node:
        version, candidate_id = await node.campaigns.freeze(plan, owner=OWNER)
        begun = time.perf_counter()
        pair = {"version": version, "candidate_id": candidate_id}
        submitted = await node.campaigns.submit(plan, _stream(rows), owner=OWNER, **pair)
        while not (campaign := await node.campaigns.find(submitted.campaign.id, None)).has_ended:
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - begun
        sounds = {}
        for asset in all_assets(node.database, campaign, lambda key: key):
            if asset.url is None:
                print(f"{asset.recipient_id} is {asset.status}: {asset.reason}", flush=True)
                continue
            content = b"".join(node.campaigns.objects.open(asset.url))
            sounds[asset.recipient_id] = soundfile.read(io.BytesIO(content))[0]
        return seconds, summarize(node.database, campaign), sounds


async def _stream(rows: Iterable[RenderedRow]) -> AsyncIterator[RenderedRow]:
    for row in rows:
        yield row


def main() -> None:
    """Measure and print, or do what another process of this benchmark asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=(*PARTS, "reuse"), default=PARTS)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--project", type=Path, help="with a released voice, for reuse")
    parser.add_argument("--voice", default="sample")
    parser.add_argument("--purpose", default="testing")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        kind, folder, *rest = given.child
        answer = enqueue(Path(folder), int(rest[0])) if kind == "enqueue" else asyncio.run(run_node(Path(folder)))
        print(json.dumps(answer))
        return
    if "reuse" in given.only and given.project is None:
        parser.error("reuse needs --project, a folder with a released voice")
    lines: list[str] = []
    for part in given.only:
        if part == "reuse":
            found = asyncio.run(measure_reuse(given.project.absolute(), given.voice, given.purpose))
        else:
            measure = {"enqueue": measure_enqueue, "status": measure_status, "nodes": measure_nodes}[part]
            found = measure(ROWS_OF_NODES if part == "nodes" else given.rows)
        print("\n".join(found), flush=True)
        lines += found
    if given.markdown:
        given.markdown.write_text("".join(f"- {line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
