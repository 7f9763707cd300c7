"""The section `serve` of params.yaml: where the service listens, what it takes and what it refuses.

Each part has its keys: `limits` is read by serving/api, `engine` by serving/engine, `jobs` by serving/jobs,
`storage` by serving/storage, `cache` by serving/caches, `audit` by serving/audit.
"""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gpt_sovits.precision import Precision
from registry.names import shorten


class Section(BaseModel):
    """A part of the section. It is frozen, and refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Limits(Section):
    """What one request, one client and all clients may ask for."""

    max_text_characters: int = Field(
        ge=1, le=100_000, description="Longest text of a request. Characters, 1 to 100,000. OpenAI has 4096."
    )
    max_job_characters: int = Field(
        ge=1, le=10_000_000, description="Longest text of a job. Characters, 1 to 10,000,000."
    )
    max_body_bytes: int = Field(
        ge=1000, description="Largest body of a request. Bytes, at least 1000. A character of a text takes up to 12."
    )
    max_connections: int = Field(ge=1, description="Connections that are open at once. At least 1.")
    max_request_seconds: float = Field(
        gt=0, description="A request that takes longer is ended with an error. Seconds, above 0."
    )
    body_seconds: float = Field(gt=0, description="A body must have arrived within this time. Seconds, above 0.")
    slow_reader_seconds: float = Field(
        gt=0,
        description="A client that does not take what is ready within this time is disconnected. Seconds, above 0.",
    )
    max_unread_bytes: int = Field(
        ge=4096,
        description="Sound that waits for a slow client. Beyond it the worker speaks for others. Bytes, at least 4096.",
    )
    drain_seconds: float = Field(
        ge=0, description="At a stop, running requests have this time to end. Seconds, at least 0."
    )


class EngineSettings(Section):
    """The processes that speak."""

    devices: tuple[str, ...] = Field(
        min_length=1, description="One process each: cpu for a process on CPU cores, cuda:N for a GPU."
    )
    n_threads: int = Field(ge=1, description="CPU threads of torch in each process. At least 1.")
    precision: Precision = Field(
        description="How the weights are stored, see gpt_sovits/precision.py. The verdict was measured in float32."
    )
    batch_size: int = Field(ge=1, description="Sentences of the batch lane that are computed together. At least 1.")
    max_realtime_streams: int = Field(ge=1, description="Streams that one process speaks in turns. At least 1.")
    stream_share: float = Field(
        gt=0,
        description="Share of the measured speed that is promised to streams, so that slow ones leave no gap. Above 0.",
    )
    max_backlog_seconds: float = Field(
        gt=0, description="Seconds of speech that may wait for one process. Beyond it requests get 429. Above 0."
    )
    max_resident_megabytes: int = Field(
        ge=100, description="A process with more memory is replaced after what it speaks. MB, at least 100."
    )
    keep_spares: bool = Field(
        description="Keep a process that has loaded no voice yet, so that a worker that dies is soon replaced. It "
        "takes about 250 MB, for each kind of worker."
    )
    max_former_versions: int = Field(
        ge=1,
        description="Former versions kept in memory, besides the champion and the one before it of each voice. At "
        "least 1, because one that is asked for is loaded.",
    )
    pin_cores: bool = Field(
        description="Whether each cpu process keeps to cores of its own. Only where nothing else shares the machine."
    )
    follow_seconds: float = Field(
        gt=0, le=5, description="How often the journal is read for releases and revocations. Seconds, above 0 to 5."
    )


class JobSettings(Section):
    """The lane that waits."""

    n_at_once: int = Field(ge=1, description="Jobs that are spoken at once in this process. At least 1.")
    max_items: int = Field(ge=1, description="Texts of one job. At least 1.")
    max_attempts: int = Field(
        ge=1, description="A job fails when the process that spoke it died that often. At least 1."
    )
    keep_days: float = Field(gt=0, description="Finished jobs and their sound are deleted after it. Days, above 0.")


class StorageSettings(Section):
    """Where finished speech is kept."""

    url: str = Field(
        pattern=r"^(folder:.+|s3://[a-z0-9][a-z0-9.-]+(/.*)?)$",
        description="folder:PATH below the project, or s3://BUCKET/PREFIX, whose server and keys are those of AWS_*.",
    )
    public_endpoint: str = Field(
        pattern=r"^(https?://.+)?$",
        description="Address of the S3 server in links for clients. Empty: that of AWS_ENDPOINT_URL.",
    )
    url_seconds: int = Field(ge=1, le=604_800, description="How long a signed link is valid. Seconds, 1 to 604,800.")


class CacheSettings(Section):
    """What was spoken before, so that it is not spoken again."""

    memory_megabytes: int = Field(ge=0, description="Speech in the memory of each process. MB, 0 for none.")
    disk_megabytes: int = Field(
        ge=0, description="Speech in .vox/cache, not used where VOXFOUNDRY_REDIS_URI is set. MB, 0 for none."
    )
    keep_days: float = Field(gt=0, description="What was not asked for so long is deleted there. Days, above 0.")


class AuditSettings(Section):
    """The rows about requests."""

    is_required: bool = Field(
        description="Refuse requests with 503 while rows cannot be written. false: keep them in a file until they can."
    )
    max_spool_megabytes: int = Field(
        ge=1, description="Rows that wait for the database, on disk. A row has about 1 kB. MB, at least 1."
    )


class ProvenanceSettings(Section):
    """The marks that say that an AI made the sound."""

    mark: bool = Field(
        description="Whether files of jobs and whole answers are marked, and streams have sidecars, see "
        "docs/provenance.md."
    )
    max_verify_bytes: int = Field(ge=1000, description="Largest file that is verified. Bytes, at least 1000.")
    sidecar_seconds: float = Field(
        gt=0, description="The sidecar of a stream can be had for this time. Seconds, above 0."
    )


class ServeSettings(Section):
    """The section `serve`."""

    host: str = Field(description="Address to listen on. Only a loopback address may be served without keys.")
    port: int = Field(ge=0, le=65535, description="Port to listen on, 0 for any free one.")
    voices: tuple[str, ...] = Field(description="Voices to serve. Empty: every voice that has a champion.")
    require_keys: bool = Field(
        description="Whether requests need a bearer key. false is allowed on a loopback address only."
    )
    allow_unjudged_lane: bool = Field(
        description="Offer real time also for voices whose verdict did not judge that lane. Every answer then says so."
    )
    keep_text: bool = Field(description="Whether the audit keeps the texts themselves, besides their hashes.")
    limits: Limits
    engine: EngineSettings
    jobs: JobSettings
    storage: StorageSettings
    cache: CacheSettings
    audit: AuditSettings
    provenance: ProvenanceSettings

    @model_validator(mode="after")
    def _keys_off_only_on_loopback(self) -> ServeSettings:
        if not self.require_keys and not is_loopback(self.host):
            raise ValueError(
                f"require_keys is false, but host is {self.host}, which others can reach; set require_keys: true, or "
                "host: 127.0.0.1"
            )
        return self


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_settings(raw: object) -> ServeSettings:
    """Return the typed section `serve` of params.yaml.

    Raises:
        ValueError: a key is missing, unknown or has a wrong value. The message lists each with the value seen.
    """
    try:
        return ServeSettings.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            ".".join(("serve", *(str(part) for part in fault["loc"])))
            + f": {fault['msg']}"
            + ("" if fault["type"] == "missing" or not fault["loc"] else f" (seen: {shorten(fault['input'])!r})")
            for fault in error.errors()
        )
        raise ValueError(f"params.yaml: {faults}") from error
