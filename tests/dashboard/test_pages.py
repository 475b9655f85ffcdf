"""What a person sees in a real browser, against a real gateway."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import expect

from modelyard.dashboard.sessions import COOKIE
from modelyard.registry.fleet.device_orders import DeviceOrders
from tests.dashboard.browsing import arrived, go, log_in
from tests.dashboard.conftest import OpenedPage
from tests.dashboard.running_servers import PREFECT, RestartableServer
from tests.dashboard.sample_data import LICENCE, MODEL, PASSWORD, PREFECT_RUN, Scenery

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
expect.set_options(timeout=120_000)


def test_a_key_opens_every_page(
    seen: OpenedPage, sample_data: Scenery, the_dashboard: RestartableServer, tmp_path: Path
) -> None:
    """What the gateway knows stands there, linked; nothing is fetched from elsewhere."""
    page = seen.page
    log_in(page, sample_data.key)
    arrived(page)
    for text in ("First token, p95 of the hour", "Processor of the test", "owner/missing"):
        expect(page.get_by_text(text)).to_be_visible()
    expect(page.locator("[data-testid=stVegaLiteChart] svg").nth(2)).to_be_visible()
    page.screenshot(path=tmp_path / "overview.png")
    go(page, "Devices")
    expect(page.get_by_text("4.00 GiB of 16.0 GiB")).to_be_visible()
    expect(page.get_by_text(f"{MODEL}@1")).to_be_visible()
    expect(page.get_by_text("The driver has lost the card.")).to_be_visible()
    expect(page.get_by_text(f"{MODEL}@2: It needs 9 GB, 2 are free.")).to_be_visible()
    expect(page.get_by_text("Last hour, mean of each minute")).to_be_visible()
    page.screenshot(path=tmp_path / "devices.png")
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("link", name=MODEL).click()
    aliases = ("champion", "candidate", "preparing champion")
    for text in (*aliases, "Q4_K_M", "4.38 MiB", "4.46"):
        expect(page.get_by_role("cell", name=text).first).to_be_visible()
    page.get_by_text("Version 2: origin and measurements").click()
    joined = LICENCE.replace("://", ":\N{WORD JOINER}//")
    expect(page.get_by_text(joined).first).to_be_visible()
    page.screenshot(path=tmp_path / "model.png")
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page.get_by_text("Download: 0 B of 400 MiB, 0%")).to_be_visible()
    expect(page.get_by_text("There is no repository 'owner/missing'.")).to_be_visible()
    in_prefect = page.get_by_role("link", name="in Prefect")
    expect(in_prefect).to_have_attribute("href", f"{PREFECT}/runs/flow-run/{PREFECT_RUN}")
    page.screenshot(path=tmp_path / "runs.png")
    assert {urlsplit(url).netloc for url in seen.requests} == {urlsplit(the_dashboard.url).netloc}


def test_the_key_stays_on_the_server(seen: OpenedPage, sample_data: Scenery) -> None:
    """Neither the address nor the page nor any store holds the key; no script reads the cookie."""
    page = seen.page
    log_in(page, sample_data.key)
    arrived(page)
    stores = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    told = page.evaluate(stores)
    assert sample_data.key not in page.url
    assert sample_data.key not in page.content()
    assert sample_data.key not in told
    [cookie] = [each for each in page.context.cookies() if each.get("name") == COOKIE]
    assert cookie.get("value") not in told
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Lax")


def test_a_reload_and_a_typed_address_stay_logged_in(
    seen: OpenedPage, sample_data: Scenery, the_dashboard: RestartableServer
) -> None:
    """The session is the browser's, not the tab's."""
    page = seen.page
    log_in(page, sample_data.key)
    arrived(page)
    page.reload()
    arrived(page)
    page.goto(f"{the_dashboard.url}/models?name={MODEL}")
    expect(page.get_by_role("cell", name="Q4_K_M")).to_be_visible()
    other = page.context.new_page()
    other.goto(f"{the_dashboard.url}/runs")
    expect(other.get_by_role("heading", name="Lifecycle runs")).to_be_visible()


def test_a_name_and_password_open_it_and_log_out_closes_it(
    seen: OpenedPage, the_dashboard: RestartableServer
) -> None:
    """The header says who one is; after the log-out every page asks who one is again."""
    page = seen.page
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in with the password").click()
    expect(page.get_by_text("ada", exact=True)).to_be_visible()
    page.get_by_role("link", name="Log out").click()
    for address in ("", "/models"):
        if address:
            page.goto(the_dashboard.url + address)
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_an_address_opens_its_page_after_the_login(
    seen: OpenedPage, sample_data: Scenery, the_dashboard: RestartableServer
) -> None:
    """A bookmark leads through the login to what it was made for."""
    seen.page.goto(f"{the_dashboard.url}/models?name={MODEL}")
    log_in(seen.page, sample_data.key)
    expect(seen.page.get_by_role("cell", name="Q4_K_M")).to_be_visible()


def test_a_wrong_key_is_told_so(seen: OpenedPage) -> None:
    """The message is a sentence, and the field is ready for the right key."""
    log_in(seen.page, "my_wrong")
    expect(seen.page.get_by_text("This API key is unknown, expired or revoked.")).to_be_visible()
    expect(seen.page.get_by_label("API key")).to_have_value("")


def test_nobody_opens_anything_without_a_session(the_dashboard: RestartableServer) -> None:
    """Pages lead to the login, also with a made-up cookie; all else is refused."""
    page = {"Accept": "text/html"}
    with httpx2.Client(base_url=the_dashboard.url, trust_env=False) as client:
        for path in ("/", "/models", "/people"):
            answer = client.get(path, headers={**page, "Cookie": f"{COOKIE}=made-up"})
            assert (answer.status_code, answer.headers["Location"][:6]) == (303, "/login")
        for path in ("/_stcore/stream", "/_stcore/host-config", "/static/", "/_stcore/upload_file"):
            assert client.get(path).status_code in {401, 404}, path
        assert client.get("/_stcore/health").status_code == 200


def test_a_revoked_key_ends_the_session(
    seen: OpenedPage, sample_data: Scenery, tmp_path: Path
) -> None:
    """Whoever is shut out does not go on looking: the page asks who one is again, and says why."""
    key = sample_data.identity.create_key("ada", "short-lived")
    log_in(seen.page, key)
    arrived(seen.page)
    sample_data.identity.revoke_key(key[:11])
    expect(seen.page.get_by_text("Your session has ended.")).to_be_visible()
    seen.page.screenshot(path=tmp_path / "ended.png")
    expect(seen.page.get_by_text("Processor of the test")).to_have_count(0)


def test_an_admin_takes_a_device_out_of_work(seen: OpenedPage, sample_data: Scenery) -> None:
    """The order is kept for the worker, with the reason that was given."""
    page = seen.page
    log_in(page, sample_data.key)
    arrived(page)
    go(page, "Devices")
    page.get_by_role("button", name="Maintenance").click()
    page.get_by_role("textbox", name="Reason").fill("New fan")
    page.get_by_role("button", name="Take it out of work").click()
    expect(page.get_by_text("nothing new goes there")).to_be_visible()
    order = DeviceOrders(sample_data.identity.db).of("cpu-0")
    assert (order.maintenance, order.reason) == (True, "New fan")


def test_an_admin_adds_a_user_and_makes_it_a_key(
    seen: OpenedPage, sample_data: Scenery, the_gateway: RestartableServer, tmp_path: Path
) -> None:
    """The user stands in the table; the key that is shown once opens the API in its name."""
    page = seen.page
    log_in(page, sample_data.key)
    arrived(page)
    go(page, "People")
    page.get_by_role("button", name="Add a user").click()
    page.get_by_label("Name").fill("grace")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("cell", name="grace")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_label("What it is for").fill("laptop")
    page.get_by_label("Whose").fill("grace")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_text("This is shown once")).to_be_visible()
    key = page.locator("[data-testid=stCode]").inner_text().strip()
    page.screenshot(path=tmp_path / "key.png")
    mine = httpx2.get(
        f"{the_gateway.url}/api/v1/me", headers={"Authorization": f"Bearer {key}"}, trust_env=False
    )
    assert mine.json()["name"] == "grace"


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


def test_a_dashboard_that_stops_leaves_no_figures_that_look_like_those_of_now(
    seen: OpenedPage, sample_data: Scenery, the_dashboard: RestartableServer
) -> None:
    """What is on the screen turns grey, and a banner says why."""
    page = seen.page
    log_in(page, sample_data.key)
    arrived(page)
    banner = "getComputedStyle(document.querySelector('[data-testid=stApp]'), '::before').content"
    faint = "getComputedStyle(document.querySelector('[data-testid=stMain]')).opacity"
    assert "No connection" not in page.evaluate(banner)
    the_dashboard.stop()
    try:
        lost = f"{banner}.includes('No connection') && {faint} < 0.5"
        page.wait_for_function(lost, polling=500)
    finally:
        the_dashboard.start()
