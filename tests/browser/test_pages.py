"""Every page, in both themes and on a phone: what it shows, that all can use it, and that text stays text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE, sign_in
from tests.browser.stage import HOSTILE_REFUSAL, SCRIPT, play, said
from tests.running import TOKEN, Whole, until

SERIOUS = {"serious", "critical"}


def every_page(whole: Whole) -> list[str]:
    """The address of each page, with something on it."""
    staged = play(whole, dead=1, refusal=HOSTILE_REFUSAL)
    until(lambda: whole.exchanges(staged.dead))
    whole.faults(
        {"kind": "drop_before", "on": "read", "count": 2},
        {"kind": "delay", "on": "read", "seconds": 1.2, "count": 6},
        {"kind": "drop_after", "on": "append", "count": 1},
    )
    lost = said(whole, "lost", ticket_id="4800", thread_id=2000, message="Its answer is lost.")
    whole.until(lost, "appended")
    (delivery, *_) = whole.api("GET", "/api/deliveries?verdict=held").json()["deliveries"]
    return [
        "/",
        "/?span=month",
        "/reopens",
        "/reopens?q=nothing-like-it",
        f"/reopens/{lost}",
        f"/reopens/{staged.dead}",
        f"/reopens/{staged.held}?contact=customer@example.com",
        f"/reopens/{staged.hostile}",
        "/why",
        "/why?q=4800",
        "/why?q=unheard-of",
        "/deliveries",
        f"/deliveries/{delivery['id']}",
        "/threads",
        "/threads/2000",
        "/setup",
        "/audit",
    ]


def contrast(page: Page) -> list[str]:
    """What cannot be read in the colours of the theme: all that another theme changes."""
    return serious(page, {"runOnly": ["color-contrast"]})


def serious(page: Page, options: dict[str, object] | None = None) -> list[str]:
    """What axe finds that keeps people out, named with the page."""
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{page.url} {each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found
        if each["impact"] in SERIOUS
    ]


def test_everybody_can_use_every_page(whole: Whole, opened: Callable[..., Page]):
    """No page has what axe calls serious in either theme, is wider than a phone, or runs a script that came
    from outside.
    """
    pages = every_page(whole)
    page, faults = opened(token=None, size=PHONE), []
    page.goto("/login")
    faults += serious(page)
    sign_in(page, TOKEN)
    for address in pages:
        page.goto(address)
        page.locator("#live.on").wait_for()
        for closed in page.get_by_text("What was said").all():
            closed.click()
        faults += serious(page)
        page.emulate_media(color_scheme="dark")
        faults += contrast(page)
        page.emulate_media(color_scheme="light")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{address} is wider than a phone")
        if "taken" in page.title() or page.locator("main script").count():
            faults.append(f"{address} runs what came from outside")
    assert faults == []


def test_what_comes_from_outside_stays_text(whole: Whole, page: Page):
    """A script in any field of a delivery or of Acquire's answer is shown as text: ids, words, bodies."""
    dead = play(whole, dead=1, refusal=HOSTILE_REFUSAL).dead
    staged = whole.api("GET", "/api/reopens?status=held").json()["reopens"]
    hostile = next(each for each in staged if each["ticket_id"] == SCRIPT)
    page.goto(f"/reopens/{hostile['id']}")
    expect(page.locator("blockquote")).to_have_text(SCRIPT * 3)
    until(lambda: whole.exchanges(dead))
    page.goto(f"/reopens/{dead}")
    for closed in page.get_by_text("What was said").all():
        closed.click()
    expect(page.locator("#story pre").last).to_contain_text("ERROR_INVALID_INPUT")
    expect(page.locator("#story .said").first).to_contain_text(SCRIPT)
    assert "taken" not in page.title()
    page.goto(f"/why?q={SCRIPT}")
    expect(page.locator("main")).to_contain_text(SCRIPT)


def test_times_are_the_viewers(whole: Whole, page: Page):
    """Times show in the viewer's zone, with UTC on hover."""
    play(whole, dead=1)
    page.goto("/reopens")
    time = page.locator("tbody time").first
    title = time.get_attribute("title") or ""
    assert title.endswith(" UTC")
    hour = int(title[11:13])
    expect(time).to_have_text(f"{(hour + 1) % 24:02}{title[13:19]}")


@pytest.mark.parametrize("asked", ["ok-1", "4801", "2001"])
def test_search_finds_by_the_beginning_of_an_id(whole: Whole, page: Page, asked: str):
    """`/` leads to the search, which takes any id, and its address can be shared."""
    play(whole, dead=1)
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type(asked)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/reopens?q={asked}")
    expect(page.locator("#list tbody tr")).to_have_count(1)


def test_keys(whole: Whole, page: Page):
    """J and k walk the rows, Enter opens one, ? shows the keys."""
    play(whole, dead=1)
    page.goto("/reopens")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator("#list tbody tr").first
    expect(first).to_have_class("at-row")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#list tbody tr.at-row a.open").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/reopens/*")
