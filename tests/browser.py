"""A real Chromium for the tests of pages, driven by Playwright, and a folder where their screenshots are kept."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # CI runs as root, where Chromium has none
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """The path of a Chromium. VOXFOUNDRY_BROWSER names one that must be there: with it, no test is skipped."""
    named = os.environ.get("VOXFOUNDRY_BROWSER")
    if named:
        assert shutil.which(named), f"VOXFOUNDRY_BROWSER={named!r} is no program on this machine"
        return shutil.which(named)
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on PATH; install one, or name one with VOXFOUNDRY_BROWSER")
    return found


@pytest.fixture(scope="module")  # no longer: while Playwright runs, nothing else in this process can use asyncio.run
def browser() -> Iterator[Browser]:
    executable = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Where screenshots stay for people and for CI: VOXFOUNDRY_ARTIFACTS, else tests/artifacts/."""
    folder = Path(os.environ.get("VOXFOUNDRY_ARTIFACTS", Path(__file__).with_name("artifacts")))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Watch:
    """What a page complained about and what it asked for, from the moment it is watched."""

    complaints: list[str] = field(default_factory=list)  # console errors and warnings, uncaught exceptions
    requests: list[str] = field(default_factory=list)  # addresses, those inside the page (data:, blob:) left out


def wait_for(page: Page, expression: str, seconds: float = 15.0) -> None:
    """Wait until a JavaScript expression is true. `page.wait_for_function` cannot where a page forbids eval."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"not true within {seconds} s: {expression}"
        page.wait_for_timeout(20)


def watch(page: Page) -> Watch:
    """Begin to watch a page. Call it before `page.goto`."""
    seen = Watch()
    page.on("console", lambda line: seen.complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("data:", "blob:")) else seen.requests.append(request.url),
    )
    return seen
