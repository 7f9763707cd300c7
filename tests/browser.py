"""A real Chromium for the tests of pages, driven by Playwright, and a folder for their screenshots."""

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
    "--no-sandbox",  # Chromium has no sandbox for root, as which CI runs
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """Return the path of a Chromium. If VOXFOUNDRY_BROWSER names one, it must exist and no test is skipped."""
    named = os.environ.get("VOXFOUNDRY_BROWSER")
    if named:
        assert shutil.which(named), f"VOXFOUNDRY_BROWSER={named!r} is not a program on this machine"
        return shutil.which(named)
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on PATH; install one, or name one with VOXFOUNDRY_BROWSER")
    return found


@pytest.fixture(scope="module")  # not longer, because nothing else in the process can use asyncio.run meanwhile
def browser() -> Iterator[Browser]:
    executable = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """The folder that keeps screenshots for people and CI: VOXFOUNDRY_ARTIFACTS or tests/artifacts/."""
    folder = Path(os.environ.get("VOXFOUNDRY_ARTIFACTS", Path(__file__).with_name("artifacts")))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Watch:
    """The complaints and the requests of a page since `watch` was called."""

    complaints: list[str] = field(default_factory=list)  # console errors and warnings, uncaught exceptions
    requests: list[str] = field(default_factory=list)  # addresses outside the page, so without data: and blob:


def wait_for(page: Page, expression: str, seconds: float = 15.0) -> None:
    """Wait until a JavaScript expression is true. `page.wait_for_function` fails on pages that forbid eval."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"not true within {seconds} s: {expression}"
        page.wait_for_timeout(20)


def watch(page: Page) -> Watch:
    """Record the complaints and requests of a page. Call it before `page.goto`."""
    record = Watch()
    page.on("console", lambda line: record.complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: record.complaints.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("data:", "blob:")) else record.requests.append(request.url),
    )
    return record
