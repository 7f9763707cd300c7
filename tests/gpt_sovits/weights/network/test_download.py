"""Downloads from a server on this machine, which behaves correctly or badly."""

from __future__ import annotations

import hashlib
import itertools
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import FileServer, file_server

from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.network.download import RetryPolicy, UnreachableError, fetch

DATA = bytes(range(256)) * 2000  # 512 kB: several chunks
SHA256 = hashlib.sha256(DATA).hexdigest()
QUICK = RetryPolicy(attempts=3, pause_seconds=0.01, timeout_seconds=2.0)
LIMIT = 10**6


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        running.files["/f"] = DATA
        yield running


def get(server: FileServer, path: Path, **options: Any) -> str:
    return fetch(f"{server.url}/f", path, **({"max_bytes": LIMIT, "retry_policy": QUICK} | options))


def is_only_file(path: Path) -> bool:
    """Return whether the file is correct and the only one in its folder."""
    return path.read_bytes() == DATA and list(path.parent.iterdir()) == [path]


def partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def drop_after(n: int, times: int) -> Any:
    """Return a behaviour that breaks the connection after n bytes of the body, for a number of times."""
    left = itertools.repeat(True, times)

    def behave(request: Any, data: bytes) -> bool:
        if not next(left, False):
            return False
        match = request.headers.get("Range") or "bytes=0-"
        start = int(match.removeprefix("bytes=").removesuffix("-")) if request.files.ranges else 0
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        status = 206 if start else 200
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        request.answer(status, data[start : start + n], tag, headers, length=len(data) - start)
        return True

    return behave


def test_a_file_is_fetched_and_its_progress_reported(server: FileServer, tmp_path: Path) -> None:
    reports: list[tuple[int, int | None]] = []
    assert (
        get(server, tmp_path / "deep" / "f", progress=lambda *x: reports.append(x), sha256=SHA256, n_bytes=len(DATA))
        == SHA256
    )
    assert is_only_file(tmp_path / "deep" / "f")
    assert reports[-1] == (len(DATA), len(DATA)) and reports == sorted(reports)


def test_a_broken_connection_is_resumed_where_it_broke(server: FileServer, tmp_path: Path) -> None:
    server.behave = drop_after(200_000, times=2)
    assert get(server, tmp_path / "f") == SHA256
    assert is_only_file(tmp_path / "f")
    starts = [wanted for _, wanted in server.requests]
    assert starts[0] is None and len(starts) == 3
    assert all(int(start.removeprefix("bytes=").removesuffix("-")) > 0 for start in starts[1:])


def test_progress_resets_the_number_of_attempts(server: FileServer, tmp_path: Path) -> None:
    server.behave = drop_after(70_000, times=6)  # more often than the attempts without progress
    assert get(server, tmp_path / "f") == SHA256


def test_a_connection_that_always_breaks_at_the_same_byte_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.behave = drop_after(200_000, times=100)
    with pytest.raises(UnreachableError, match=r"3 attempts, \d+ bytes arrived"):
        get(server, tmp_path / "f")
    assert not (tmp_path / "f").exists()
    assert 3 <= len(server.requests) <= 5


def test_another_process_resumes_what_a_killed_one_left(server: FileServer, tmp_path: Path) -> None:
    server.behave = drop_after(200_000, times=1)
    with pytest.raises(UnreachableError):
        get(server, tmp_path / "f", retry_policy=RetryPolicy(1, 0.0, 2.0))
    left = partial(tmp_path / "f").stat().st_size
    assert 0 < left < len(DATA)
    assert get(server, tmp_path / "f") == SHA256
    assert server.requests[-1] == ("/f", f"bytes={left}-")
    assert is_only_file(tmp_path / "f")


def test_a_file_that_changed_in_between_is_fetched_again(server: FileServer, tmp_path: Path) -> None:
    server.files["/f"] = bytes(len(DATA))
    server.behave = drop_after(200_000, times=1)
    with pytest.raises(UnreachableError):
        get(server, tmp_path / "f", retry_policy=RetryPolicy(1, 0.0, 2.0))
    server.files["/f"] = DATA
    assert get(server, tmp_path / "f") == SHA256
    assert is_only_file(tmp_path / "f")


@pytest.mark.parametrize("what", ["ranges", "tags"])
def test_a_server_without_ranges_or_tags_starts_again(what: str, server: FileServer, tmp_path: Path) -> None:
    setattr(server, what, False)
    server.behave = drop_after(200_000, times=1)
    assert get(server, tmp_path / "f") == SHA256
    assert is_only_file(tmp_path / "f")


def test_another_part_than_the_requested_one_is_not_joined(server: FileServer, tmp_path: Path) -> None:
    first = drop_after(200_000, times=1)
    wrong = itertools.chain([True], itertools.repeat(False))

    def behave(request: Any, data: bytes) -> bool:
        if first(request, data):
            return True
        if request.headers.get("Range") and next(wrong):
            request.answer(206, data[5:], '"x"', {"Content-Range": f"bytes 5-{len(data) - 1}/{len(data)}"})
            return True
        return False

    server.behave = behave
    assert get(server, tmp_path / "f") == SHA256
    assert is_only_file(tmp_path / "f")


def test_partial_bytes_of_another_file_are_found_by_the_hash_and_fetched_again(
    server: FileServer, tmp_path: Path
) -> None:
    server.behave = drop_after(200_000, times=1)
    with pytest.raises(UnreachableError):
        get(server, tmp_path / "f", retry_policy=RetryPolicy(1, 0.0, 2.0))
    left = partial(tmp_path / "f")
    left.write_bytes(bytes(left.stat().st_size))
    assert get(server, tmp_path / "f", sha256=SHA256) == SHA256
    assert is_only_file(tmp_path / "f")


def test_partial_bytes_beyond_the_file_are_discarded(server: FileServer, tmp_path: Path) -> None:
    server.behave = drop_after(200_000, times=1)
    with pytest.raises(UnreachableError):
        get(server, tmp_path / "f", retry_policy=RetryPolicy(1, 0.0, 2.0))
    partial(tmp_path / "f").write_bytes(DATA + b"more")
    assert get(server, tmp_path / "f", sha256=SHA256) == SHA256
    assert is_only_file(tmp_path / "f")


@pytest.mark.parametrize("options", [{"sha256": "0" * 64}, {"n_bytes": len(DATA) - 1}, {"max_bytes": len(DATA) - 1}])
def test_an_unexpected_file_is_refused_and_removed(options: dict[str, Any], server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"sha256 .* is expected|bytes where \d+ are expected|at most") as caught:
        get(server, tmp_path / "f", **options)
    assert not isinstance(caught.value, UnreachableError)
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 1


def test_the_hash_that_the_hub_states_is_checked(server: FileServer, tmp_path: Path) -> None:
    def behave(request: Any, data: bytes) -> bool:
        request.answer(200, data, None, {"X-Linked-ETag": f'"{"1" * 64}"'})
        return True

    server.behave = behave
    with pytest.raises(WeightsError, match=r"1111111111111111\.\.\. is expected"):
        get(server, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stated", [10 * len(DATA), len(DATA) + 1])
def test_a_length_that_never_arrives_is_an_error(stated: int, server: FileServer, tmp_path: Path) -> None:
    def behave(request: Any, data: bytes) -> bool:
        start = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        headers = {"Content-Range": f"bytes {start}-{stated - 1}/{stated}"} if start else {}
        request.answer(206 if start else 200, data[start:], '"x"', headers, length=stated - start)
        return True

    server.behave = behave
    with pytest.raises(UnreachableError, match="3 attempts"):
        get(server, tmp_path / "f", max_bytes=10**8)
    assert not (tmp_path / "f").exists()


def test_a_body_without_a_length_is_cut_off_at_the_limit(server: FileServer, tmp_path: Path) -> None:
    def behave(request: Any, data: bytes) -> bool:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(data)
        return True

    server.behave = behave
    assert get(server, tmp_path / "f") == SHA256
    (tmp_path / "f").unlink()
    with pytest.raises(WeightsError, match="sends more than the 100000 bytes"):
        get(server, tmp_path / "f", max_bytes=100_000)
    with pytest.raises(WeightsError, match="has 512000 bytes where 512001 are expected"):
        get(server, tmp_path / "f", n_bytes=512_001)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_temporary_error_is_waited_out_and_a_lasting_one_reported(
    status: int, server: FileServer, tmp_path: Path
) -> None:
    left = itertools.chain([True, True], itertools.repeat(False))

    def behave(request: Any, data: bytes) -> bool:
        if not next(left):
            return False
        request.answer(status, b"busy", None, {"Retry-After": "0"})
        return True

    server.behave = behave
    assert get(server, tmp_path / "f") == SHA256
    assert len(server.requests) == 3
    left = itertools.repeat(True)
    with pytest.raises(UnreachableError, match=f"it answers {status}"):
        get(server, tmp_path / "g")
    assert not (tmp_path / "g").exists()


def test_a_missing_file_is_reported_at_once(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="answers 404 Not Found; the file does not exist"):
        fetch(f"{server.url}/nothing", tmp_path / "f", max_bytes=LIMIT, retry_policy=QUICK)
    assert len(server.requests) == 1


def test_a_web_page_instead_of_the_file_is_refused(server: FileServer, tmp_path: Path) -> None:
    def behave(request: Any, data: bytes) -> bool:
        request.answer(200, b"<html>Please log in</html>", None, {"Content-Type": "text/html; charset=utf-8"})
        return True

    server.behave = behave
    with pytest.raises(UnreachableError, match="a web page, not with the file"):
        get(server, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_redirections_are_followed_and_endless_ones_are_not(server: FileServer, tmp_path: Path) -> None:
    def behave(request: Any, data: bytes) -> bool:
        request.answer(302, b"", None, {"Location": "/g"})
        return True

    server.behave = lambda request, data: request.path == "/f" and behave(request, data)
    server.files["/g"] = DATA
    assert get(server, tmp_path / "f") == SHA256
    server.behave = lambda request, data: request.answer(302, b"", None, {"Location": "/f"}) or True
    with pytest.raises(UnreachableError, match="is not a usable address"):
        get(server, tmp_path / "g")


def test_a_server_that_stops_sending_is_given_up(server: FileServer, tmp_path: Path) -> None:
    silence = threading.Event()
    server.behave = lambda request, data: silence.wait(5)
    with pytest.raises(UnreachableError, match="timed out"):
        get(server, tmp_path / "f", retry_policy=RetryPolicy(2, 0.01, 0.2))
    silence.set()


def test_a_missing_server_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/f"
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:\d+ does not deliver .*Connection refused") as caught:
        fetch(url, tmp_path / "f", max_bytes=LIMIT, retry_policy=QUICK)
    assert len(str(caught.value)) < 400 and "0x" not in str(caught.value)
    with pytest.raises(UnreachableError, match="is not a usable address"):
        fetch("ftp://example.org/f", tmp_path / "f", max_bytes=LIMIT, retry_policy=QUICK)
