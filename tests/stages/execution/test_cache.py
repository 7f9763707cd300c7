"""The cache gives back what was put into it, whole, or nothing, whatever breaks it and however many use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process_helpers import environment

from stages.execution.cache import MAX_DAYS, RESULTS, SIZE, ResultCache, open_cache

KEY = "ab" * 32


def put(cache: ResultCache, folder: Path, key: str = KEY, sound: bytes = b"sound") -> None:
    (folder / "made.flac").write_bytes(sound)
    cache.put(key, json.dumps([1, "two"]), {"audio/1.flac": folder / "made.flac"})
    (folder / "made.flac").unlink()


@pytest.fixture
def cache(tmp_path) -> ResultCache:
    return ResultCache(tmp_path / "results", max_bytes=10**6)


@pytest.fixture
def output(tmp_path) -> Path:
    folder = tmp_path / "output"
    (folder / "audio").mkdir(parents=True)
    return folder


def test_an_entry_comes_back_with_its_files(cache, tmp_path, output):
    assert cache.get(KEY, output) is None
    put(cache, tmp_path)
    assert json.loads(cache.get(KEY, output)) == [1, "two"]
    assert (output / "audio/1.flac").read_bytes() == b"sound"


@pytest.mark.parametrize("damage", [b"", b"sounds", b"Sound"])
def test_a_damaged_file_counts_as_absent_and_can_be_written_again(cache, tmp_path, output, damage):
    put(cache, tmp_path)
    (file,) = (path for path in (tmp_path / "results/files").rglob("*") if path.is_file())
    file.write_bytes(damage)
    assert cache.get(KEY, output) is None
    assert not list((output / "audio").iterdir())
    put(cache, tmp_path)
    assert cache.get(KEY, output) is not None


@pytest.mark.parametrize("text", ["", "{}", "0" * 64 + '\n{"files": {}, "result": 1}', "\n"])
def test_a_damaged_entry_counts_as_absent(cache, tmp_path, output, text):
    put(cache, tmp_path)
    (tmp_path / "results" / KEY[:2] / KEY).write_text(text)
    assert cache.get(KEY, output) is None


def test_an_entry_cannot_write_outside_of_the_output(cache, tmp_path, output):
    (tmp_path / "made.flac").write_bytes(b"sound")
    cache.put(KEY, "1", {"../escaped.flac": tmp_path / "made.flac"})
    assert cache.get(KEY, output) is None
    assert not (tmp_path / "escaped.flac").exists()


def test_a_changed_output_does_not_change_the_entry(cache, tmp_path, output):
    put(cache, tmp_path)
    cache.get(KEY, output)
    (output / "audio/1.flac").write_bytes(b"edited in place")  # it may share its bytes with the cache
    found = cache.get(KEY, output)
    assert found is None or (output / "audio/1.flac").read_bytes() == b"sound"


def test_what_was_not_used_for_longest_goes_first(tmp_path, output):
    cache = ResultCache(tmp_path / "results", max_bytes=2600)
    keys = [f"{number:02x}" * 32 for number in range(3)]
    for age, key in enumerate(keys):
        put(cache, tmp_path, key, bytes([age]) * 1000)
    for path in (tmp_path / "results").rglob("*"):
        os.utime(path, (time.time() - 60, path.stat().st_mtime))
    assert cache.get(keys[0], output) is not None  # used last
    cache.trim()
    left = [key for key in keys if cache.get(key, output) is not None]
    assert keys[0] in left
    assert len(left) < 3
    assert sum(path.stat().st_size for path in (tmp_path / "results").rglob("*") if path.is_file()) <= 2600


def test_what_was_not_used_for_months_goes(cache, tmp_path, output):
    put(cache, tmp_path)
    long_ago = time.time() - (MAX_DAYS + 1) * 86400
    for path in (tmp_path / "results").rglob("*"):
        os.utime(path, (long_ago, long_ago))
    cache.trim()
    assert cache.get(KEY, output) is None


def test_the_leftover_of_a_killed_process_goes(cache, tmp_path):
    put(cache, tmp_path)
    fresh, old = (tmp_path / f"results/ab/x.{time.time() - age:.0f}.1.partial" for age in (10, 7200))
    for leftover in (fresh, old):
        leftover.write_text("half")
    cache.trim()
    assert fresh.exists()  # another process writes it
    assert not old.exists()


def test_processes_that_write_and_trim_at_once_read_whole_entries(tmp_path):
    code = (
        "import sys, random\nfrom pathlib import Path\nfrom stages.execution.cache import ResultCache\n"
        "root = Path(sys.argv[1]); mine = root / sys.argv[2]; mine.mkdir()\n"
        "cache, random = ResultCache(root / 'results', max_bytes=4000), random.Random(sys.argv[2])\n"
        "hits = 0\n"
        "for n in range(400):\n"
        "    number = random.randrange(8); key = f'{number:064x}'\n"
        "    found = cache.get(key, mine)\n"
        "    if found is None:\n"
        "        (mine / 'new').write_bytes(bytes([number]) * 500)\n"
        "        cache.put(key, str(number), {f'{number}': mine / 'new'}); (mine / 'new').unlink()\n"
        "    else:\n"
        "        hits += 1\n"
        "        assert found == str(number) and (mine / found).read_bytes() == bytes([number]) * 500\n"
        "    if n % 5 == 0: cache.trim()\n"
        "assert hits\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], env=environment(), stderr=subprocess.PIPE)
        for name in ("a", "b")
    ]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()


@pytest.mark.parametrize(("size", "is_on"), [("", True), ("0", False), ("0.5", True)])
def test_the_environment_turns_it_off(monkeypatch, tmp_path, size, is_on):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SIZE, size)
    cache = open_cache()
    put(cache, tmp_path)
    assert (cache.is_on, RESULTS.is_dir()) == (is_on, is_on)


@pytest.mark.parametrize("size", ["-1", "many", "nan", "inf"])
def test_a_size_that_is_not_one_is_refused(monkeypatch, size):
    monkeypatch.setenv(SIZE, size)
    with pytest.raises(ValueError, match=f"VOX_CACHE_GB={size}: .* must be a number, 0 for none"):
        open_cache()
