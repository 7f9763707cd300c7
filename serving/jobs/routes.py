"""POST /v1/jobs, GET and DELETE /v1/jobs/{id}, its cancellation, and the sound of an item."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, Field

from gpt_sovits.synthesis.pieces import MAX_TEXT_CHARACTERS
from gpt_sovits.synthesis.subtitles import SUBTITLE_MEDIA_TYPES, SubtitleFormat, write_subtitles
from gpt_sovits.text.languages import language_code
from serving.api.admission import check_text
from serving.api.bodies import MODELS, ErrorBody, Manner, Model
from serving.api.callers import Caller
from serving.api.service import current_caller
from serving.encoding import MEDIA_TYPES, Format, output_rate
from serving.errors import InvalidRequestError, LanguageNotServedError, SpeedNotServedError, TextTooLongError
from serving.jobs.records import Item, Job, State, Wish
from serving.jobs.service import JobService
from serving.storage.responses import object_response

# A string of structured headers, or the bare characters that most clients send
IDEMPOTENCY_KEY = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x5b\x5d-\x7e]{1,255})')
Asking = Annotated[Caller, Depends(current_caller)]
JobId = Annotated[str, Field(max_length=40, pattern=r"^job_[0-9a-f]{32}$")]
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request is the reason."},
    "5XX": {"model": ErrorBody, "description": "The service is the reason."},
}


class JobBody(Manner):
    """The body of POST /v1/jobs."""

    model: Model = Field(default=MODELS[0], description="Ours, or one of OpenAI's names for it.")
    input: str | list[str] = Field(description="One text, or several that are spoken as one file each.")
    response_format: Format = Field(default="wav", description="Format of the files.")
    priority: int = Field(default=5, ge=1, le=9, description="A job with a smaller number starts first.")


class ItemInfo(BaseModel):
    """A text of a job."""

    item: int
    text_sha256: str
    sha256: str | None = Field(description="Of the file with the speech. None until it is spoken.")
    n_bytes: int | None
    seconds_of_audio: float | None
    url: str | None = Field(description="Where to get the file.")
    sentences: list[dict[str, Any]] = Field(description="Outcome, retries and sha256 of the text of each sentence.")


class JobFailure(BaseModel):
    """Why a job failed."""

    type: str
    message: str


class JobInfo(BaseModel):
    """A job."""

    id: str
    object: str = "job"
    status: State = Field(description="needs_review: it was spoken, and at least one sentence not well.")
    voice: str
    version: int | None = Field(description="Version that speaks it. None before it has begun.")
    candidate_id: str | None
    preset: str
    priority: int
    response_format: Format
    attempts: int = Field(description="How often it was begun. Above 1 where a process died meanwhile.")
    error: JobFailure | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    items: list[ItemInfo]


def describe(job: Job) -> JobInfo:
    """Return what a client sees of a job."""
    error = JobFailure(type=job.error_type, message=job.error_message or "") if job.error_type else None
    return JobInfo(
        id=job.id,
        status=job.state,
        voice=job.wish.voice,
        version=job.version,
        candidate_id=job.candidate_id,
        preset=job.wish.preset,
        priority=job.wish.priority,
        response_format=job.wish.format,
        attempts=job.attempt,
        error=error,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        items=[_describe_item(job, item) for item in job.items],
    )


def read_idempotency_key(header: str | None) -> str | None:
    """Return the key of the header Idempotency-Key, with or without the quotes of a structured header.

    Raises:
        InvalidRequestError: It is empty, too long or has other characters.
    """
    if header is None:
        return None
    match = IDEMPOTENCY_KEY.fullmatch(header.strip())
    if match is None:
        raise InvalidRequestError(
            "Idempotency-Key must have 1 to 255 printable ASCII characters, such as a UUID", param="Idempotency-Key"
        )
    return match[1] or match[2]


def job_router(jobs: JobService) -> APIRouter:
    """Return the routes of the jobs.

    Args:
        jobs: Does the work.
    """
    router = APIRouter(prefix="/v1/jobs")

    @router.post("", status_code=202, response_model=JobInfo, responses=ERRORS)
    async def submit(
        body: JobBody,
        request: Request,
        response: Response,
        caller: Asking,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> JobInfo:
        """Submit a job. The same request with the same Idempotency-Key makes one job."""
        request.scope.get("state", {})["asked"] = body
        key = read_idempotency_key(idempotency_key)
        texts = _texts(body, jobs)
        wish = _wish(body)
        caller.require(voice=wish.voice, lane="batch", purpose=wish.purpose)
        job, is_new = await jobs.submit(
            wish,
            texts,
            owner=caller.name,
            idempotency_key=key,
            traceparent=request.scope.get("state", {}).get("traceparent"),
        )
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        if not is_new:
            response.headers["Idempotent-Replayed"] = "true"
        return describe(job)

    @router.get("/{job_id}", response_model=JobInfo, responses=ERRORS)
    async def find(job_id: JobId, caller: Asking) -> JobInfo:
        """Return a job with the state of each item."""
        return describe(await jobs.find(job_id, caller.name))

    @router.post("/{job_id}:cancel", response_model=JobInfo, responses=ERRORS)
    async def cancel(job_id: JobId, caller: Asking) -> JobInfo:
        """Cancel a job that has not ended. What was spoken stays, and so does a job that has ended."""
        return describe(await jobs.cancel(job_id, caller.name))

    @router.delete("/{job_id}", response_model=JobInfo, responses=ERRORS)
    async def delete(job_id: JobId, caller: Asking) -> JobInfo:
        """Delete a job with its speech and its texts. One that has not ended is cancelled."""
        return describe(await jobs.delete(job_id, caller.name))

    @router.get("/{job_id}/items/{item}/audio", response_class=Response, responses=ERRORS | _sound())
    async def audio(request: Request, job_id: JobId, item: int, caller: Asking) -> Response:
        """Return the speech of an item, if it may still be delivered. It takes ranges."""
        job, _, key = await jobs.open_result(job_id, caller.name, item)
        caller.require(voice=job.wish.voice, lane="batch", purpose=job.wish.purpose)
        return await asyncio.to_thread(_deliver, jobs, job, key, request)

    _add_what_is_known(router, jobs)
    return router


def _add_what_is_known(router: APIRouter, jobs: JobService) -> None:
    """Add the routes of what is known about the sound of an item."""

    @router.get("/{job_id}/items/{item}/words.{form}", response_class=Response, responses=ERRORS | _words())
    async def words(job_id: JobId, item: int, form: SubtitleFormat, caller: Asking) -> Response:
        """Return when each word of an item is said, as JSON, SubRip or WebVTT."""
        job, sentences = await jobs.words_of(job_id, caller.name, item)
        caller.require(voice=job.wish.voice, lane="batch", purpose=job.wish.purpose)
        return Response(write_subtitles(sentences, form), media_type=SUBTITLE_MEDIA_TYPES[form])

    @router.get("/{job_id}/items/{item}/provenance", response_class=Response, responses=ERRORS | _json())
    async def provenance(job_id: JobId, item: int, caller: Asking) -> Response:
        """Return the signed sidecar of the file of an item, which says where it comes from."""
        job, sidecar = await jobs.sidecar_of(job_id, caller.name, item)
        caller.require(voice=job.wish.voice, lane="batch", purpose=job.wish.purpose)
        return Response(sidecar, media_type="application/json")


def _deliver(jobs: JobService, job: Job, key: str, request: Request) -> Response:
    """Return a file. A client that has it asks again each time, and so for consent."""
    media_type = MEDIA_TYPES[job.wish.format]
    return object_response(jobs.objects, key, request, media_type=media_type, cache_control="private, no-cache")


def _words() -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "The words.", "content": {kind: {} for kind in SUBTITLE_MEDIA_TYPES.values()}}}


def _json() -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "The sidecar.", "content": {"application/json": {}}}}


def _sound() -> dict[int | str, dict[str, Any]]:
    sound = {"content": {kind: {} for kind in MEDIA_TYPES.values()}}
    return {
        200: {"description": "The sound.", **sound},
        206: {"description": "A part of it.", **sound},
        304: {"description": "The client has it already."},
    }


def _describe_item(job: Job, item: Item) -> ItemInfo:
    result = item.result
    return ItemInfo(
        item=item.item,
        text_sha256=item.text_sha256,
        sha256=result.sha256 if result else None,
        n_bytes=result.n_bytes if result else None,
        seconds_of_audio=result.seconds_of_audio if result else None,
        url=f"/v1/jobs/{job.id}/items/{item.item}/audio" if result else None,
        sentences=[{name: one[name] for name in one if name != "words"} for one in result.sentences] if result else [],
    )


def _texts(body: JobBody, jobs: JobService) -> list[str]:
    texts = [body.input] if isinstance(body.input, str) else body.input
    limit, most = jobs.settings.limits.max_job_characters, jobs.settings.jobs.max_items
    if not 1 <= len(texts) <= most:
        raise InvalidRequestError(f"a job has 1 to {most} texts, seen: {len(texts)}", param="input")
    if (total := sum(map(len, texts))) > limit:
        raise TextTooLongError(f"the texts have {total} characters, and a job takes {limit}", param="input")
    for text in texts:
        if len(text) > MAX_TEXT_CHARACTERS:
            raise TextTooLongError(
                f"a text has {len(text)} characters, and one of a job has at most {MAX_TEXT_CHARACTERS}; send it as "
                "several texts, each of which becomes a file",
                param="input",
            )
        check_text(text, max_characters=limit, param="input")
    return texts


def _wish(body: JobBody) -> Wish:
    if body.lane == "realtime":
        raise InvalidRequestError("a job is spoken in the batch lane; leave lane out", param="lane")
    if body.speed != 1.0:
        raise SpeedNotServedError(f"speed {body.speed:g} was not judged; leave it out", param="speed")
    output_rate(body.response_format, 32_000, body.sample_rate)  # refuses what the format cannot have
    try:
        language = None if body.language is None else language_code(body.language)
    except ValueError as error:
        raise LanguageNotServedError(str(error), param="language") from error
    return Wish(
        voice=body.voice,
        version=body.version,
        preset=body.preset,
        language=language,
        purpose=body.purpose,
        seed=body.seed,
        format=body.response_format,
        sample_rate=body.sample_rate,
        priority=body.priority,
        timestamps=body.timestamps,
    )
