"""Every command in README and docs is executed here, or its page gives a reason why not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from imports import ROOT
from project import VOICE, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?```(?:sh|bash|console)\n(?P<lines>.*?)```", re.DOTALL)
ENVIRONMENT = "source .venv/bin/activate"  # the tests run in the environment already


class Block(NamedTuple):
    """A block of shell commands on a page, with the reason why it is not run, or None."""

    page: Path
    lines: str
    reason: str | None

    @property
    def script(self) -> str:
        """Return the commands with the small test voice in place of the sample voice."""
        lines = [line for line in self.lines.splitlines() if line.strip() != ENVIRONMENT]
        return re.sub(r"\bsample\b", VOICE, "\n".join(lines))


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(page, match["lines"], match["reason"]) for match in BLOCK.finditer(text)]


EXECUTED = [block for page in PAGES for block in blocks_of(page) if block.reason is None]


@pytest.fixture(scope="module")
def released(promoted, tmp_path_factory) -> Path:
    """Return a copy of a project whose small voice is released."""
    return shutil.copytree(promoted[0], tmp_path_factory.mktemp("documented") / "project", symlinks=True)


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> dict[str, str]:
    """Return an environment in which `vox`, `dvc` and `python` are those of these tests."""
    programs = tmp_path_factory.mktemp("programs")
    for name, module in (("vox", "flows.cli"), ("dvc", "dvc"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {f"-m {module} " if module else ""}"$@"\n')
        program.chmod(0o755)
    variables = environment()
    return {**variables, "PATH": f"{programs}{os.pathsep}{variables['PATH']}", "PYTHONPATH": ""}


@pytest.mark.parametrize(
    "block", EXECUTED, ids=[f"{block.page.stem}-{number}" for number, block in enumerate(EXECUTED)]
)
def test_commands_of_a_page_run_as_written(block, released, shell):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.script], cwd=released, env=shell, capture_output=True, text=True
    )
    report = f"{block.page.name}:\n{block.script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0 and "Traceback" not in done.stderr, report


def test_every_block_of_commands_is_recognised():
    """A block that is indented or has another language name would never be run."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        outside = BLOCK.sub("", text)
        assert not re.findall(r"(?m)^(?:    |\$ )(?:vox|make|dvc|python -m|openssl|\.venv/bin/\w+) .*$", outside), page
        assert len(re.findall(r"```(?:sh|bash|console)\n", text)) == len(blocks_of(page)), page


def test_commands_that_are_not_run_have_a_reason():
    reasons = [block.reason for page in PAGES for block in blocks_of(page) if block.reason is not None]
    assert reasons and all(len(reason.split()) >= 4 for reason in reasons)
