"""What a person does in the browser before anything else: log in, and go to a page."""

from playwright.sync_api import Page, expect

ARRIVED = "Requests a minute"
"""Stands on the first page, which a login leads to."""


def log_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in with the key").click()


def arrived(page: Page) -> None:
    expect(page.get_by_text(ARRIVED).first).to_be_visible()


def go(page: Page, title: str) -> None:
    page.get_by_role("link", name=title, exact=True).first.click()
    expect(page.get_by_role("heading", name=title)).to_be_visible()
