import pytest
from playwright.sync_api import expect
from tests.dashboard.browsing import arrived, log_in
from tests.dashboard.conftest import *
from tests.dashboard.sample_data import PASSWORD
pytestmark=[pytest.mark.timeout(900)]
expect.set_options(timeout=240_000)
def test_shots(browser, the_dashboard, sample_data):
    sample_data.beat()
    for w,scheme in ((1400,"light"),(420,"dark"),(420,"light"),(1400,"dark")):
        ctx=browser.new_context(viewport={"width":w,"height":900},color_scheme=scheme)
        ctx.set_default_timeout(240_000)
        page=ctx.new_page(); page.goto(the_dashboard.url); log_in(page,sample_data.key); arrived(page)
        for name in ("requests","devices",f"requests?id={sample_data.requests.completed}"):
            page.goto(f"{the_dashboard.url}/{name}")
            expect(page.get_by_text({"requests":"Handed in","devices":"Runs here"}.get(name,"Tried next")).first).to_be_visible()
            page.wait_for_timeout(4000)
            page.screenshot(path=f"/tmp/l7shot-{name.split('?')[0] if '?' not in name else 'one'}-{w}-{scheme}.png",full_page=True)
        ctx.close()
