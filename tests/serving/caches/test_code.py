"""The code that made a sound is a part of its key."""

from __future__ import annotations

import subprocess
import sys

import pytest

from serving.caches.code import FOLDERS, PACKAGES, hash_sources, sound_code


@pytest.fixture
def package(tmp_path):
    (tmp_path / "package/text").mkdir(parents=True)
    (tmp_path / "package/text/read.py").write_text("a = 1\n")
    (tmp_path / "package/words.yaml").write_text("no: yes\n")
    return tmp_path


def changed(path):
    (path / "package/text/read.py").write_text("a = 2\n")


def data(path):
    (path / "package/words.yaml").write_text("no: no\n")


def added(path):
    (path / "package/new.py").write_text("")


def renamed(path):
    (path / "package/words.yaml").rename(path / "package/word.yaml")


@pytest.mark.parametrize("change", [changed, data, added, renamed])
def test_a_changed_module_gives_another_key(package, change):
    before = hash_sources(package, ["package"])
    assert hash_sources(package, ["package"]) == before
    change(package)
    assert hash_sources(package, ["package"]) != before


def test_what_python_compiles_does_not_count(package):
    before = hash_sources(package, ["package"])
    (package / "package/__pycache__").mkdir()
    (package / "package/__pycache__/read.pyc").write_bytes(b"1")
    assert hash_sources(package, ["package"]) == before


def test_all_code_that_speaks_is_hashed_without_importing_torch():
    assert all((PACKAGES / folder / "__init__.py").is_file() for folder in FOLDERS)
    code = "import sys; from serving.caches.code import sound_code; print(sound_code(), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [sound_code(), "False"]
