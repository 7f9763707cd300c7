"""One file over HTTP, complete or not at all, resumed where an earlier attempt ended.

The bytes so far are kept in a hidden file beside the final path. A download is resumed (RFC 9110: Range and If-Range)
only if the server confirms that it still has the same file. A file gets the final name after its size and sha256 were
checked.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from gpt_sovits.errors import GptSovitsError
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.upstream.torch_file import file_sha256

CHUNK_BYTES = 1 << 16
MAX_PAUSE_SECONDS = 60.0
RETRY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
PERMANENT_ERRORS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.TooManyRedirects,
)

Progress = Callable[[int, int | None], None]  # bytes so far, and bytes in all where the server states them


class UnreachableError(WeightsError):
    """The file could not be fetched. A later attempt or another way may succeed."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long a download is attempted.

    Attributes:
        attempts: number of attempts in a row without a new byte.
        pause_seconds: pause before the second attempt, doubled each time.
        timeout_seconds: longest time without data from the server.
    """

    attempts: int = 5
    pause_seconds: float = 1.0
    timeout_seconds: float = 30.0


DEFAULT_RETRY_POLICY = RetryPolicy()


class _RetryError(GptSovitsError):
    """The request may succeed when it is repeated."""

    def __init__(self, reason: str, after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


def fetch(
    url: str,
    path: Path,
    *,
    max_bytes: int,
    n_bytes: int | None = None,
    sha256: str | None = None,
    progress: Progress = lambda done, total: None,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
) -> str:
    """Fetch a file and return its sha256.

    Args:
        url: address of the file.
        path: where the file is written.
        max_bytes: a larger file is refused.
        n_bytes: size that the file must have, where it is known.
        sha256: hash that the file must have, where it is known.
        progress: called with the bytes so far and the bytes in all, None where the server does not state them.
        retry_policy: how long the download is attempted.

    Raises:
        UnreachableError: the server does not answer, or does not send the file to its end.
        WeightsError: the file has another size or hash.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path)
    with requests.Session() as session:
        session.headers.update({"Accept-Encoding": "identity", "User-Agent": "voxfoundry"})
        for may_start_again in (True, False):
            resumed, stated = _transfer_with_retries(session, url, part, max_bytes, n_bytes, progress, retry_policy)
            seen = file_sha256(part.file)
            wanted = sha256 or stated
            if wanted in (None, seen):
                part.file.replace(path)
                part.remove()
                return seen
            part.remove()
            # A resumed file may be two halves of different files, so it is fetched once more from the beginning
            if not (resumed and may_start_again):
                break
    raise WeightsError(
        f"{url} has sha256 {seen[:16]}... where {wanted[:16]}... is expected; the file was changed at its source or on "
        "the way, so it is not used"
    )


class _Part:
    """The bytes that have arrived, and a note on which file of the server they belong to."""

    def __init__(self, path: Path) -> None:
        self.file = path.with_name(f".{path.name}.partial")
        self.notes = path.with_name(f".{path.name}.partial.json")

    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def validator(self) -> str | None:
        try:
            value = json.loads(self.notes.read_text(encoding="utf-8"))["validator"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # without it the file is fetched from the beginning
        return value if isinstance(value, str) else None

    def begin(self, validator: str | None) -> None:
        self.file.unlink(missing_ok=True)
        self.notes.write_text(json.dumps({"validator": validator}), encoding="utf-8")

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


def _transfer_with_retries(
    session: requests.Session,
    url: str,
    part: _Part,
    max_bytes: int,
    n_bytes: int | None,
    progress: Progress,
    retry_policy: RetryPolicy,
) -> tuple[bool, str | None]:
    """Transfer until the file is complete.

    Returns:
        (whether it consists of several transfers, the sha256 that the server states).
    """
    furthest, failures, resumed, timeout = part.size(), 0, False, retry_policy.timeout_seconds
    while True:
        try:
            continued, stated = _transfer(session, url, part, max_bytes, n_bytes, progress, timeout)
            return resumed or continued, stated
        except PERMANENT_ERRORS as error:
            raise UnreachableError(f"{url} is not a usable address ({error}); correct it") from error
        except (requests.RequestException, _RetryError) as error:
            resumed = resumed or part.size() > 0
            failures = 1 if part.size() > furthest else failures + 1
            furthest = max(furthest, part.size())
            if failures >= retry_policy.attempts:
                raise UnreachableError(
                    f"{urlsplit(url).netloc} does not deliver {url} ({_reason(error)}; {retry_policy.attempts} "
                    f"attempts, {furthest} bytes arrived, the next attempt resumes there)"
                ) from error
            after = error.after_seconds if isinstance(error, _RetryError) else 0.0
            time.sleep(min(MAX_PAUSE_SECONDS, max(after, retry_policy.pause_seconds * 2 ** (failures - 1))))


def _transfer(
    session: requests.Session,
    url: str,
    part: _Part,
    max_bytes: int,
    n_bytes: int | None,
    progress: Progress,
    timeout_seconds: float,
) -> tuple[bool, str | None]:
    """Make one request.

    Returns:
        (whether it resumed an earlier transfer, the sha256 that the server states).
    """
    validator = part.validator()
    have = part.size() if validator else 0
    headers = {"Range": f"bytes={have}-", "If-Range": validator} if have else {}
    with session.get(url, headers=headers, stream=True, timeout=timeout_seconds) as answer:
        total = _total(answer, have, part)
        continues = answer.status_code == 206
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise UnreachableError(f"{url} answers with a web page, not with the file; check for a login or a proxy")
        if total is not None and total > max_bytes:
            raise WeightsError(f"{url} has {total} bytes; at most {max_bytes} are fetched (max_mb in models.yaml)")
        if None not in (total, n_bytes) and total != n_bytes:
            raise WeightsError(f"{url} has {total} bytes where {n_bytes} are expected; it is another file than before")
        if not continues:
            have = 0
            part.begin(_validator(answer))
        with part.file.open("ab") as file:
            for chunk in answer.iter_content(CHUNK_BYTES):
                have += len(chunk)
                if have > max_bytes:
                    break
                file.write(chunk)
                progress(have, total)
    if have > max_bytes:
        part.remove()
        raise WeightsError(f"{url} sends more than the {max_bytes} bytes that are fetched (max_mb in models.yaml)")
    if total is not None and have < total:
        raise _RetryError(f"the connection was closed after {have} of {total} bytes")
    if n_bytes is not None and have != n_bytes:
        part.remove()
        raise WeightsError(f"{url} has {have} bytes where {n_bytes} are expected; it is another file than before")
    return continues, _stated_sha256(answer)


def _total(answer: requests.Response, have: int, part: _Part) -> int | None:
    """Return the size of the whole file, None where the server does not state it, and raise for other answers."""
    status = answer.status_code
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match is None or int(match.group(1)) != have:
            part.remove()
            raise _RetryError(f"it sends another part than the requested one from byte {have}")
        return None if match.group(2) == "*" else int(match.group(2))
    if status == 416:  # the bytes so far are more than the file has
        part.remove()
        raise _RetryError("it has no such part of the file")
    if status in RETRY_STATUSES:
        after = answer.headers.get("Retry-After", "")
        raise _RetryError(f"it answers {status} {answer.reason}", float(after) if after.isdecimal() else 0.0)
    if status != 200:
        raise UnreachableError(
            f"{url_of(answer)} answers {status} {answer.reason}; the file does not exist or access is denied"
        )
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def url_of(answer: requests.Response) -> str:
    """Return the address of the first request. Redirections may hold signatures, so they are not shown."""
    return (answer.history or [answer])[0].url


def _validator(answer: requests.Response) -> str | None:
    """Return what If-Range may name: a strong entity tag, or else the time of the last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")


def _stated_sha256(answer: requests.Response) -> str | None:
    """Return the sha256 of a big file, which Hugging Face states as the tag of the redirection's target."""
    for response in (*answer.history, answer):
        match = re.fullmatch(r'"?([0-9a-f]{64})"?', response.headers.get("X-Linked-ETag", ""))
        if match:
            return match.group(1)
    return None


def _reason(error: Exception) -> str:
    """Return the innermost cause in a few words, because urllib3 wraps an error several times."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
