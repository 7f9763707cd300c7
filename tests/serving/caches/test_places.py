"""The places of a cache: what was put in comes out, or nothing, whatever happens to memory, disk and Redis."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.caches.disk import DiskCache
from serving.caches.entries import pack, seal, unpack, unseal
from serving.caches.layers import MAX_WAITING_BYTES, SETTING, CachePlace, LayeredCache, open_cache
from serving.caches.memory import MemoryCache
from serving.caches.remote import AWAY_SECONDS, RedisCache

DAY = 86_400.0
MEGABYTE = 1_000_000


def disk(folder, max_bytes: int = 100 * MEGABYTE, keep_seconds: float = DAY) -> DiskCache:
    return DiskCache(folder, max_bytes=max_bytes, keep_seconds=keep_seconds)


@pytest.fixture(params=["memory", "disk", "redis"])
def cache(request, tmp_path):
    if request.param == "memory":
        return MemoryCache(100 * MEGABYTE)
    if request.param == "disk":
        return disk(tmp_path / "cache")
    return RedisCache(request.getfixturevalue("redis_server").uri, keep_seconds=DAY)


def test_what_was_put_comes_back_until_it_is_deleted(cache):
    assert cache.get("a") is None
    cache.put("a", b"one")
    cache.put("b", b"")
    cache.put("a", b"two" * 100_000)
    assert (cache.get("a"), cache.get("b")) == (b"two" * 100_000, b"")
    cache.delete("a")
    cache.delete("a")
    assert cache.get("a") is None


def test_many_threads_never_see_half_an_entry(cache):
    contents = [bytes([number]) * 50_000 for number in range(8)]

    def work(number: int) -> None:
        for _ in range(20):
            cache.put("same", contents[number])
            assert cache.get("same") in (None, *contents)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))


@given(st.text(max_size=20), st.binary(max_size=200), st.integers(0, 300), st.integers(1, 255))
def test_a_changed_byte_or_another_key_is_noticed(key, content, place, change):
    sealed = seal(key, content)
    assert unseal(key, sealed) == content
    assert unseal(key + "x", sealed) is None
    at = place % len(sealed)
    assert unseal(key, sealed[:at] + bytes([sealed[at] ^ change]) + sealed[at + 1 :]) is None
    assert unseal(key, sealed[:at]) is None


@given(st.binary(max_size=100))
def test_what_was_not_packed_is_refused(content):
    assert unpack(pack({"a": 1}, content)) == ({"a": 1}, content)
    try:
        header, _ = unpack(content)
    except ValueError:
        return
    assert isinstance(header, dict)


def test_memory_forgets_the_least_recently_used_and_never_holds_more_than_its_limit():
    cache = MemoryCache(1000)
    for number in range(10):
        cache.put(str(number), bytes(200))
        assert cache.get("0") is not None and cache.n_bytes <= 1000
    assert [number for number in range(10) if cache.get(str(number))] == [0, 6, 7, 8, 9]
    cache.put("large", bytes(251))
    assert cache.get("large") is None


def entries(folder) -> list:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_a_disk_keeps_what_was_used_last_within_its_limit(tmp_path):
    cache = disk(tmp_path, max_bytes=MEGABYTE)
    for number in range(100):
        cache.put(str(number), bytes(50_000))
        assert cache.get("0") is not None
        assert sum(path.stat().st_size for path in entries(tmp_path)) <= MEGABYTE
        time.sleep(0.002)  # so that times of use differ
    kept = [number for number in range(100) if cache.get(str(number)) is not None]
    assert kept[0] == 0 and kept[1:] == list(range(kept[1], 100)) and len(kept) > 12


def test_two_processes_keep_one_limit(tmp_path):
    caches = [disk(tmp_path, max_bytes=MEGABYTE) for _ in range(2)]
    for number in range(100):
        caches[number % 2].put(str(number), bytes(20_000))
        assert sum(path.stat().st_size for path in entries(tmp_path)) <= MEGABYTE


def test_what_nobody_asked_for_in_time_is_deleted(tmp_path):
    cache = disk(tmp_path, keep_seconds=1000)
    cache.put("old", b"sound")
    cache.put("used", b"sound")
    for path in entries(tmp_path):
        os.utime(path, (time.time() - 2000, time.time() - 2000))
    assert cache.get("used") == b"sound"
    disk(tmp_path, keep_seconds=1000).put("new", b"sound")  # the first entry of a process looks at the folder
    assert cache.get("old") is None and cache.get("used") is not None


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 32, b"x" * 1000])
def test_a_damaged_entry_counts_as_missing_and_is_deleted(tmp_path, damage, caplog):
    cache = disk(tmp_path)
    cache.put("a", b"sound")
    (path,) = entries(tmp_path)
    path.write_bytes(damage)
    assert cache.get("a") is None and not path.exists()
    assert "damaged" in caplog.text
    cache.put("a", b"sound")
    assert cache.get("a") == b"sound"


def test_a_folder_that_cannot_be_used_is_a_miss_and_one_line(tmp_path, caplog):
    (tmp_path / "cache").write_text("not a folder")
    cache = disk(tmp_path / "cache")
    for number in range(10):
        cache.put(str(number), b"sound")
        assert cache.get(str(number)) is None
    assert len(caplog.records) == 1


WRITER = """
import sys
from pathlib import Path
from serving.caches.disk import DiskCache

cache = DiskCache(Path(sys.argv[1]), max_bytes=20_000_000, keep_seconds=1e6)
print("ready", flush=True)
for number in range(10**6):
    cache.put(str(number % 40), bytes([number % 40]) * 400_000)
"""


def test_a_killed_writer_leaves_whole_entries_only(tmp_path):
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.05)
            writer.kill()
    cache = disk(tmp_path, max_bytes=20 * MEGABYTE)
    found = {number: cache.get(str(number)) for number in range(40)}
    assert any(found.values())
    assert all(content == bytes([number]) * 400_000 for number, content in found.items() if content is not None)
    for path in entries(tmp_path):
        os.utime(path, (time.time() - 1000, time.time() - 1000))
    cache.put("new", b"sound")
    assert not [path for path in entries(tmp_path) if path.name.startswith(".")]


def test_nodes_share_a_redis_and_a_redis_that_is_away_is_a_miss_and_one_line(redis_server, caplog):
    now = 0.0
    nodes = [RedisCache(redis_server.uri, keep_seconds=DAY, clock=lambda: now) for _ in range(2)]
    nodes[0].put("a", b"sound")
    assert nodes[1].get("a") == b"sound"
    redis_server.stop()
    try:
        begin = time.perf_counter()
        for _ in range(100):
            assert nodes[0].get("a") is None
            nodes[0].put("a", b"sound")
        assert time.perf_counter() - begin < 1.0
        now += AWAY_SECONDS
        assert nodes[0].get("a") is None
        assert len(caplog.records) == 1 and "only" not in caplog.text  # the password
    finally:
        redis_server.start()
    now += AWAY_SECONDS
    nodes[0].put("a", b"sound again")
    assert nodes[0].get("a") == b"sound again"
    assert "is back" in caplog.records[-1].message and len(caplog.records) == 2


def test_a_redis_that_never_answers_costs_one_short_wait(caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = RedisCache(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", keep_seconds=DAY)
        begin = time.perf_counter()
        assert [cache.get(str(number)) for number in range(20)] == [None] * 20
        assert time.perf_counter() - begin < 0.5


def test_a_large_entry_is_kept_over_a_slow_network(redis_server):
    port = int(redis_server.uri.rpartition(":")[2].partition("/")[0])

    def forward(source: socket.socket, target: socket.socket, seconds: float) -> None:
        while data := source.recv(1 << 16):
            time.sleep(seconds)
            target.sendall(data)

    def accept() -> None:
        for _ in range(2):
            near, _ = listening.accept()
            far = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=forward, args=(near, far, 0.002), daemon=True).start()
            threading.Thread(target=forward, args=(far, near, 0.0), daemon=True).start()

    content = bytes(8_000_000)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        slow = redis_server.uri.replace(f":{port}/", f":{listening.getsockname()[1]}/")
        RedisCache(slow, keep_seconds=DAY).put("large", content)
        assert RedisCache(redis_server.uri, keep_seconds=DAY).get("large") == content


def test_a_damaged_entry_in_redis_counts_as_missing(redis_server):
    import redis

    cache = RedisCache(redis_server.uri, keep_seconds=DAY)
    cache.put("a", b"sound")
    with redis.Redis.from_url(redis_server.uri) as client:
        client.set("voxfoundry:a", b"x" * 100)
        assert cache.get("a") is None and not client.exists("voxfoundry:a")
        cache.put("a", b"sound")
        assert 0 < client.ttl("voxfoundry:a") <= DAY


def test_what_memory_forgot_comes_from_the_disk_also_after_a_restart(tmp_path):
    place = CachePlace(memory_bytes=1000, disk_bytes=MEGABYTE, keep_seconds=DAY, folder=str(tmp_path))
    first = open_cache(place, {})
    assert first is not None
    for number in range(20):
        first.put(str(number), bytes([number]) * 200)
    first.wait()
    again = open_cache(place, {})
    assert again is not None
    for cache in (first, again):
        assert [cache.get(str(number)) for number in range(20)] == [bytes([number]) * 200 for number in range(20)]
    first.delete("3")
    assert first.get("3") is None


def test_the_setting_decides_where_speech_is_kept(tmp_path, redis_server):
    place = CachePlace(memory_bytes=0, disk_bytes=0, keep_seconds=DAY, folder=str(tmp_path / "cache"))
    assert open_cache(place, {}) is None
    shared = open_cache(place, {SETTING: redis_server.uri})
    assert shared is not None
    shared.put("from here", b"sound")
    shared.wait()
    assert RedisCache(redis_server.uri, keep_seconds=DAY).get("from here") == b"sound"
    assert not (tmp_path / "cache").exists()
    with pytest.raises(ValueError, match="VOXFOUNDRY_REDIS_URI"):
        open_cache(place, {SETTING: "localhost:6379"})


class StuckDisk:
    """Writes nothing until it is free, and then fails once."""

    def __init__(self) -> None:
        self.free, self.kept = threading.Event(), []

    def get(self, key: str) -> None:
        return None

    def put(self, key: str, content: bytes) -> None:
        self.free.wait(10)
        if not self.kept:
            self.kept.append("")
            raise ValueError("a fault that nobody expected")
        self.kept.append(key)


def test_what_waits_for_a_slow_disk_is_bounded_and_a_fault_ends_nothing():
    disk = StuckDisk()
    cache = LayeredCache(MemoryCache(0), disk)
    for number in range(40):
        cache.put(str(number), bytes(MAX_WAITING_BYTES // 16))
    disk.free.set()
    cache.wait()
    assert disk.kept == ["", *(str(number) for number in range(1, 16))]
    cache.put("later", b"sound")
    cache.wait()
    assert disk.kept[-1] == "later"
