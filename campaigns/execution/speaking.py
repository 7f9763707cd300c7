"""One row: spoken, judged, brought to its loudness, encoded, marked, put into the store and recorded."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from campaigns.delivery.loudness import set_loudness
from campaigns.execution import claims, control
from campaigns.execution.plan import Asset, Campaign, ClaimedRow, require_unexpired
from campaigns.execution.sealing import Sealer, SealError
from campaigns.quality.judging import Judge, JudgeLostError, faults_of
from campaigns.quality.sampling import is_sampled
from serving.audit.rows import as_columns, make_row
from serving.database import Database
from serving.encoding import MEDIA_TYPES, Format, encode_file
from serving.errors import DatabaseUnreachableError, ServingError, UnspeakableTextError
from serving.jobs.speaking import AttemptEndedError, JobEngine, Speech, write_samples
from serving.messages import RequestRecord, SpeechRequest, Started
from serving.storage.keys import key_of, sha256_of_key
from serving.storage.objects import ObjectStore
from serving.storage.scratch import full_disk_explained
from serving.tracing.spans import span

T = TypeVar("T")
DATABASE_WAIT_SECONDS = 0.5
DELIVERED_PREFIX = "campaigns"  # where the settings name none
UNREADABLE = "the text front end cannot read its text; `vox campaign check` shows why"
REVIEW_PREFIX = "review"  # files that are not delivered
STORE_THREADS = 8
LOUDNESS_AT_ONCE = 2  # each needs 25 bytes of memory per sample
SPOKEN_BY_AI = "Spoken by an AI voice, version"
SIDECAR_SUFFIX = ".json"
SIDECAR_TYPE = "application/json"


@dataclass(kw_only=True)
class _Try:
    """What has happened in a try at a row so far."""

    request: SpeechRequest
    speech: Speech
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, kw_only=True)
class _Files:
    """Temporary files of a try."""

    samples: Path
    encoded: Path
    sidecar: Path


class Mark(Protocol):
    """Marks files. See campaigns.delivery.marking."""

    def require_valid(self) -> None:
        """Raise ServingError if nothing can be marked now."""
        ...

    def __call__(
        self, file: Path, form: Format, request: SpeechRequest, started: Started, created_at: datetime
    ) -> bytes | None:
        """Mark an encoded file in its place, or return the mark that goes beside it."""
        ...


class RowSpeaker:
    """Speaks rows and delivers them.

    Invariant: a row is done only after its file is in the store, the row names the file before it is put there, and
    consent, purpose and release are checked before both.
    """

    def __init__(
        self,
        database: Database,
        engine: JobEngine,
        objects: ObjectStore,
        sealer: Sealer,
        *,
        judge: Judge | None = None,
        mark: Mark | None = None,
    ) -> None:
        """Prepare.

        Args:
            database: Of serving, with the tables of campaigns.
            engine: Speaks.
            objects: Where files are put.
            sealer: Opens the contents of rows.
            judge: Hears what the campaign wants judged. None where no campaign may want that.
            mark: Marks files. None where nothing is marked.
        """
        self._database, self._engine, self._objects, self._sealer = database, engine, objects, sealer
        self._judge, self._mark = judge, mark
        self._threads = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="store of campaigns")
        self._measuring = asyncio.Semaphore(LOUDNESS_AT_ONCE)

    async def speak(self, campaign: Campaign, row: ClaimedRow) -> None:
        """Speak a claimed row and deliver it.

        Raises:
            ServingError: It could not be spoken, judged or kept now.
            AttemptEndedError: The row is not this attempt's any more.
        """
        require_unexpired(campaign.plan)
        if self._mark is not None:
            self._mark.require_valid()  # nothing is spoken again and again that could not be marked
        with span("campaign row", row.traceparent) as working:
            request = replace(self._request(campaign, row), traceparent=working.traceparent or row.traceparent)
            await self._speak(campaign, row, _Try(request=request, speech=Speech(sentences=[])))

    async def _speak(self, campaign: Campaign, row: ClaimedRow, attempt: _Try) -> None:
        if row.published and await self._has_files(row):
            await self._deliver(campaign, row, attempt, _published_asset(row), None)
            return
        with ExitStack() as stack:
            samples, encoded, sidecar = (stack.enter_context(self._objects.new_file()) for _ in range(3))

            async def watch(_: Speech) -> None:
                if not await self.patiently(claims.is_current, row):
                    raise AttemptEndedError

            await write_samples(self._engine, attempt.request, attempt.speech, samples, watch)
            files = _Files(samples=samples, encoded=encoded, sidecar=sidecar)
            asset = await self._make_asset(campaign, row, attempt, files)
            await self._deliver(campaign, row, attempt, asset, files)

    async def fail(self, campaign: Campaign, row: ClaimedRow, error: ServingError) -> None:
        """Record that a row cannot be spoken."""
        if isinstance(error, SealError):
            audit = None
        else:
            attempt = _Try(request=self._request(campaign, row), speech=Speech(sentences=[]))
            audit = _audit(campaign, attempt, error=error)
        message = UNREADABLE if isinstance(error, UnspeakableTextError) else error.message  # which would quote the text
        why = {"error_type": error.type, "error_message": message}
        await self.patiently(claims.finish, row, "failed", audit=audit, **why)

    async def give_back(self, campaign_id: str, number: int, claim: str) -> None:
        """Let the rows of a slice be claimed again. See claims.give_back."""
        with suppress(DatabaseUnreachableError):  # they are taken up like those of a dead node
            await asyncio.to_thread(claims.give_back, self._database, campaign_id, number, claim)

    async def patiently(self, call: Callable[..., T], *arguments: object, **named: object) -> T:
        """Call a function of the tables in a thread, again and again while the database is away."""
        while True:
            try:
                return await asyncio.to_thread(call, self._database, *arguments, **named)
            except DatabaseUnreachableError:
                await asyncio.sleep(DATABASE_WAIT_SECONDS)

    async def stored(self, call: Callable[..., T], *arguments: object) -> T:
        """Call a function of the store in a thread of its own, so that one that hangs holds up no table and no key."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    async def _make_asset(self, campaign: Campaign, row: ClaimedRow, attempt: _Try, files: _Files) -> Asset:
        """Judge the samples and make the file of them."""
        plan, speech, samples = campaign.plan, attempt.speech, files.samples
        started, finished = speech.started, speech.finished
        assert started is not None and finished is not None
        with full_disk_explained():
            async with self._measuring:
                loudness = await asyncio.to_thread(set_loudness, samples, started.sample_rate, plan.loudness_lufs)
        bad = [done for done in speech.sentences if done.outcome != "spoken"]
        reasons = [(done.outcome, f"sentence {done.sentence + 1}: {done.outcome}") for done in bad]
        judgement = None
        if not reasons and is_sampled(row.row_sha256, plan.quality.share or 0.0):
            if self._judge is None:  # the share was raised while this node had the slice
                raise JudgeLostError("this node has no judges", retry_after=5)
            language = row.language or plan.language or "en"
            judgement = await self._judge.hear(
                samples,
                started.sample_rate,
                text=attempt.request.text,
                language=language,
                voice=plan.voice if plan.quality.min_similarity is not None else None,
            )
            reasons += faults_of(judgement, plan.quality.max_wer, plan.quality.min_similarity)
        has_sidecar = await asyncio.to_thread(self._encode, campaign, attempt, files)
        prefix = REVIEW_PREFIX if reasons else plan.delivery.prefix or DELIVERED_PREFIX
        sha256, n_bytes = await asyncio.to_thread(_hash, files.encoded)
        mark = (await asyncio.to_thread(_hash, files.sidecar))[0] if has_sidecar else None
        reused = [done.n_samples for done in speech.sentences if done.is_cached]
        return Asset(
            state="needs_review" if reasons else "done",
            reason="; ".join(text for _, text in reasons) or None,
            reason_type=reasons[0][0] if reasons else None,
            object_key=key_of(sha256, prefix=prefix, suffix=f".{plan.format}"),
            sidecar_key=key_of(mark, prefix=prefix, suffix=SIDECAR_SUFFIX) if mark else None,
            is_marked=self._mark is not None,
            sha256=sha256,
            n_bytes=n_bytes,
            seconds=finished.seconds_of_audio,
            reused_seconds=sum(reused) / started.sample_rate,
            gpt_seconds=finished.seconds.get("gpt", 0.0),
            sovits_seconds=finished.seconds.get("sovits", 0.0),
            sentences=tuple(
                {"text_sha256": done.text_sha256, "outcome": done.outcome, "n_retries": done.n_retries}
                for done in speech.sentences
            ),
            wer=judgement.wer if judgement else None,
            similarity=judgement.similarity if judgement else None,
            loudness_lufs=loudness,
            version=started.version,
            candidate_id=started.candidate_id,
        )

    def _encode(self, campaign: Campaign, attempt: _Try, files: _Files) -> bool:
        """Write the file and mark it. Return whether its mark is in a sidecar."""
        started, plan = attempt.speech.started, campaign.plan
        assert started is not None
        with full_disk_explained():
            with files.samples.open("rb") as source, files.encoded.open("w+b") as target:
                tags = {"title": campaign.name, "artist": plan.voice, "comment": f"{SPOKEN_BY_AI} {started.version}"}
                encode_file(plan.format, source, target, started.sample_rate, plan.sample_rate, tags=tags)
            if self._mark is None:
                return False
            sidecar = self._mark(files.encoded, plan.format, attempt.request, started, attempt.begun)
            if sidecar is not None:
                files.sidecar.write_bytes(sidecar)
            return sidecar is not None

    async def _deliver(
        self, campaign: Campaign, row: ClaimedRow, attempt: _Try, asset: Asset, files: _Files | None
    ) -> None:
        """Publish an asset, put its file where it is not there yet, and record the row."""
        require_unexpired(campaign.plan)
        await self._engine.check(attempt.request, candidate_id=asset.candidate_id)
        if files is not None:
            if row.published:  # of an attempt that ended before its file was there, or as it was put there
                await self._remove(row.published["object_key"], row)
                await self._remove(row.published["sidecar_key"], row)
            if not await self.patiently(claims.publish, row, asset):
                raise AttemptEndedError
            await self.stored(self._put, campaign, asset, files)
        for key in row.former_keys:
            if key not in (asset.object_key, asset.sidecar_key):
                await self._remove(key, None)
        why: dict[str, Any] = {}
        if asset.state == "needs_review":
            why = {"error_type": asset.reason_type, "error_message": asset.reason}
        audit = _audit(campaign, attempt, asset=asset)
        if not await self.patiently(claims.finish, row, asset.state, audit=audit, **why):
            await self._remove(asset.object_key, row)
            await self._remove(asset.sidecar_key, row)
            raise AttemptEndedError

    async def _has_files(self, row: ClaimedRow) -> bool:
        """Return whether what an earlier attempt has published is in the store. Another row can have the same file."""
        keys = [key for key in (row.published["object_key"], row.published["sidecar_key"]) if key is not None]
        return all([await self.stored(self._objects.holds, key) for key in keys])

    def _put(self, campaign: Campaign, asset: Asset, files: _Files) -> None:
        form, prefix = campaign.plan.format, asset.object_key.rsplit("/", 2)[0]
        kind = MEDIA_TYPES[form]
        if asset.sidecar_key is not None:  # first, so that no file is there without its mark
            sha256 = sha256_of_key(asset.sidecar_key)
            named = {"sha256": sha256, "prefix": prefix, "suffix": SIDECAR_SUFFIX}
            self._objects.put_if_absent(files.sidecar, content_type=SIDECAR_TYPE, **named)
        self._objects.put_if_absent(
            files.encoded, sha256=asset.sha256, content_type=kind, prefix=prefix, suffix=f".{form}"
        )

    async def _remove(self, key: str | None, row: ClaimedRow | None) -> None:
        """Delete a file that a row does not have any more, unless another row has it."""
        if key is None:
            return
        except_for = (row.campaign_id, row.recipient_id) if row is not None else None
        current = row is None or await self.patiently(claims.is_current, row)
        if not await self.patiently(control.is_needed, key, except_for=except_for if current else None):
            await self.stored(self._objects.delete, key)

    def _request(self, campaign: Campaign, row: ClaimedRow) -> SpeechRequest:
        if row.content is None:
            raise SealError("the text of the row was deleted after its time; submit the campaign again")
        place = {"campaign_id": row.campaign_id, "recipient_id": row.recipient_id}
        content = self._sealer.open(row.content, **place)
        return SpeechRequest(
            request_id=row.request_id,
            text=content["text"],
            words=tuple((language, word, symbols) for language, word, symbols in content["words"]),
            voice=campaign.plan.voice,
            version=campaign.version,
            candidate_id=campaign.candidate_id,
            preset=campaign.plan.preset,
            language=row.language,
            purpose=campaign.plan.purpose,
            seed=campaign.plan.seed,
            lane="batch",
            traceparent=row.traceparent,
        )


def _hash(file: Path) -> tuple[str, int]:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest(), file.stat().st_size


def _published_asset(row: ClaimedRow) -> Asset:
    """Return the asset that an earlier attempt put into the store and did not come to record."""
    known = dict(row.published)
    reason, kind = known.pop("error_message"), known.pop("error_type")
    known["sentences"] = tuple(known["sentences"] or ())
    return Asset(state="needs_review" if reason else "done", reason=reason, reason_type=kind, **known)


def _audit(
    campaign: Campaign, attempt: _Try, *, asset: Asset | None = None, error: ServingError | None = None
) -> dict[str, Any]:
    """Return the row of the audit for a row that has ended."""
    speech = attempt.speech
    record = RequestRecord(
        request=attempt.request,
        route="campaign",
        caller=campaign.owner,
        format=campaign.plan.format,
        started_at=attempt.begun,
        started=speech.started,
        sentences=tuple(speech.sentences),
        finished=speech.finished,
        status=error.status if error else 200,
        error_type=error.type if error else None,
        client_left=False,
        first_audio_seconds=None,
        total_seconds=time.monotonic() - attempt.clock,
        n_bytes=asset.n_bytes if asset else 0,
    )
    row = as_columns(make_row(record, keep_text=False))
    if asset is not None:  # also where an earlier attempt spoke it
        row |= {"version": asset.version, "candidate_id": asset.candidate_id, "seconds_of_audio": asset.seconds}
    return row
