"""Every error that a client can get. This module is the single source: docs/serving-errors.md is generated from it.

A client sees {"error": {"type", "message", "param", "request_id"}}. The status and the type belong to the class. The
message says what was wrong with this request, the value seen and what would be right. The class says what to do.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ServingError(Exception):
    """Base of every error that serving raises on purpose. It can be pickled, so it passes between processes.

    Attributes:
        status: HTTP status.
        type: Name in the answer, which programs compare. It never changes its meaning.
        action: What the client can do.
        close_code: Code with which a web socket is closed.
        exit_code: Exit code of a command that ends with this error.
        param: The field of the request that is wrong, None where it is none.
        retry_after: Seconds after which another try can succeed, None where waiting does not help.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal_error"
    action: ClassVar[str] = "Report it with the request_id. Another try may work."
    close_code: ClassVar[int] = 1011
    exit_code: int = 2

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.param, self.retry_after = param, retry_after

    @property
    def message(self) -> str:
        """Return the message in one line."""
        return _as_unicode(" ".join(str(self).split()))

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the documented shape of the answer."""
        inner = {"type": self.type, "message": self.message, "param": self.param and _as_unicode(self.param)}
        return {"error": {**inner, "request_id": request_id}}


def _as_unicode(text: str) -> str:
    """Return a text that UTF-8 can hold, with each half of a character as an escape, such as a JSON body may name."""
    return text.encode("utf-8", "backslashreplace").decode()


class ClientError(ServingError):
    """The request is the reason. Sending it again unchanged gives the same answer."""

    status, type, action = 400, "bad_request", "Correct the request."
    close_code = 1008


class BusyError(ServingError):
    """The service is the reason. The same request can succeed later."""

    status, type, action = 503, "unavailable", "Try again after the seconds of Retry-After."
    close_code = 1013


class InternalError(ServingError):
    """A fault of the service."""


class InvalidJsonError(ClientError):
    """The body, or a message of a web socket, is not JSON."""

    status, type, action = 400, "invalid_json", "Send a JSON object in UTF-8."
    close_code = 1007


class InvalidRequestError(ClientError):
    """A field is missing, unknown or has a value that it cannot take."""

    status, type, action = 422, "invalid_request", "Correct the field that `param` names."
    close_code = 1007


class UnsupportedMediaTypeError(ClientError):
    """The body has another type than the route takes."""

    status, type, action = 415, "unsupported_media_type", "Send Content-Type: application/json."


class NotFoundError(ClientError):
    """There is nothing at this address."""

    status, type, action = 404, "not_found", "See /openapi.json for the addresses."


class MethodNotAllowedError(ClientError):
    """The address does not take this method."""

    status, type, action = 405, "method_not_allowed", "Use a method of the header Allow."


class UnauthenticatedError(ClientError):
    """The request has no key, or one that is unknown, expired or revoked."""

    status, type, action = 401, "unauthenticated", "Send a valid key as Authorization: Bearer KEY."


class KeyScopeError(ClientError):
    """The key does not cover this voice, lane or purpose."""

    status, type, action = 403, "key_scope", "Use a key with that scope, or ask an operator for one."


class SignedAddressError(ClientError):
    """The address of a file was not signed by this service, was changed, or has expired."""

    status, type, action = 403, "signed_address", "Ask for a new address."


class ConsentError(ClientError):
    """The speaker's consent is missing, has ended, or does not cover the use."""

    status, type, action = 403, "consent", "Ask for the voice with a purpose that GET /v1/voices lists for it."


class UnknownVoiceError(ClientError):
    """No voice of this name is served."""

    status, type, action = 404, "unknown_voice", "Take a voice that GET /v1/voices lists."


class UnknownVersionError(ClientError):
    """This version of the voice was never its champion, so it is not served."""

    status, type, action = 404, "unknown_version", "Leave `version` out for the champion, or name a released version."


class UnknownJobError(ClientError):
    """The key may see no job of this id."""

    status, type, action = 404, "unknown_job", "Take the id that POST /v1/jobs returned, with the same key."


class ConflictError(ClientError):
    """The state of what is asked for does not allow it now."""

    status, type, action = 409, "conflict", "Read its state first."


class IdempotencyInProgressError(ClientError):
    """A request with this Idempotency-Key is still being worked on."""

    status, type, action = 409, "idempotency_in_progress", "Wait, then send the same request again."


class IdempotencyMismatchError(ClientError):
    """This Idempotency-Key was used with another request."""

    status, type, action = 422, "idempotency_mismatch", "Use a new Idempotency-Key for a new request."


class RevokedError(ClientError):
    """The speaker revoked the consent, or the version was taken out of service."""

    status, type, action = 410, "revoked", "Stop using the voice, and delete what it was asked to say."


class GoneError(ClientError):
    """What was asked for existed, and was deleted after its time."""

    status, type, action = 410, "gone", "Ask for it again."


class RangeNotSatisfiableError(ClientError):
    """The file has fewer bytes than the header Range asks for."""

    status, type, action = 416, "range_not_satisfiable", "Take the size from the header Content-Range."


class TextTooLongError(ClientError):
    """The text has more characters than one request may have."""

    status, type, action = 413, "text_too_long", "Split it, or send it to POST /v1/jobs, which takes longer texts."
    close_code = 1009


class BodyTooLargeError(ClientError):
    """The body has more bytes than a request may have."""

    status, type, action = 413, "body_too_large", "Send less in one request."
    close_code = 1009


class UnspeakableTextError(ClientError):
    """There is nothing to say in the text, such as only emoji, or it has control characters."""

    status, type, action = 422, "unspeakable_text", "Send a text with words or numbers, without control characters."


class LanguageNotServedError(ClientError):
    """The voice was not judged in this language."""

    status, type, action = 422, "language_not_served", "Take a language that GET /v1/voices lists for the voice."


class PresetNotServedError(ClientError):
    """The voice was not judged with this preset, or did not pass with it."""

    status, type, action = 422, "preset_not_served", "Take a preset that GET /v1/voices lists for the voice."


class LaneNotServedError(ClientError):
    """The voice did not pass in real time or was not judged in it, so it is served in batch only."""

    status, type, action = 422, "lane_not_served", "Leave `lane` out, or take a lane that GET /v1/voices lists."


class WordTimesNotServedError(ClientError):
    """The voice cannot tell when its words are said, or the answer has no place for it."""

    status, type, action = 422, "word_times_not_served", "Leave `timestamps` out, or see docs/word-times.md."


class SpeedNotServedError(ClientError):
    """Another speed was asked for than the one that was judged."""

    status, type, action = 422, "speed_not_served", "Leave `speed` out, or take a preset with another pace."


class RequestTimeoutError(ClientError):
    """The request did not arrive, or its answer was not read, in time."""

    status, type, action = 408, "request_timeout", "Send the body at once, and read the answer while it arrives."


class RateLimitedError(BusyError):
    """The key has used up its rate."""

    status, type, action = 429, "rate_limited", "Wait the seconds of Retry-After."


class OverCapacityError(BusyError):
    """More speech was asked for than can be spoken in time."""

    status, type, action = 429, "over_capacity", "Wait the seconds of Retry-After, or use POST /v1/jobs."


class TooManyConnectionsError(BusyError):
    """More connections are open than the service takes."""

    status, type, action = 429, "too_many_connections", "Wait the seconds of Retry-After, and reuse connections."


class NotReadyError(BusyError):
    """No engine is warm yet."""

    status, type = 503, "not_ready"


class DrainingError(BusyError):
    """The service is being stopped and takes nothing new."""

    status, type, action = 503, "draining", "Try again, on another instance if there is one."
    close_code = 1012


class WorkerLostError(BusyError):
    """The process that spoke died, and the second try failed too."""

    status, type, action = 503, "worker_lost", "Try again. If a text does this twice, report it."


class VoiceDamagedError(BusyError):
    """The files of the version, or the journal of the voice, are not what was written, so it does not speak."""

    status, type, action = 503, "voice_damaged", "Tell the operator. `vox audit` and `vox verify` show what changed."


class RegistryUnreachableError(BusyError):
    """The registry cannot be read, and what was asked for is not loaded."""

    status, type, action = 503, "registry_unreachable", "Try again, or ask for the champion, which stays loaded."


class DatabaseUnreachableError(BusyError):
    """The database of the service cannot be used, so nothing can be kept durably."""

    status, type, action = 503, "database_unreachable", "Try again. Real-time speech does not need it."


class StorageFullError(BusyError):
    """A disk is full."""

    status, type, action = 503, "storage_full", "Tell the operator. Try again when there is space."


class StorageUnreachableError(BusyError):
    """The store of finished speech cannot be used."""

    status, type, action = 503, "storage_unreachable", "Try again. Speech that is streamed does not need it."


class CertificateEndedError(BusyError):
    """The certificate that signs marks has ended, so files and sidecars cannot be marked."""

    status, type, action = 503, "certificate_ended", "Tell the operator. Speech that is streamed does not need it."


class DeadlineError(BusyError):
    """The speech did not end within the time that a request may take."""

    status, type, action = 503, "deadline", "Send a shorter text, or use POST /v1/jobs."


def documented_errors() -> tuple[type[ServingError], ...]:
    """Return every error of the table, by status and type."""
    found: list[type[ServingError]] = [InternalError]
    for base in (ClientError, BusyError):
        found += [base, *base.__subclasses__()] if base is ClientError else base.__subclasses__()
    return tuple(sorted(found, key=lambda error: (error.status, error.type)))


def error_table() -> str:
    """Return the table of docs/serving-errors.md in Markdown."""
    rows = [
        f"| {error.status} | `{error.type}` | {' '.join((error.__doc__ or '').split())} | {error.action} |"
        for error in documented_errors()
    ]
    return "\n".join(("| status | type | when | what to do |", "|---|---|---|---|", *rows)) + "\n"
