"""A real headless Chromium for tests: one for each file of tests, a fresh context for every page.

Not one for the whole run: while it is there its own event loop runs, and asynchronous tests could not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

EXECUTABLE = Path(os.environ.get("COUNTERSIGN_BROWSER", "/usr/bin/chromium"))
INSTALL = "apt-get install -y --no-install-recommends chromium fonts-dejavu-core"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


PATIENCE_MS = 60_000
"""A slow machine is no failure: each wait ends as soon as what it waits for is so."""


def is_required() -> bool:
    """Where a missing system package could have been installed, its absence is a failure and not a gap."""
    return os.environ.get("CI") == "true" or os.geteuid() == 0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not EXECUTABLE.exists():
        message = f"not run: there is no browser; as root: {INSTALL}"
        if is_required():
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=str(EXECUTABLE), args=ARGUMENTS)
        yield browser
        browser.close()
