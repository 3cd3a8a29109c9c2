"""One browser for all tests. Each test has a page of its own, and fails where the console complains."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import chromium, context, sign_in
from tests.running import TOKEN, Whole

STEP_MS = 10_000
HARMLESS = ("Failed to load resource: the server responded with a status of 401",)
"""A wrong token is a 401, and Chromium mentions it."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ended with the last of these tests: while Playwright runs, its event loop is the process' own."""
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Browser, whole: Whole) -> Iterator[Callable[..., Page]]:
    """Opens pages of the running service, signed in as Anna unless told otherwise."""
    complaints: list[str] = []
    contexts = []

    def open_page(*, token: str | None = TOKEN, **how: object) -> Page:
        contexts.append(context(browser, whole.origin, **how))
        page = contexts[-1].new_page()
        page.set_default_timeout(STEP_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        if token:
            sign_in(page, token)
        return page

    yield open_page
    for each in contexts:
        each.close()
    assert [said for said in complaints if not said.startswith(HARMLESS)] == []


@pytest.fixture
def page(opened: Callable[..., Page]) -> Page:
    return opened()
