"""What people read: in its own direction, uncut, and never told to be live when it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import DESK, PHONE, context, sign_in
from tests.browser.stage import said
from tests.running import TOKEN, Whole

HINTS_CUT = """() => [...document.querySelectorAll("main input[placeholder]")].filter((input) => {
  const style = getComputedStyle(input), pen = document.createElement("canvas").getContext("2d");
  pen.font = `${style.fontSize} ${style.fontFamily}`;
  const arrow = input.list ? 20 : 0;
  const room = input.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - arrow;
  return pen.measureText(input.placeholder).width > room;
}).map((input) => input.placeholder)"""
FIRST_LINE_ENDS_AT = """(words) => {
  const line = document.createRange();
  line.selectNodeContents(words);
  const inner = words.getBoundingClientRect(), text = line.getClientRects()[0];
  return [text.left - inner.left, inner.right - text.right];
}"""


def test_a_page_is_not_live_while_redis_is_away(whole: Whole, browser: Browser):
    """A page that shows old numbers says so within seconds, and is live again by itself."""
    with context(browser, whole.origin) as opened:
        page = opened.new_page()
        sign_in(page, TOKEN)
        live = page.locator("#live")
        expect(live).to_have_text("live")
        whole.redis.execute_command("CLIENT", "PAUSE", 4_000, "ALL")
        expect(live).to_have_text("not live")
        expect(live).to_have_text("live")


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_no_hint_is_cut(whole: Whole, opened: Callable[..., Page], size: dict[str, int]):
    """What a field asks for can be read in whole."""
    held = said(whole, "who", contact_id=None, thread_id=None)
    page = opened(size=size)
    for address in ("/reopens", f"/reopens/{held}", "/why", "/threads", "/setup"):
        page.goto(address)
        assert page.evaluate(HINTS_CUT) == [], address


def test_a_phone_shows_the_way_to_every_page(opened: Callable[..., Page]):
    """No link to a page is hidden beyond the edge of a phone."""
    page = opened(size=PHONE)
    for link in page.get_by_label("Pages").get_by_role("link").all():
        expect(link).to_be_in_viewport(ratio=1)


def test_words_run_in_their_own_direction(whole: Whole, page: Page):
    """Hebrew begins at the right, as whoever reads it expects, and the English line after it at the left."""
    held = said(whole, "rtl", contact_id=None, thread_id=None, message="שלום, זה שבור.\nIt broke.")
    page.goto(f"/reopens/{held}")
    left, right = page.locator("blockquote").evaluate(FIRST_LINE_ENDS_AT)
    assert left > right


def test_without_script_a_page_does_not_say_that_it_is_live(whole: Whole, browser: Browser):
    """Where no script runs a page shows what was when it was loaded, and says so."""
    with browser.new_context(base_url=whole.origin, java_script_enabled=False) as opened:
        page = opened.new_page()
        sign_in(page, TOKEN)
        expect(page.locator("#live")).to_have_text("not live")


def test_what_is_no_thread_id_is_told_where_to_ask(page: Page):
    """An id that is no thread's leads to Why? with it."""
    page.goto("/threads?id=ticket-4711")
    page.get_by_role("alert").get_by_role("link").click()
    page.wait_for_url("**/why?q=ticket-4711")


def test_an_address_without_a_page_is_told_to_people_as_one(whole: Whole):
    """A browser gets a page with a way back; programs, and whoever asks under /api, get JSON."""
    wants_page = {"accept": "text/html,application/xhtml+xml"}
    answer = whole.client.get("/nowhere", headers=wants_page)
    assert answer.status_code == 404
    assert "There is no page at this address." in answer.text
    for address, headers in (("/nowhere", {}), ("/api/nowhere", wants_page), ("/webhooks", wants_page)):
        assert whole.client.get(address, headers=headers).json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("asked", ["/why?q=", "/reopens?q=", "/threads?id=", "/deliveries?source="])
def test_a_word_without_end_widens_no_page(opened: Callable[..., Page], asked: str):
    """Whatever is pasted into a search, the page that answers is as wide as a phone."""
    page = opened(size=PHONE)
    page.goto(asked + "W" * 1_500)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
