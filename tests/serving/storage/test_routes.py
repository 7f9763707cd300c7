"""Files at signed addresses: ranges, conditional requests, and nothing else of the folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from serving_helpers import ThreadEngine, make_settings

from serving.api.app import make_app, make_service
from serving.errors import UnauthenticatedError
from serving.storage.folder import FolderStore
from serving.storage.routes import object_router

SPEECH = b"0123456789"
SHA256 = hashlib.sha256(SPEECH).hexdigest()


async def no_key(authorization):
    raise UnauthenticatedError("the key is not known")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def store(tmp_path):
    store = FolderStore(tmp_path / "results")
    with store.new_file() as file:
        file.write_bytes(SPEECH)
        store.put_if_absent(file, sha256=SHA256, content_type="audio/mpeg", suffix=".mp3")
    return store


@pytest.fixture
def address(store):
    return store.signed_url(f"{SHA256[:2]}/{SHA256[2:]}.mp3", seconds=60)


@pytest.fixture
async def client(store):
    service = make_service(ThreadEngine(synthesizer=None), make_settings(), authenticate=no_key)
    transport = httpx.ASGITransport(make_app(service, routers=[object_router(store)]))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.anyio
async def test_whoever_has_the_address_needs_no_key(client, address):
    answer = await client.get(address)
    assert (answer.status_code, answer.content) == (200, SPEECH)
    assert answer.headers["content-type"] == "audio/mpeg" and answer.headers["etag"] == f'"{SHA256}"'
    assert "immutable" in answer.headers["cache-control"] and answer.headers["accept-ranges"] == "bytes"
    head = await client.head(address)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")
    assert (await client.get("/v1/voices")).status_code == 401


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("asked", "status", "content", "says"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-99", 206, SPEECH, "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=4-2", 200, SPEECH, None),
        ("bytes=0-1,4-5", 200, SPEECH, None),
        (f"bytes=0-{'9' * 5000}", 200, SPEECH, None),
        ("lines=1-2", 200, SPEECH, None),
        ("bytes=-", 200, SPEECH, None),
    ],
)
async def test_a_range_gives_that_part_as_the_standard_says(client, address, asked, status, content, says):
    answer = await client.get(address, headers={"Range": asked})
    assert answer.status_code == status and answer.headers.get("content-range") == says
    if content is None:
        assert answer.json()["error"]["type"] == "range_not_satisfiable"
    else:
        assert answer.content == content


@pytest.mark.anyio
async def test_a_range_of_another_file_gives_the_whole_one(client, address):
    part = {"Range": "bytes=2-4"}
    assert (await client.get(address, headers=part | {"If-Range": f'"{SHA256}"'})).status_code == 206
    assert (await client.get(address, headers=part | {"If-Range": '"other"'})).content == SPEECH


@pytest.mark.anyio
async def test_a_client_that_has_the_file_gets_it_not_again(client, address):
    for tag in (f'"{SHA256}"', f'W/"{SHA256}"', f'"x", "{SHA256}"', "*"):
        answer = await client.get(address, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
    assert (await client.get(address, headers={"If-None-Match": '"x"'})).status_code == 200


@pytest.mark.anyio
async def test_a_changed_or_expired_address_reads_nothing(client, store, address):
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    path = urlsplit(address).path
    later = query | {"expires": str(int(query["expires"]) + 1)}
    for changed in (later, query | {"signature": "0" * 64}):
        answer = await client.get(path, params=changed)
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "signed_address")
    assert (await client.get(path)).status_code == 422
    store.delete(f"{SHA256[:2]}/{SHA256[2:]}.mp3")
    assert (await client.get(address)).json()["error"]["type"] == "gone"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "path", ["url_secret", "..%2furl_secret", "unfinished/x", "%2e%2e/%2e%2e/etc/passwd", "a" * 2000]
)
async def test_nothing_else_of_the_folder_can_be_read(client, address, path):
    answer = await client.get(f"/v1/objects/{path}?{urlsplit(address).query}")
    assert answer.status_code in (404, 422) and "error" in answer.json()


@pytest.mark.anyio
async def test_a_disk_that_hangs_holds_up_nobody_else(client, store, address):
    secret = (store.folder / "url_secret").read_bytes()
    (store.folder / "url_secret").unlink()
    os.mkfifo(store.folder / "url_secret")
    answering = threading.Timer(1.0, (store.folder / "url_secret").write_bytes, [secret])
    answering.start()
    begin = time.monotonic()
    reading = asyncio.create_task(client.get(address))
    await asyncio.sleep(0.05)
    assert time.monotonic() - begin < 0.8
    assert (await reading).content == SPEECH
