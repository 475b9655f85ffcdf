"""Chromium for tests that look at pages; a machine without it fails them."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""No request but those of the pages themselves; no sandbox, since the tests may be root."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the program."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("These tests need Chromium: apt-get install chromium.")
    return path


@contextmanager
def running_browser(chromium: str) -> Generator[Browser]:
    """A browser; as long as it runs, no other event loop can run in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield browser
        browser.close()
