"""What a person sees in a real browser, against a real gateway."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import OpenedPage
from tests.dashboard.running_servers import RestartableServer
from tests.dashboard.sample_data import LICENCE, MODEL, PASSWORD, Scenery

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
expect.set_options(timeout=120_000)


def log_in(page: Page, key: str) -> None:
    page.get_by_role("textbox", name="API key").fill(key)
    page.get_by_role("button", name="Log in").click()


def go(page: Page, title: str) -> None:
    page.get_by_role("link", name=title, exact=True).click()


def test_a_key_opens_devices_models_and_runs(
    seen: OpenedPage, sample_data: Scenery, the_dashboard: RestartableServer, tmp_path: Path
) -> None:
    """Everything the gateway knows is on three pages, and nothing is fetched from elsewhere."""
    page = seen.page
    log_in(page, sample_data.key)
    expect(page.get_by_text("Processor of the test")).to_be_visible()
    expect(page.get_by_text("4.00 GiB of 16.0 GiB")).to_be_visible()
    expect(page.get_by_text(f"{MODEL}@1")).to_be_visible()
    expect(page.get_by_text("The driver has lost the card.")).to_be_visible()
    expect(page.get_by_text(f"{MODEL}@2: It needs 9 GB, 2 are free.")).to_be_visible()
    expect(page.get_by_text("Last hour, mean of each minute")).to_be_visible()
    expect(page.locator("[data-testid=stVegaLiteChart] svg").nth(1)).to_be_visible()
    page.screenshot(path=tmp_path / "devices.png")
    go(page, "Models")
    aliases = ("champion", "candidate", "preparing champion")
    for text in (MODEL, *aliases, "Q4_K_M", "4.38 MiB", "4.46", LICENCE):
        expect(page.get_by_role("cell", name=text).first).to_be_visible()
    page.screenshot(path=tmp_path / "models.png")
    go(page, "Runs")
    expect(page.get_by_text("Download: 0 B of 400 MiB, 0%")).to_be_visible()
    expect(page.get_by_text("Validate", exact=True)).to_be_visible()
    expect(page.get_by_text("There is no repository 'owner/missing'.")).to_be_visible()
    page.screenshot(path=tmp_path / "runs.png")
    assert {urlsplit(url).netloc for url in seen.requests} == {urlsplit(the_dashboard.url).netloc}


def test_the_key_stays_on_the_server(seen: OpenedPage, sample_data: Scenery) -> None:
    """After the login neither the address nor the page nor the browser's stores hold the key."""
    page = seen.page
    log_in(page, sample_data.key)
    expect(page.get_by_text("Processor of the test")).to_be_visible()
    stores = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert sample_data.key not in page.url
    assert sample_data.key not in page.content()
    assert sample_data.key not in page.evaluate(stores)


def test_a_name_and_password_open_it_and_log_out_closes_it(seen: OpenedPage) -> None:
    """The header says who one is; after the log-out a page asks who one is again."""
    page = seen.page
    page.get_by_role("tab", name="Name and password").click()
    page.get_by_role("textbox", name="Name").fill("ada")
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("ada", exact=True)).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(page.get_by_text("Processor of the test")).to_have_count(0)
    expect(page.get_by_role("link", name="Models", exact=True)).to_have_count(0)


def test_an_address_opens_its_page_after_the_login(
    seen: OpenedPage, sample_data: Scenery, the_dashboard: RestartableServer
) -> None:
    """A bookmark leads through the login to what it was made for."""
    seen.page.goto(f"{the_dashboard.url}/models")
    log_in(seen.page, sample_data.key)
    expect(seen.page.get_by_role("heading", name="Models")).to_be_visible()


def test_a_wrong_key_is_told_so(seen: OpenedPage) -> None:
    """The message is a sentence, and the field is ready for the right key."""
    log_in(seen.page, "my_wrong")
    expect(seen.page.get_by_text("This API key is unknown, expired or revoked.")).to_be_visible()
    expect(seen.page.get_by_role("textbox", name="API key")).to_have_value("")


def test_a_revoked_key_ends_the_session(
    seen: OpenedPage, sample_data: Scenery, tmp_path: Path
) -> None:
    """Whoever is shut out does not go on looking: the page asks who one is again, and says why."""
    key = sample_data.identity.create_key("ada", "short-lived")
    log_in(seen.page, key)
    expect(seen.page.get_by_text("Processor of the test")).to_be_visible()
    sample_data.identity.revoke_key(key[:11])
    expect(seen.page.get_by_text("Your session has ended.")).to_be_visible()
    seen.page.screenshot(path=tmp_path / "ended.png")
    expect(seen.page.get_by_text("Processor of the test")).to_have_count(0)


def test_a_gateway_that_stops_is_a_sentence_and_its_return_needs_no_reload(
    seen: OpenedPage, sample_data: Scenery, the_gateway: RestartableServer, tmp_path: Path
) -> None:
    """While it is away the page says so calmly; once it is back, so are the devices."""
    page = seen.page
    log_in(page, sample_data.key)
    expect(page.get_by_text("Processor of the test")).to_be_visible()
    the_gateway.stop()
    try:
        expect(page.get_by_text("does not answer")).to_be_visible()
        expect(page.get_by_text("Processor of the test")).to_have_count(0)
        expect(page.get_by_text("Traceback")).to_have_count(0)
        page.screenshot(path=tmp_path / "away.png")
    finally:
        the_gateway.start()
    expect(page.get_by_text("Processor of the test")).to_be_visible()
    expect(page.get_by_text("does not answer")).to_have_count(0)
