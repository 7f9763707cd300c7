"""Only what changed is computed again, and its results are those of a run without the cache."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from stages.execution import cached_calls
from stages.execution.cache import NO_CACHE, ResultCache
from stages.execution.cached_calls import cached_map, key_of
from stages.execution.parallel import call

COMPUTED: list[str] = []


class Count(NamedTuple):
    name: str
    share: float
    parts: tuple[tuple[str, float], ...]


def count(path: Path, name: str, letter: str, *, out_dir: Path) -> Count | None:
    """Count a letter in a file, and write how often it is there."""
    COMPUTED.append(path.name)
    text = path.read_text()
    if not text:
        return None
    (out_dir / f"{name}.count").write_text(str(text.count(letter)))
    return Count(name, text.count(letter) / len(text), ((letter, 1 / 3),))


@pytest.fixture
def run(tmp_path):
    """Return a function that counts in all files and returns (results, what was computed, the files written)."""
    (tmp_path / "in").mkdir()
    cache = ResultCache(tmp_path / "results", 10**6)

    def count_all(letter="a", same=None, cache=cache):
        COMPUTED.clear()
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        workers = cached_map(
            map, cache, same=same or {}, out_dir=out, files=lambda one: [f"{one.name}.count"] if one else []
        )
        calls = [partial(count, path, path.name, letter, out_dir=out) for path in sorted((tmp_path / "in").iterdir())]
        results = list(workers(call, calls))
        return results, list(COMPUTED), {path.name: path.read_bytes() for path in out.iterdir()}

    return count_all


def test_an_added_file_alone_is_computed_and_all_results_are_those_of_a_run_without_cache(run, tmp_path):
    (tmp_path / "in/b").write_text("banana")
    (tmp_path / "in/d").write_text("")
    assert run()[1] == ["b", "d"]
    (tmp_path / "in/a").write_text("avocado")
    (tmp_path / "in/c").write_text("carrot")
    results, computed, files = run()
    assert computed == ["a", "c"]
    assert (results, files) == run(cache=NO_CACHE)[::2]
    assert isinstance(results[1], Count)


def test_a_changed_file_argument_judge_or_code_is_computed_again(run, tmp_path, monkeypatch):
    (tmp_path / "in/a").write_text("avocado")
    run()
    assert run()[1] == []
    assert run(letter="o")[1] == ["a"]
    assert run(same={"judge": "2"})[1] == ["a"]
    (tmp_path / "in/a").write_text("avocados")
    assert run()[1] == ["a"]
    monkeypatch.setattr(cached_calls, "code_of", lambda module: "other code")
    assert run()[1] == ["a"]


def shout(path: Path, *, out_file: Path) -> int:
    """Write a text in capitals, and return its length."""
    COMPUTED.append(path.name)
    out_file.write_text(path.read_text().upper())
    return len(path.read_text())


def test_a_file_with_another_name_is_not_computed_again_and_its_result_gets_the_new_name(tmp_path):
    workers = cached_map(map, ResultCache(tmp_path / "results", 10**6), same={})
    COMPUTED.clear()
    (tmp_path / "a").write_text("avocado")
    (tmp_path / "b").write_text("banana")
    first = [partial(shout, tmp_path / name, out_file=tmp_path / f"{name}.out") for name in "ab"]
    assert list(workers(call, first)) == [7, 6]
    for old, new in (("b", "c"), ("a", "b")):
        (tmp_path / old).rename(tmp_path / new)
    (tmp_path / "a").write_text("cherry")
    COMPUTED.clear()
    (tmp_path / "out").mkdir()
    again = [partial(shout, tmp_path / name, out_file=tmp_path / "out" / name) for name in "abc"]
    assert list(workers(call, again)) == [6, 7, 6]
    assert COMPUTED == ["a"]
    assert [(tmp_path / "out" / name).read_text() for name in "abc"] == ["CHERRY", "AVOCADO", "BANANA"]


def test_an_error_is_not_kept(run, tmp_path):
    (tmp_path / "in/a").write_bytes(b"\xff")
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            run()
        assert COMPUTED == ["a"]


def test_a_kept_result_of_another_form_is_computed_again(run, tmp_path):
    (tmp_path / "in/a").write_text("avocado")
    key = key_of(partial(count, tmp_path / "in/a", "a", "a", out_dir=tmp_path), {})
    ResultCache(tmp_path / "results", 10**6).put(key, '{"name": 1}', {})
    assert run()[1] == ["a"]


def test_an_argument_without_a_key_is_refused(tmp_path):
    with pytest.raises(TypeError, match="object has no key in the cache"):
        key_of(partial(count, Path(__file__), "a", object(), out_dir=tmp_path), {})
