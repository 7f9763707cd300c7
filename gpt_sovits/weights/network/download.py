"""One file over HTTP, whole or not at all, continued where an earlier attempt ended.

What has arrived waits in a hidden file beside the place; it is continued (RFC 9110: Range and If-Range) only when the
server says that it still has the same file. Nothing takes the final name before its size and sha256 were checked.
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

from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.upstream.torch_file import file_sha256

CHUNK_BYTES = 1 << 16
MAX_PAUSE_SECONDS = 60.0
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
HOPELESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.TooManyRedirects,
)

Progress = Callable[[int, int | None], None]  # bytes so far, and of the whole where the server says it


class UnreachableError(WeightsError):
    """The file could not be fetched; another way, or another time, may do."""


@dataclass(frozen=True)
class Patience:
    """attempts: in a row without a new byte; pause_seconds: before the second, doubled each time; timeout_seconds: of
    silence on the line"""

    attempts: int = 5
    pause_seconds: float = 1.0
    timeout_seconds: float = 30.0


PATIENT = Patience()


class _TryAgainError(Exception):
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
    patience: Patience = PATIENT,
) -> str:
    """Fetch a file to `path` and return its sha256.

    max_bytes: no byte beyond is written; n_bytes, sha256: what it must be, where that is known
    Raises UnreachableError when the server does not answer, not with the file, or not to the end; WeightsError for a
    file of another size or hash.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path)
    with requests.Session() as session:
        session.headers.update({"Accept-Encoding": "identity", "User-Agent": "voxfoundry"})
        for may_start_again in (True, False):
            resumed, stated = _persist(session, url, part, max_bytes, n_bytes, sha256, progress, patience)
            seen = file_sha256(part.file)
            wanted = sha256 or stated
            if wanted in (None, seen):
                part.file.replace(path)
                part.forget()
                return seen
            part.forget()
            if not (resumed and may_start_again):  # two halves of different files: once more, from the beginning
                break
    raise WeightsError(
        f"{url} has sha256 {seen[:16]}... where {wanted[:16]}... is expected; the file was changed at its source or on "
        "its way, so it is not used"
    )


class _Part:
    """The bytes that have arrived, and which file of the server they are of."""

    def __init__(self, path: Path) -> None:
        self.file = path.with_name(f".{path.name}.partial")
        self.notes = path.with_name(f".{path.name}.partial.json")

    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def validator(self) -> str | None:
        try:
            value = json.loads(self.notes.read_text(encoding="utf-8"))["validator"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # without it the file is fetched from its beginning
        return value if isinstance(value, str) else None

    def begin(self, validator: str | None) -> None:
        self.file.unlink(missing_ok=True)
        self.notes.write_text(json.dumps({"validator": validator}), encoding="utf-8")

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


def _persist(
    session: requests.Session,
    url: str,
    part: _Part,
    max_bytes: int,
    n_bytes: int | None,
    sha256: str | None,
    progress: Progress,
    patience: Patience,
) -> tuple[bool, str | None]:
    """Transfer until the whole file is there: (whether it was put together, the sha256 that the server states)."""
    furthest, failures, resumed = part.size(), 0, False
    while True:
        try:
            continued, stated = _transfer(session, url, part, max_bytes, n_bytes, progress, patience.timeout_seconds)
            return resumed or continued, stated
        except HOPELESS as error:
            raise UnreachableError(f"{url} is no address that can be followed ({error})") from error
        except (requests.RequestException, _TryAgainError) as error:
            resumed = resumed or part.size() > 0
            failures = 1 if part.size() > furthest else failures + 1
            furthest = max(furthest, part.size())
            if failures >= patience.attempts:
                raise UnreachableError(
                    f"{urlsplit(url).netloc} does not give {url} ({_reason(error)}; {patience.attempts} attempts, "
                    f"{furthest} bytes arrived, the next try continues there)"
                ) from error
            after = error.after_seconds if isinstance(error, _TryAgainError) else 0.0
            time.sleep(min(MAX_PAUSE_SECONDS, max(after, patience.pause_seconds * 2 ** (failures - 1))))


def _transfer(
    session: requests.Session,
    url: str,
    part: _Part,
    max_bytes: int,
    n_bytes: int | None,
    progress: Progress,
    timeout_seconds: float,
) -> tuple[bool, str | None]:
    """One request: (whether it continued earlier bytes, the sha256 that the server states)."""
    validator = part.validator()
    have = part.size() if validator else 0
    headers = {"Range": f"bytes={have}-", "If-Range": validator} if have else {}
    with session.get(url, headers=headers, stream=True, timeout=timeout_seconds) as answer:
        total = _total(answer, have, part)
        continues = answer.status_code == 206
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise UnreachableError(
                f"{url} answers with a web page, not with the file; is it behind a login or a proxy?"
            )
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
        part.forget()
        raise WeightsError(f"{url} sends more than the {max_bytes} bytes that are fetched (max_mb in models.yaml)")
    if total is not None and have < total:
        raise _TryAgainError(f"the line was closed after {have} of {total} bytes")
    if n_bytes is not None and have != n_bytes:
        part.forget()
        raise WeightsError(f"{url} has {have} bytes where {n_bytes} are expected; it is another file than before")
    return continues, _stated_sha256(answer)


def _total(answer: requests.Response, have: int, part: _Part) -> int | None:
    """Size of the whole file, None where the server does not say. Raises where the answer is not the file."""
    status = answer.status_code
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match is None or int(match.group(1)) != have:
            part.forget()
            raise _TryAgainError(f"it sends another part than the one that was asked for, from byte {have}")
        return None if match.group(2) == "*" else int(match.group(2))
    if status == 416:  # what we have is longer than its file
        part.forget()
        raise _TryAgainError("it has no such part of the file")
    if status in TRY_AGAIN:
        after = answer.headers.get("Retry-After", "")
        raise _TryAgainError(f"it answers {status} {answer.reason}", float(after) if after.isdecimal() else 0.0)
    if status != 200:
        raise UnreachableError(
            f"{url_of(answer)} answers {status} {answer.reason}; the file is not there, or not for us"
        )
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def url_of(answer: requests.Response) -> str:
    """The address that was asked first, before redirections, which may carry signatures."""
    return (answer.history or [answer])[0].url


def _validator(answer: requests.Response) -> str | None:
    """A strong entity tag, else the time of the last change: what If-Range may name."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")


def _stated_sha256(answer: requests.Response) -> str | None:
    """Hugging Face states the sha256 of a big file as the tag of what its redirection leads to."""
    for one in (*answer.history, answer):
        match = re.fullmatch(r'"?([0-9a-f]{64})"?', one.headers.get("X-Linked-ETag", ""))
        if match:
            return match.group(1)
    return None


def _reason(error: Exception) -> str:
    """The innermost cause in a few words: urllib3 wraps an error several times."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
