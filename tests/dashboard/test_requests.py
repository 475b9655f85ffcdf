"""Requests that outlive a connection, as a person sees and cancels them in the browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.job import JobStatus
from tests.dashboard.browsing import arrived, go, log_in
from tests.dashboard.conftest import OpenedPage
from tests.dashboard.running_servers import RestartableServer
from tests.dashboard.sample_data import MODEL, Scenery
from tests.dashboard.sample_requests import BATCH, WAITING

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
expect.set_options(timeout=120_000)


@pytest.fixture
def page(seen: OpenedPage, sample_data: Scenery) -> Page:
    log_in(seen.page, sample_data.key)
    arrived(seen.page)
    return seen.page


def shows(page: Page, *texts: str) -> None:
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible()


def test_the_queue_and_every_request_stand_on_the_page(
    page: Page, sample_data: Scenery, tmp_path: Path
) -> None:
    """By model and priority what waits and runs; each request by its status, and by a filter."""
    go(page, "Requests")
    row = page.get_by_role("row").filter(has_text=MODEL)
    shows(page, "Longest wait", "engine_failed", "processing 0%", "completed", "pending")
    expect(row.first).to_be_visible()
    shows(page, BATCH, f"0 of {WAITING}")
    page.screenshot(path=tmp_path / "requests.png", full_page=True)
    page.get_by_role("radio", name="Failed").click()
    expect(page.get_by_role("link", name=sample_data.requests.completed[:8])).to_have_count(0)
    expect(page.get_by_role("link", name=sample_data.requests.failed[:8])).to_be_visible()


def test_one_request_tells_its_whole_story(
    page: Page, sample_data: Scenery, the_dashboard: RestartableServer, tmp_path: Path
) -> None:
    """When it was handed in, where it ran, what it took, and what came of it."""
    page.goto(f"{the_dashboard.url}/requests?id={sample_data.requests.completed}")
    shows(page, "Handed in", "Began after", "Ended after", "cpu-0", "42", "Tries")
    shows(page, "request.completed to", "Tried next")
    page.get_by_text("Result", exact=True).click()
    shows(page, "To be")
    page.screenshot(path=tmp_path / "request.png", full_page=True)
    page.goto(f"{the_dashboard.url}/requests?id={sample_data.requests.failed}")
    shows(page, "The engine ended.")


def test_a_request_is_cancelled_once_that_was_asked(
    page: Page, sample_data: Scenery, the_dashboard: RestartableServer
) -> None:
    """The page asks, cancels, and shows the end."""
    job_id = sample_data.requests.waiting
    page.goto(f"{the_dashboard.url}/requests?id={job_id}")
    shows(page, "pending")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the request").click()
    shows(page, "cancelled")
    assert JobBook(sample_data.identity.db).get(job_id).status is JobStatus.CANCELLED


def test_a_device_shows_what_runs_on_it(page: Page, sample_data: Scenery) -> None:
    """The request, its model and how far it is."""
    go(page, "Devices")
    shows(page, "Runs here", sample_data.requests.running[:8])
