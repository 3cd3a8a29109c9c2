"""Debian's Chromium, driven by Playwright: one browser for all tests, a context of its own for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "google-chrome")
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def find_chromium() -> str:
    """The browser on this machine: the system's, else the one that Playwright fetched. Raises `RuntimeError`
    that says what to install.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is not None:
        return found
    with sync_playwright() as playwright:
        fetched = playwright.chromium.executable_path
    if not Path(fetched).exists():
        raise RuntimeError(
            "the browser tests need Chromium: apt install chromium (Debian),"
            " or .venv/bin/playwright install --with-deps chromium (elsewhere)"
        )
    return fetched


@contextmanager
def chromium() -> Iterator[Browser]:
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def context(
    browser: Browser, origin: str, *, theme: str = "light", size: dict[str, int] = DESK
) -> BrowserContext:
    """Somebody in Berlin, who speaks English and wants nothing to move."""
    return browser.new_context(
        base_url=origin,
        color_scheme=theme,
        viewport=size,
        timezone_id="Europe/Berlin",
        locale="en-GB",
        reduced_motion="reduce",
    )


def sign_in(page: Page, token: str, name: str = "Anna") -> None:
    page.goto("/login")
    page.get_by_label("Token").fill(token)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


def picture(page: Page, path: Path) -> None:
    page.screenshot(path=path, full_page=True, animations="disabled")
