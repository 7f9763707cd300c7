"""Stores of finished speech: the same promises in a folder and in a bucket of a real S3 server."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import GoneError, SignedAddressError, StorageFullError, StorageUnreachableError
from serving.storage.folder import FolderStore
from serving.storage.keys import is_key, key_of, sha256_of_key
from serving.storage.objects import open_object_store
from serving.storage.signing import UrlSigner

SPEECH = bytes(range(256)) * 4000  # 1 MB
SHA256 = hashlib.sha256(SPEECH).hexdigest()


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path, monkeypatch):
    if request.param == "folder":
        return open_object_store("folder:results", root=tmp_path)
    server = request.getfixturevalue("s3_server")
    for name, value in server.settings().items():
        monkeypatch.setenv(name, value)
    return open_object_store(f"s3://voxfoundry/{tmp_path.name}", root=tmp_path)


def put(store, content: bytes = SPEECH, **names: str):
    with store.new_file() as file:
        file.write_bytes(content)
        return store.put_if_absent(file, sha256=hashlib.sha256(content).hexdigest(), content_type="audio/wav", **names)


def read(store, key: str, **part: int) -> bytes:
    return b"".join(store.open(key, **part))


def test_a_file_is_kept_once_and_read_whole_or_in_parts(store):
    first, second = put(store, suffix=".wav"), put(store, suffix=".wav")
    assert first.key == second.key == f"{SHA256[:2]}/{SHA256[2:]}.wav" and sha256_of_key(first.key) == SHA256
    assert (first.is_new, second.is_new) == (True, False)
    assert first.n_bytes == second.n_bytes == store.size(first.key) == len(SPEECH)
    assert read(store, first.key) == SPEECH
    assert read(store, first.key, start=1000, end=70_001) == SPEECH[1000:70_001]
    assert read(store, first.key, start=len(SPEECH) - 5) == SPEECH[-5:]
    assert read(store, first.key, start=7, end=7) == b""


def test_a_deleted_file_is_gone_and_can_be_put_again(store):
    key = put(store).key
    store.delete(key)
    store.delete(key)
    assert not store.holds(key) and store.size(key) is None
    with pytest.raises(GoneError):
        read(store, key)
    assert put(store).is_new and read(store, key) == SPEECH


def test_of_many_who_put_the_same_bytes_at_once_exactly_one_is_the_first(store):
    with ThreadPoolExecutor(16) as threads:
        kept = list(threads.map(lambda _: put(store), range(16)))
    assert sum(one.is_new for one in kept) == 1 and read(store, kept[0].key) == SPEECH


def test_prefixes_keep_the_same_bytes_apart(store):
    keys = [put(store, prefix=prefix).key for prefix in ("", "spring", "spring/2031")]
    store.delete(keys[0])
    assert [store.holds(key) for key in keys] == [False, True, True]


def test_an_empty_file_is_kept(store):
    kept = put(store, b"")
    assert kept.n_bytes == store.size(kept.key) == 0 and read(store, kept.key) == b""


@pytest.mark.parametrize("key", ["", "../url_secret", "url_secret", "unfinished/a", f"{SHA256[:2]}/../{SHA256[2:]}"])
def test_what_is_not_a_key_is_refused_everywhere(store, key):
    for use in (store.size, store.delete, lambda one: read(store, one), lambda one: store.signed_url(one, seconds=9)):
        with pytest.raises(ValueError, match="not the key"):
            use(key)


@given(
    st.text(max_size=90) | st.from_regex(r"(\.\./|[a-z0-9/.]|%2e){0,40}[0-9a-f]{2}/[0-9a-f]{62}(\..*)?", fullmatch=True)
)
def test_no_key_leads_out_of_the_folder(text):
    folder = Path("/srv/results")
    if is_key(text):
        path = os.path.normpath(folder / text)
        assert path == str(folder / text) and path.startswith("/srv/results/")
        assert path not in ("/srv/results/url_secret", "/srv/results/unfinished")
    else:
        with pytest.raises(ValueError, match="not the key"):
            FolderStore(folder).size(text)


@given(
    st.binary(max_size=20), st.from_regex(r"([A-Za-z0-9_-]{1,5}/){0,3}", fullmatch=True), st.sampled_from(["", ".mp3"])
)
def test_the_key_of_a_file_is_a_key_and_names_its_bytes(content, prefix, suffix):
    sha256, prefix = hashlib.sha256(content).hexdigest(), prefix.strip("/")
    try:
        key = key_of(sha256, prefix=prefix, suffix=suffix)
    except ValueError:
        assert any(name[0] in "-_" for name in prefix.split("/"))
    else:
        assert is_key(key) and sha256_of_key(key) == sha256


def test_a_bucket_gives_addresses_that_work_without_a_key_until_they_are_changed(s3_server, tmp_path, monkeypatch):
    for name, value in s3_server.settings().items():
        monkeypatch.setenv(name, value)
    store = open_object_store("s3://voxfoundry/signed", root=tmp_path)
    url = store.signed_url(put(store, suffix=".wav").key, seconds=60)
    answer = httpx.get(url, headers={"Range": "bytes=2-5"})
    assert (answer.status_code, answer.content) == (206, SPEECH[2:6])
    assert answer.headers["content-type"] == "audio/wav" and "immutable" in answer.headers["cache-control"]
    assert httpx.get(url.replace(SHA256[2:], "0" * 62)).status_code == 403
    assert httpx.get(url.partition("?")[0]).status_code == 403


def test_addresses_name_the_server_as_clients_reach_it(s3_server, tmp_path, monkeypatch):
    for name, value in s3_server.settings().items():
        monkeypatch.setenv(name, value)
    store = open_object_store("s3://voxfoundry", root=tmp_path, public_endpoint="https://speech.example.org")
    assert store.signed_url(key_of(SHA256), seconds=60).startswith(
        f"https://speech.example.org/voxfoundry/{SHA256[:2]}/"
    )


def test_a_file_that_is_sent_in_parts_arrives_whole(s3_server, tmp_path, monkeypatch):
    for name, value in s3_server.settings().items():
        monkeypatch.setenv(name, value)
    store, content = open_object_store("s3://voxfoundry/long", root=tmp_path), os.urandom(1 << 20) * 33
    first, second = put(store, content), put(store, content)
    assert (first.is_new, second.is_new) == (True, False)
    assert hashlib.sha256(read(store, first.key)).hexdigest() == sha256_of_key(first.key)


def test_a_server_that_is_away_is_a_documented_error_without_secrets(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "voxfoundry")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden word")
    store = open_object_store("s3://voxfoundry", root=tmp_path)
    for use in (lambda: put(store), lambda: store.holds(key_of(SHA256)), lambda: read(store, key_of(SHA256))):
        with pytest.raises(StorageUnreachableError):
            use()
    assert "s3://voxfoundry" in caplog.text and "hidden word" not in caplog.text


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    store = FolderStore(tmp_path / "results")

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", no_space)
    with pytest.raises(StorageFullError):
        put(store)
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []


def test_what_a_killed_process_has_left_is_deleted_after_a_day(tmp_path):
    store = FolderStore(tmp_path)
    with store.new_file() as mine:
        mine.write_bytes(b"fresh")
        left = mine.with_name("left")
        left.write_bytes(b"old")
        os.utime(left, (time.time() - 90_000, time.time() - 90_000))
        with store.new_file():
            assert mine.exists() and not left.exists()


def test_a_file_system_without_links_keeps_files_too(tmp_path, monkeypatch):
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    store = FolderStore(tmp_path)
    assert put(store).is_new and not put(store).is_new and read(store, key_of(SHA256)) == SPEECH


def test_the_secret_of_addresses_is_made_once_for_all_nodes_and_belongs_to_its_owner(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        signed = set(
            threads.map(lambda _: UrlSigner(tmp_path / "url_secret", clock=lambda: 5.0).sign("k", seconds=9), range(8))
        )
    assert len(signed) == 1
    assert stat.S_IMODE((tmp_path / "url_secret").stat().st_mode) == 0o600


def test_an_address_holds_until_its_time_and_for_its_key_only(tmp_path):
    now = 1000.0
    signer = UrlSigner(tmp_path / "url_secret", clock=lambda: now)
    signature = signer.sign("key", seconds=10).rpartition("=")[2]
    signer.check("key", expires=1010, signature=signature)
    for key, expires, given_signature in (
        ("other", 1010, signature),
        ("key", 1011, signature),
        ("key", 1010, signature[:-1]),
        ("key", 1010, ""),
        ("key", 1010, "ä" * 64),
    ):
        with pytest.raises(SignedAddressError):
            signer.check(key, expires=expires, signature=given_signature)
    now = 1010.0
    with pytest.raises(SignedAddressError, match="expired"):
        signer.check("key", expires=1010, signature=signature)


def test_without_a_secret_no_signature_is_right(tmp_path):
    with pytest.raises(SignedAddressError):
        UrlSigner(tmp_path / "url_secret").check("key", expires=2**40, signature="")


@pytest.mark.parametrize("url", ["", "folder", "folder:", "s3:bucket", "s3://", "http://host/bucket"])
def test_a_setting_that_names_no_store_is_refused(url, tmp_path):
    with pytest.raises(ValueError, match=r"serve\.storage\.url"):
        open_object_store(url, root=tmp_path)
